import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, sign as signWithNode } from 'node:crypto';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { FULL } from '@waybill/tools/test-scale';
import { codeOf, openUser, type CommandOutcome, type TestUser } from './registry.ts';

let user: TestUser;
const NOTES = 'what was agreed\n';

before(async () => {
  user = await openUser();
  await writeFile(user.file('notes.txt'), NOTES);
  await writeFile(user.file('other.txt'), `${NOTES} `);
});

after(async () => {
  await user.dispose();
});

const ALGORITHMS = ['ES256', 'ES384', 'ES512', 'RS256', 'Ed25519', 'Ed448'];
const RSA_TOO = ['PS256', 'PS384', 'PS512', 'RS384', 'RS512'];

for (const algorithm of FULL ? [...ALGORITHMS, ...RSA_TOO] : ALGORITHMS) {
  test(`${algorithm}: a key is made, signs with and without the file, and a changed file is refused with 65`, async () => {
    const name = algorithm.toLowerCase();
    const made = JSON.parse(await user.ok('key', 'new', '--alg', algorithm, '--name', name, '--json'));
    assert.equal(made.algorithm, algorithm);
    await writeFile(user.file(`${name}.pub`), await user.ok('key', 'export', '--name', name, '--public'));
    await user.ok('sign', 'notes.txt', '--key', name, '--detached', '-o', 'notes.txt.jws');
    const detached = ['--signature', 'notes.txt.jws', '--json'];
    const seen = JSON.parse(await user.ok('verify-signature', 'notes.txt', ...detached, '--key', `${name}.pub`));
    assert.deepEqual(seen.keyIds, [made.keyId]);
    const changed = await user.run('verify-signature', 'other.txt', ...detached, '--key', made.publicKey);
    assert.deepEqual([changed.code, codeOf(changed)], [65, 'jws/signature']);
    await user.ok('sign', 'notes.txt', '--key', name, '-o', 'whole.jws');
    await user.ok('verify-signature', 'whole.jws', '--key', made.publicKey, '-o', 'copy.txt');
    assert.equal(await readFile(user.file('copy.txt'), 'utf8'), NOTES);
  });
}

test('key export and import: every form gives the same key back', async () => {
  const { keyId } = JSON.parse(await user.ok('key', 'new', '--alg', 'Ed25519', '--name', 'forms', '--json'));
  const text = await user.ok('key', 'export', '--name', 'forms');
  const jwk = await user.ok('key', 'export', '--name', 'forms', '--jwk');
  const pem = createPrivateKey({ key: JSON.parse(jwk), format: 'jwk' }).export({ type: 'pkcs8', format: 'pem' });
  const set = JSON.stringify({ keys: [JSON.parse(jwk)] });
  for (const [name, form] of Object.entries({ text, jwk, pem: String(pem), set })) {
    await writeFile(user.file('form'), form);
    const imported = JSON.parse(await user.ok('key', 'import', 'form', '--name', `forms-${name}`, '--json'));
    assert.equal(imported.keyId, keyId, name);
  }
  const shown = JSON.parse(await user.ok('key', 'export', '--name', 'forms', '--jwk', '--public'));
  assert.deepEqual(Object.keys(shown).toSorted(), ['alg', 'crv', 'kid', 'kty', 'use', 'x']);
  assert.equal(shown.kid, keyId);
});

test('key import: RSA needs an algorithm; a set keeps each private key; P-256 stays what it was', async () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey;
  await writeFile(user.file('rsa.pem'), rsa.export({ type: 'pkcs1', format: 'pem' }));
  const unnamed = await user.run('key', 'import', 'rsa.pem', '--name', 'rsa', '--json');
  assert.deepEqual([unnamed.code, codeOf(unnamed)], [64, 'text/key']);
  const kept = JSON.parse(await user.ok('key', 'import', 'rsa.pem', '--name', 'rsa', '--alg', 'PS256', '--json'));
  assert.equal(kept.algorithm, 'PS256');
  const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const keys = [p256.privateKey, p256.publicKey, generateKeyPairSync('ed25519').privateKey];
  await writeFile(user.file('set.json'), JSON.stringify({ keys: keys.map((key) => key.export({ format: 'jwk' })) }));
  const both = JSON.parse(await user.ok('key', 'import', 'set.json', '--name', 'set', '--json'));
  assert.deepEqual(
    both.map(({ name, algorithm }: Record<string, string>) => [name, algorithm]),
    [
      ['set', 'ES256'],
      ['set-2', 'Ed25519'],
    ],
  );
  assert.match(await user.ok('key', 'export', '--name', 'set'), /^ecdsa-p256:/);
});

test('key import: what is no sound private key is refused, and never printed', async () => {
  const [one, other] = [0, 1].map(() => generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }));
  const secret = one?.d ?? assert.fail();
  const small = generateKeyPairSync('rsa', { modulusLength: 1_024 }).privateKey.export({
    type: 'pkcs8',
    format: 'pem',
  });
  const encrypted = generateKeyPairSync('ed25519').privateKey.export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'secret',
  });
  const forms: readonly (readonly [code: string, alg: string, form: string])[] = [
    ['text/private-key', 'Ed25519', JSON.stringify({ ...one, x: other?.x })],
    ['text/private-key', 'Ed25519', JSON.stringify({ ...one, d: undefined })],
    ['text/key', 'Ed25519', JSON.stringify(generateKeyPairSync('x25519').privateKey.export({ format: 'jwk' }))],
    ['text/key', 'RS256', String(small)],
    ['text/private-key', 'Ed25519', String(encrypted)],
    ['text/private-key', 'Ed25519', `-----BEGIN PRIVATE KEY-----\n${secret}\n-----END PRIVATE KEY-----\n`],
    ['text/private-key', 'Ed25519', `{"kty":"OKP","d":"${secret}`],
    ['text/private-key', 'Ed25519', ''],
  ];
  for (const [code, alg, form] of forms) {
    await writeFile(user.file('bad'), form);
    const refused = await user.run('key', 'import', 'bad', '--name', 'bad', '--alg', alg, '--json');
    assert.deepEqual([refused.code, codeOf(refused)], [64, code], form.slice(0, 20));
    assert.ok(!refused.stderr.includes(secret));
  }
  assert.equal((await user.run('key', 'info', '--name', 'bad')).code, 68);
});

