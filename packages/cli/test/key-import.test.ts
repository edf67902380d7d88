import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { formatPrivateKey, privateKeyFromRandom } from '@waybill/protocol';
import { openUser, type CommandOutcome, type TestUser } from './registry.ts';

let user: TestUser;
/** Private keys in each form that people have them in. */
let keyTexts: readonly string[];

before(async () => {
  user = await openUser();
  const keys = [0, 1, 2].map(() => generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }));
  await writeFile(user.file('set.json'), JSON.stringify({ keys }));
  await writeFile(user.file('notes.txt'), 'what was agreed\n');
  keyTexts = await makeKeyTexts();
});

async function makeKeyTexts(): Promise<readonly string[]> {
  const { privateKey } = generateKeyPairSync('ed25519');
  await writeFile(user.file('given.jwk'), JSON.stringify(privateKey.export({ format: 'jwk' })));
  await user.ok('key', 'import', 'given.jwk', '--name', 'given');
  await user.ok('sign', 'notes.txt', '--key', 'given', '-o', 'notes.jws');
  await user.ok('key', 'new', '--name', 'p256');
  // A file system makes one slash of two.
  const slashes = privateKeyFromRandom(new Uint8Array(32).fill(0xff, 4, 28)) ?? assert.fail();
  return [
    (await user.ok('key', 'export', '--name', 'given')).trim(),
    (await user.ok('key', 'export', '--name', 'p256')).trim(),
    formatPrivateKey(slashes),
    await user.ok('key', 'export', '--name', 'given', '--jwk'),
    JSON.stringify(privateKey.export({ format: 'jwk' })),
    String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
  ];
}

after(async () => {
  await user.dispose();
});

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
  assert.deepEqual(await keptNames(), ['given', 'p256', 'taken-3']);
});

test('a set of which a later key cannot be kept: the error names what was', async () => {
  await user.ok('key', 'new', '--name', 'other');
  // Nothing can be read there, and nothing be made there.
  await symlink(user.file('nowhere/at-all'), path.join(user.home, '.config/waybill/keys/half-3.key'));
  const outcome = await user.run('key', 'import', 'set.json', '--name', 'half', '--json');
  assert.equal(errorOf(outcome).code, 'usage/invalid');
  assert.match(errorOf(outcome).message, /half, half-2\b/);
});

test('PEM: several keys in a file are refused; the parameters of a curve before its key are not', async () => {
  const [one, other] = [0, 1].map(() => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
  const pem = String(one?.export({ type: 'sec1', format: 'pem' }));
  const parameters = '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n';
  await writeFile(user.file('two.pem'), `${pem}${String(other?.export({ type: 'sec1', format: 'pem' }))}`);
  await writeFile(user.file('one.pem'), `${parameters}${pem}`);
  const outcome = await user.run('key', 'import', 'two.pem', '--name', 'two', '--json');
  assert.equal(errorOf(outcome).code, 'text/private-key');
  await user.ok('key', 'import', 'one.pem', '--name', 'one');
  const verifying = await user.run('verify-signature', 'notes.txt', '--key', 'two.pem', '--json');
  assert.equal(errorOf(verifying).code, 'text/key');
});

/** By what the key was typed for. */
const MISTAKES: Readonly<Record<string, (key: string) => readonly string[]>> = {
  'a public key': (key) => ['verify-signature', 'notes.txt', '--key', key],
  'the name of a key': (key) => ['sign', 'notes.txt', '--key', key],
  'the key of a program': (key) => ['sign', 'notes.txt', '--program', 'signer', '--public-key', key],
  'a program': (key) => ['sign', 'notes.txt', '--program', key, '--public-key', 'given.jwk'],
  'the file to sign': (key) => ['sign', key],
  'the file to sign, after --': (key) => ['sign', '--', key],
  'the output of sign': (key) => ['sign', 'notes.txt', '-o', key],
  'an algorithm': (key) => ['sign', 'notes.txt', '--program', 'signer', '--public-key', 'given.jwk', '--alg', key],
  'the file to verify': (key) => ['verify-signature', key, '--key', 'given.jwk'],
  'a signature': (key) => ['verify-signature', 'notes.txt', '--key', 'given.jwk', '--signature', key],
  'the output of verify-signature': (key) => ['verify-signature', 'notes.jws', '--key', 'given.jwk', '-o', key],
  'a typ': (key) => ['verify-signature', 'notes.jws', '--key', 'given.jwk', '--typ', key],
  'the file to import': (key) => ['key', 'import', key],
  'the name to look at': (key) => ['key', 'info', '--name', key],
  'the name of a new key': (key) => ['key', 'new', '--name', key],
  'a command': (key) => [key],
  'a command of key': (key) => ['key', key],
  'one file too many': (key) => ['sign', 'notes.txt', key],
  'a flag': (key) => ['sign', 'notes.txt', `--${key}`],
  'the value of a switch': (key) => ['sign', 'notes.txt', `--detached=${key}`],
  'a name given twice': (key) => ['sign', 'notes.txt', '--key', 'given', '--key', key],
  'the file to publish': (key) => ['publish', key, '--package', 'demo:hello', '--version', '1.0.0'],
};

for (const [place, mistake] of Object.entries(MISTAKES)) {
  test(`a private key typed for ${place} is refused, and in no error`, async () => {
    for (const text of keyTexts) {
      for (const args of [mistake(text), ['--json', ...mistake(text)], [...mistake(text), '--json']]) {
        const { code, stdout, stderr } = await user.run(...args);
        assert.notEqual(code, 0);
        // Any eight of its characters, but those that every key of the form has.
        for (let i = 34; i + 8 <= text.length; i += 4) {
          assert.ok(!`${stdout}${stderr}`.includes(text.slice(i, i + 8)), `${text.slice(0, 11)}… at ${i}`);
        }
      }
    }
  });
}

test('a private key typed for an output makes no file of that name', async () => {
  const files = await readdir(user.home);
  for (const text of keyTexts) assert.ok(!files.some((name) => name.includes(text.slice(0, 20))));
});
