import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  claimAnswerBody,
  claimRequestBody,
  decodeClaimAnswer,
  decodeClaimRequest,
  type ClaimAnswer,
} from '../../src/author/index.ts';
import { utf8 } from '../../src/bytes/byte-array.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { isRegistryError } from '../../src/errors.ts';
import { parseJosePublicKey } from '../../src/jose/public-key.ts';
import { formatDigest } from '../../src/names/digest.ts';
import { privateKeyFromRandom } from '../../src/names/key.ts';
import { parseRecordId } from '../../src/names/log-id.ts';
import { parsePackageName } from '../../src/names/package-name.ts';

/* spec/http.md 4.23. */

const KEY = (privateKeyFromRandom(sha256(utf8('ann'))) ?? assert.fail()).publicKey.text;
const RECORD = { contentBytes: 'AAEC', keyId: 'sha256:00', signature: 'jws:x..y' };
const ASKED = { packageName: 'demo:hello', publicKey: KEY };
const ID = formatDigest(sha256(utf8('record')));

function refuses(decode: (source: Uint8Array) => unknown, value: unknown): void {
  const isShape = (thrown: unknown): boolean => isRegistryError(thrown, 'wire/shape');
  assert.throws(() => decode(utf8(JSON.stringify(value))), isShape, JSON.stringify(value));
}

test('a request is read as it was written, with and without a signature', () => {
  const asked = { packageName: parsePackageName('demo:hello'), publicKey: parseJosePublicKey(KEY) };
  const { keyId, signature } = RECORD;
  const proof = { contents: Uint8Array.of(0, 1, 2), signature: { keyId, signature } };
  for (const request of [
    { ...asked, proof: null },
    { ...asked, proof },
  ]) {
    const read = decodeClaimRequest(utf8(JSON.stringify(claimRequestBody(request))));
    assert.deepEqual([read.packageName, read.publicKey.text, read.proof], [asked.packageName, KEY, request.proof]);
  }
});

test('a request of another shape is refused', () => {
  for (const value of [
    {},
    { ...ASKED, packageName: 'Demo:hello' },
    { ...ASKED, publicKey: 'ecdsa-p256:AAAA' },
    { ...ASKED, publicKey: `${KEY}=` },
    { ...ASKED, record: null },
    { ...ASKED, record: {} },
    { ...ASKED, record: { ...RECORD, contentBytes: 'AA' } },
    { ...ASKED, record: { ...RECORD, signature: 1 } },
    [],
    null,
  ]) {
    refuses(decodeClaimRequest, value);
  }
});

test('an answer is read as it was written, and one of another shape is refused', () => {
  const answers: readonly ClaimAnswer[] = [
    { state: 'published', recordId: parseRecordId(ID), registryIndex: 7 },
    { state: 'cosign', contents: Uint8Array.of(0, 1, 2) },
  ];
  for (const answer of answers) {
    assert.deepEqual(decodeClaimAnswer(utf8(JSON.stringify(claimAnswerBody(answer)))), answer);
  }
  for (const value of [
    {},
    { state: 'published' },
    { state: 'published', recordId: ID, registryIndex: -1 },
    { state: 'published', recordId: 'x', registryIndex: 1 },
    { state: 'cosign' },
    { state: 'cosign', contentBytes: 'AA' },
    { state: 'processing', recordId: ID },
  ]) {
    refuses(decodeClaimAnswer, value);
  }
});