/** A program that signs as a token would; `last` is its last statement. */
async function program(name: string, last: string): Promise<string> {
  const code = `#!${process.execPath}
const { createPrivateKey, sign } = require('node:crypto');
const { readFileSync, writeSync } = require('node:fs');
const key = createPrivateKey(readFileSync(${JSON.stringify(user.file('token.pem'))}));
const [algorithm, keyId] = process.argv.slice(2);
const signature = sign('sha384', readFileSync(0), { key, dsaEncoding: 'ieee-p1363' });
${last}
`;
  // The command runs in this process, whose folder it is: a name would do, too.
  await writeFile(user.file(name), code);
  await chmod(user.file(name), 0o700);
  return name;
}

test('a program signs; what it cannot sign is not handed out', async () => {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  await writeFile(user.file('token.pem'), pair.privateKey.export({ type: 'pkcs8', format: 'pem' }));
  await writeFile(user.file('token.pub'), pair.publicKey.export({ type: 'spki', format: 'pem' }));
  const sign = async (name: string, last: string): Promise<CommandOutcome> => {
    const file = await program(name, last);
    return user.run('sign', 'notes.txt', '-o', `${name}.jws`, '--program', file, '--public-key', 'token.pub', '--json');
  };
  const good = await sign(
    'token.cjs',
    "if (algorithm === 'ES384' && keyId.startsWith('sha256:')) writeSync(1, signature);",
  );
  assert.equal(good.code, 0, good.stderr);
  await user.ok('verify-signature', 'token.cjs.jws', '--key', 'token.pub');
  const faults = {
    'silent.cjs': '',
    'wrong.cjs': 'signature[0] ^= 1; writeSync(1, signature);',
    'failed.cjs': 'writeSync(1, signature); process.exitCode = 3;',
    'endless.cjs': 'for (;;) writeSync(1, signature);',
  };
  for (const [name, last] of Object.entries(faults)) {
    const bad = await sign(name, last);
    assert.deepEqual([bad.code, codeOf(bad)], [1, 'signer/failed'], name);
    assert.equal((await user.run('verify-signature', `${name}.jws`, '--key', 'token.pub')).code, 64);
  }
});

test('a signature of somebody else’s making, in each form, and for another purpose', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  await writeFile(user.file('other.pem'), publicKey.export({ type: 'spki', format: 'pem' }));
  const protectedText = Buffer.from('{"alg":"EdDSA","typ":"JWT"}').toString('base64url');
  const payload = Buffer.from(NOTES).toString('base64url');
  const signature = signWithNode(null, Buffer.from(`${protectedText}.${payload}`), privateKey).toString('base64url');
  const forms = [
    `${protectedText}.${payload}.${signature}`,
    JSON.stringify({ payload, protected: protectedText, signature }),
    JSON.stringify({ payload, signatures: [{ protected: protectedText, signature }] }),
  ];
  for (const form of forms) {
    await writeFile(user.file('foreign.jws'), form);
    const check = ['verify-signature', 'foreign.jws', '--key', 'other.pem', '--json'];
    await user.ok(...check, '--typ', 'JWT');
    await user.ok(...check, '--typ', 'any');
    const refused = await user.run(...check);
    assert.deepEqual([refused.code, codeOf(refused)], [65, 'jws/header']);
  }
});

test('mistakes with signatures end with their exit codes', async () => {
  await user.ok('key', 'new', '--name', 'mistaken');
  await writeFile(user.file('empty'), '');
  const { publicKey } = JSON.parse(await user.ok('key', 'info', '--name', 'mistaken', '--json'));
  const mistakes: readonly (readonly [code: number, error: string, ...args: readonly string[]])[] = [
    [64, 'usage/invalid', 'sign', 'no-such-file', '--key', 'mistaken'],
    [64, 'usage/invalid', 'sign', 'empty', '--key', 'mistaken'],
    [64, 'usage/invalid', 'sign', 'notes.txt', '--program', 'token'],
    [64, 'usage/invalid', 'verify-signature', 'notes.txt'],
    [64, 'text/key', 'verify-signature', 'notes.txt', '--key', 'jwk:AAAA'],
    [64, 'usage/invalid', 'key', 'new', '--alg', 'HS256', '--name', 'secret'],
    [64, 'usage/invalid', 'key', 'new', '--alg', 'none', '--name', 'secret'],
    [64, 'usage/invalid', 'key', 'new', '--alg', 'constructor', '--name', 'secret'],
    [68, 'key/not-found', 'sign', 'notes.txt', '-o', 'n.jws', '--key', 'nobody'],
    [65, 'jws/malformed', 'verify-signature', 'notes.txt', '--key', publicKey],
  ];
  for (const [code, error, ...args] of mistakes) {
    const outcome = await user.run(...args, '--json');
    assert.deepEqual([outcome.code, codeOf(outcome)], [code, error], args.join(' '));
  }
});
