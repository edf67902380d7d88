import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { openUser, type CommandOutcome, type TestUser } from './registry.ts';

let user: TestUser;

before(async () => {
  user = await openUser();
  const keys = [0, 1, 2].map(() => generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }));
  await writeFile(inHome('set.json'), JSON.stringify({ keys }));
  await writeFile(inHome('notes.txt'), 'what was agreed\n');
});

after(async () => {
  await user.dispose();
});

function inHome(file: string): string {
  return path.join(user.home, file);
}

function errorOf({ stderr }: CommandOutcome): { readonly code: string; readonly message: string } {
  return JSON.parse(stderr).error;
}

async function keptNames(): Promise<readonly string[]> {
  const keys: readonly { readonly name: string }[] = JSON.parse(await user.ok('key', 'list', '--json'));
  return keys.map(({ name }) => name);
}

test('a set is kept whole or not at all: names that are taken or too long are seen before the first is kept', async () => {
  await user.ok('key', 'new', '--name', 'taken-3');
  for (const name of ['taken', 'n'.repeat(63)]) {
    const outcome = await user.run('key', 'import', 'set.json', '--name', name, '--json');
    assert.deepEqual([outcome.code, errorOf(outcome).code], [64, 'usage/invalid'], name);
  }
  assert.deepEqual(await keptNames(), ['taken-3']);
});

test('a set of which a later key cannot be kept: the error names what was', async () => {
  await user.ok('key', 'new', '--name', 'other');
  // Nothing can be read there, and nothing be made there.
  await symlink(inHome('nowhere/at-all'), path.join(user.home, '.config/waybill/keys/half-3.key'));
  const outcome = await user.run('key', 'import', 'set.json', '--name', 'half', '--json');
  assert.equal(errorOf(outcome).code, 'usage/invalid');
  assert.match(errorOf(outcome).message, /half, half-2\b/);
});

test('PEM: several keys in a file are refused; the parameters of a curve before its key are not', async () => {
  const [one, other] = [0, 1].map(() => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
  const pem = String(one?.export({ type: 'sec1', format: 'pem' }));
  const parameters = '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n';
  await writeFile(inHome('two.pem'), `${pem}${String(other?.export({ type: 'sec1', format: 'pem' }))}`);
  await writeFile(inHome('one.pem'), `${parameters}${pem}`);
  const outcome = await user.run('key', 'import', 'two.pem', '--name', 'two', '--json');
  assert.equal(errorOf(outcome).code, 'text/private-key');
  await user.ok('key', 'import', 'one.pem', '--name', 'one');
  const verifying = await user.run('verify-signature', 'notes.txt', '--key', 'two.pem', '--json');
  assert.equal(errorOf(verifying).code, 'text/key');
});

test('a private key in the place of a name or a file is in no error', async () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  await writeFile(inHome('given.jwk'), JSON.stringify(privateKey.export({ format: 'jwk' })));
  await user.ok('key', 'import', 'given.jwk', '--name', 'given');
  await user.ok('key', 'new', '--name', 'p256');
  const texts = [
    (await user.ok('key', 'export', '--name', 'given')).trim(),
    (await user.ok('key', 'export', '--name', 'p256')).trim(),
    await user.ok('key', 'export', '--name', 'given', '--jwk'),
    JSON.stringify(privateKey.export({ format: 'jwk' })),
    String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
  ];
  for (const text of texts) {
    const uses: readonly (readonly string[])[] = [
      ['verify-signature', 'notes.txt', '--key', text],
      ['sign', 'notes.txt', '--key', text],
      ['sign', 'notes.txt', '--program', 'signer', '--public-key', text],
      ['key', 'import', text],
      ['key', 'info', '--name', text],
      ['key', 'new', '--name', text],
    ];
    for (const args of uses) {
      const { code, stdout, stderr } = await user.run(...args);
      assert.notEqual(code, 0, args.slice(0, -1).join(' '));
      // Any eight of its characters, but those that every key of the form has.
      for (let i = 34; i + 8 <= text.length; i += 4) {
        assert.ok(!`${stdout}${stderr}`.includes(text.slice(i, i + 8)), `${args.slice(0, -1).join(' ')}: ${i}`);
      }
    }
  }
});
