import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { chmod, link, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { codeOf, openUser, type TestUser } from './registry.ts';

let user: TestUser;
let publicKey: string;
const NOTES = 'what was agreed\n';

before(async () => {
  user = await openUser();
  ({ publicKey } = JSON.parse(await user.ok('key', 'new', '--alg', 'Ed25519', '--json')));
  await writeFile(user.file('notes.txt'), NOTES);
  await writeFile(user.file('key.pub'), publicKey);
  await user.ok('sign', 'notes.txt', '-o', 'whole.jws');
  await user.ok('sign', 'notes.txt', '--detached', '-o', 'alone.jws');
});

after(async () => {
  await user.dispose();
});

async function refused(code: string, ...args: readonly string[]): Promise<void> {
  const outcome = await user.run(...args, '--json');
  assert.notEqual(outcome.code, 0, args.join(' '));
  assert.equal(codeOf(outcome), code, args.join(' '));
}

test('no output takes the place of an input, whatever name it is given', async () => {
  await link(user.file('notes.txt'), user.file('linked.txt'));
  await symlink('whole.jws', user.file('symbolic.jws'));
  const folder = path.basename(user.home);
  const detached = ['verify-signature', 'notes.txt', '--signature', 'alone.jws', '--key', 'key.pub'];
  const attempts: readonly (readonly string[])[] = [
    ['sign', 'notes.txt', '-o', 'notes.txt'],
    ['sign', './notes.txt', '-o', 'notes.txt'],
    ['sign', 'notes.txt', '-o', `../${folder}/notes.txt`],
    ['sign', 'notes.txt', '-o', 'linked.txt'],
    ['verify-signature', 'whole.jws', '--key', 'key.pub', '-o', './whole.jws'],
    ['verify-signature', 'whole.jws', '--key', 'key.pub', '-o', 'symbolic.jws'],
    ['verify-signature', 'whole.jws', '--key', './key.pub', '-o', 'key.pub'],
    [...detached, '-o', './notes.txt'],
    [...detached, '-o', './alone.jws'],
  ];
  const files = ['notes.txt', 'linked.txt', 'whole.jws', 'alone.jws', 'key.pub'];
  const contents = async () => Promise.all(files.map((file) => readFile(user.file(file), 'utf8')));
  const held = await contents();
  for (const args of attempts) await refused('usage/invalid', ...args);
  assert.deepEqual(await contents(), held);
});

test('a name that the command makes up costs no file; one that the user gives may', async () => {
  await writeFile(user.file('plan.txt'), NOTES);
  await user.ok('sign', 'plan.txt');
  const first = await readFile(user.file('plan.txt.jws'), 'utf8');
  await writeFile(user.file('plan.txt'), `${NOTES}${NOTES}`);
  await refused('usage/invalid', 'sign', 'plan.txt');
  assert.equal(await readFile(user.file('plan.txt.jws'), 'utf8'), first);
  await user.ok('sign', 'plan.txt', '-o', 'plan.txt.jws');
  assert.notEqual(await readFile(user.file('plan.txt.jws'), 'utf8'), first);
});

test("verify-signature -o -: the bytes alone, and no file named '-'", async () => {
  const { code, stdout } = await user.spawn('verify-signature', 'whole.jws', '--key', 'key.pub', '-o', '-');
  assert.deepEqual([code, stdout], [0, NOTES]);
  assert.ok(!(await readdir(user.home)).includes('-'));
});

test('who may not read a file may not read it in its JWS', async () => {
  await writeFile(user.file('secret.txt'), NOTES);
  await chmod(user.file('secret.txt'), 0o600);
  await user.ok('sign', 'secret.txt');
  await user.ok('sign', 'secret.txt', '--detached', '-o', 'secret.sig');
  await user.ok('verify-signature', 'secret.txt.jws', '--key', 'key.pub', '-o', 'secret.copy');
  const modes = await Promise.all(
    ['secret.txt.jws', 'secret.copy', 'secret.sig'].map(async (file) => (await stat(user.file(file))).mode & 0o077),
  );
  assert.deepEqual(modes, [0, 0, 0o044 & ~process.umask()]);
});

test('a JWS ends with line ends and nothing else, and is UTF-8', async () => {
  const jws = await readFile(user.file('whole.jws'));
  const [header, payload, signature] = jws.toString().trim().split('.');
  const flattened = (note: string): Uint8Array =>
    Buffer.from(JSON.stringify({ payload, protected: header, signature, note }), 'latin1');
  const forms: readonly (readonly [verdict: string, bytes: Uint8Array])[] = [
    ['ok', Buffer.concat([jws, Buffer.from('\r\n\n')])],
    ['jws/malformed', Buffer.concat([Buffer.from(' '), jws])],
    ['jws/malformed', Buffer.concat([jws, Buffer.from(' ')])],
    ['jws/malformed', Buffer.concat([Buffer.from('\ufeff'), jws])],
    ['jws/malformed', Buffer.concat([jws, Buffer.of(0xff)])],
    ['ok', flattened('an o')],
    ['jws/malformed', flattened('\xf6')],
  ];
  for (const [verdict, bytes] of forms) {
    await writeFile(user.file('form.jws'), bytes);
    const outcome = await user.run('verify-signature', 'form.jws', '--key', 'key.pub', '--json');
    assert.equal(outcome.code === 0 ? 'ok' : codeOf(outcome), verdict);
  }
});

test('an RSA key that does not say its algorithm signs and verifies with --alg', async () => {
  const pair = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  await writeFile(user.file('rsa.key'), pair.privateKey.export({ type: 'pkcs8', format: 'pem' }));
  await writeFile(user.file('rsa.pem'), pair.publicKey.export({ type: 'spki', format: 'pem' }));
  await writeFile(user.file('rsa.jwk'), JSON.stringify(pair.publicKey.export({ format: 'jwk' })));
  const code = `#!${process.execPath}
const { readFileSync, writeSync } = require('node:fs');
writeSync(1, require('node:crypto').sign('sha256', readFileSync(0), readFileSync(${JSON.stringify(user.file('rsa.key'))})));
`;
  await writeFile(user.file('rsa.cjs'), code, { mode: 0o700 });
  const sign = ['sign', 'notes.txt', '-o', 'rsa.jws', '--program', 'rsa.cjs', '--public-key'];
  await refused('text/key', ...sign, 'rsa.pem');
  await refused('usage/invalid', ...sign, 'rsa.pem', '--alg', 'HS256');
  await refused('text/key', ...sign, publicKey, '--alg', 'RS256');
  await refused('usage/invalid', 'sign', 'notes.txt', '-o', 'rsa.jws', '--alg', 'RS256');
  for (const key of ['rsa.pem', 'rsa.jwk']) {
    await user.ok(...sign, key, '--alg', 'RS256');
    await refused('text/key', 'verify-signature', 'rsa.jws', '--key', key);
    await refused('jws/key', 'verify-signature', 'rsa.jws', '--key', key, '--alg', 'PS256');
    await user.ok('verify-signature', 'rsa.jws', '--key', key, '--alg', 'RS256');
  }
});
