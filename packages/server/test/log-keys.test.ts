import assert from 'node:assert/strict';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { concatBytes, decodeBase64, encodeBase64, isRegistryError, type ErrorCode } from '@waybill/protocol';
import { openLogKeys, parseOrigin, type LogSigners } from '../src/log-keys.ts';

const OPERATOR_KEY_ID = `sha256:${'ab'.repeat(32)}`;
/** What Go's note tools and a witness make of the Ed25519 seed 32 × 0x07. */
const VECTOR = {
  origin: 'wargtoy.example/log',
  keyId: '58c8851b',
  verifierKey: 'wargtoy.example/log+58c8851b+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs',
  size: 2,
  root: 'Sii05+byRugZqSoPUmLuX4L9heuJcqLfmspsAs8pzPs=',
  note:
    'wargtoy.example/log\n2\nSii05+byRugZqSoPUmLuX4L9heuJcqLfmspsAs8pzPs=\n\n' +
    '\u2014 wargtoy.example/log WMiFG6sRCX59S8AxT9z7XmHM/Yp5DJivZ7t/4kIRanfyEPhCYFZtopMRdZz5J2Z/T+sfSw6LGAA16l6+q5y3mnfCLAI=\n',
};

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'waybill-log-keys-'));
});
afterEach(() => rm(folder, { recursive: true }));

const failsWith =
  (code: ErrorCode) =>
  (thrown: unknown): boolean =>
    isRegistryError(thrown, code);

function open(origin: string | null, storeIsNew: boolean): Promise<LogSigners> {
  return openLogKeys(folder, { origin, operatorKeyId: OPERATOR_KEY_ID, storeIsNew });
}

/** The private form of Go's note package. */
function keyText(origin: string, keyId: string, seed: Uint8Array): string {
  return `PRIVATE+KEY+${origin}+${keyId}+${encodeBase64(concatBytes(Uint8Array.of(1), seed))}\n`;
}

const recordsKey = (): string => path.join(folder, 'records-log.key');

test('a key signs the note, and has the verifier key, that other tools make of it', async () => {
  await open(null, true);
  const seed = new Uint8Array(32).fill(7);
  await writeFile(recordsKey(), keyText(VECTOR.origin, VECTOR.keyId, seed));
  const { records } = await open(null, false);
  assert.equal(records.origin, VECTOR.origin);
  assert.equal(records.verifierKey, VECTOR.verifierKey);
  assert.equal(records.sign(VECTOR.size, decodeBase64(VECTOR.root)), VECTOR.note);
});

test('two logs have two keys, made once; the origin comes from the operator key unless one was asked for', async () => {
  const first = await open(null, true);
  assert.equal(first.records.origin, `waybill.invalid/${'ab'.repeat(32)}/records`);
  assert.equal(first.heads.origin, `waybill.invalid/${'ab'.repeat(32)}/heads`);
  assert.notEqual(first.records.verifierKey.split('+').at(-1), first.heads.verifierKey.split('+').at(-1));
  for (const storeIsNew of [true, false]) {
    const again = await open(null, storeIsNew);
    assert.equal(again.records.verifierKey, first.records.verifierKey);
    assert.equal(again.heads.verifierKey, first.heads.verifierKey);
  }
});

test('the origin is fixed at the first start: the same one may be named again, another one not (threats L14)', async () => {
  await open('registry.example/main', true);
  for (const origin of ['registry.example/main', null]) {
    assert.equal((await open(origin, false)).heads.origin, 'registry.example/main/heads');
  }
  for (const storeIsNew of [true, false]) {
    await assert.rejects(open('registry.example/other', storeIsNew), failsWith('usage/invalid'));
  }
});

test('a key that is missing beside a store is not replaced by a new one (threats L14)', async () => {
  await open(null, true);
  await rm(recordsKey());
  await assert.rejects(open(null, false), failsWith('key/not-found'));
  assert.deepEqual(await readdir(folder), ['heads-log.key']);
});

test('keys are for their owner alone, also when somebody has opened them up', async () => {
  await open(null, true);
  await chmod(recordsKey(), 0o644);
  await open(null, false);
  assert.equal((await stat(recordsKey())).mode % 0o1000, 0o600);
});

test('a file that is no key of a log is refused', async () => {
  await open(null, true);
  const good = await readFile(recordsKey(), 'utf8');
  const seed = new Uint8Array(32).fill(7);
  const bad = [
    '',
    good.slice(0, -6),
    good.replace('PRIVATE', 'PUBLIC'),
    keyText(VECTOR.origin, '00000000', seed),
    keyText('other.example/log', VECTOR.keyId, seed),
    keyText(VECTOR.origin, VECTOR.keyId, seed.subarray(1)),
    `${good}${good}`,
  ];
  for (const text of bad) {
    await writeFile(recordsKey(), text);
    await assert.rejects(open(null, false), (thrown) => isRegistryError(thrown, 'text/private-key', 'text/base64'));
  }
});

test('an origin is a name that a note can carry, and never one of ours for signing', () => {
  for (const origin of ['registry.example', 'registry.example/main', 'a']) assert.equal(parseOrigin(origin), origin);
  for (const origin of ['', 'a b', 'a+b', 'a\n', 'a/', 'WARG-x', 'ä', 'a'.repeat(201)]) {
    assert.throws(() => parseOrigin(origin), failsWith('usage/invalid'));
  }
});
