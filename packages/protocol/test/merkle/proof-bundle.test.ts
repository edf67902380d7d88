import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { decodeHex, encodeHex } from '../../src/bytes/hex.ts';
import { decodeLogProofBundle, encodeLogProofBundle } from '../../src/wire/log-proof-bundle.ts';
import { decodeMapProofBundle, encodeMapProofBundle } from '../../src/wire/map-proof-bundle.ts';
import { outcome } from './outcome.ts';

const HASH = 'ab'.repeat(32);
const log = (hex: string): string => outcome(() => decodeLogProofBundle(decodeHex(hex)));
const map = (hex: string): string => outcome(() => decodeMapProofBundle(decodeHex(hex)));
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });
const uint32 = fc.nat({ max: 0xffff_ffff });

test('§3 log bundles come back as they were written', () => {
  const bundle = fc.record({
    logLength: uint32,
    consistentLengths: fc.array(uint32),
    includedIndices: fc.array(uint32),
    hashes: fc
      .uniqueArray(fc.record({ index: uint32, hash }), { selector: ({ index }) => index })
      .map((hashes) => hashes.toSorted((a, b) => a.index - b.index)),
  });
  fc.assert(
    fc.property(bundle, (value) => {
      const bytes = encodeLogProofBundle(value);
      assert.deepEqual(encodeLogProofBundle(decodeLogProofBundle(bytes)), bytes);
      assert.deepEqual(decodeLogProofBundle(bytes).includedIndices, value.includedIndices);
    }),
  );
});

test('§3 map bundles come back as they were written', () => {
  const bundle = fc.record({ proofs: fc.array(fc.array(fc.option(hash), { maxLength: 20 }), { maxLength: 5 }) });
  fc.assert(
    fc.property(bundle, (value) => {
      const decoded = decodeMapProofBundle(encodeMapProofBundle(value));
      assert.deepEqual(
        decoded.proofs.map((proof) => proof.map((one) => one && encodeHex(one))),
        value.proofs.map((proof) => proof.map((one) => one && encodeHex(one))),
      );
    }),
  );
});

test('§3 what prost reads, and what no proof may hold: log bundles', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['size 1, leaf 0', '08011a0100', 'ok'],
    ['indices unpacked', '080118001804', 'ok'],
    ['index 0 left out', `22221220${HASH}`, 'ok'],
    ['ascending', `22221220${HASH}222408011220${HASH}`, 'ok'],
    ['unknown field', '08011a01007a0161', 'ok'],
    ['the same index twice', `222408011220${HASH}222408011220${HASH}`, 'proof/malformed'],
    ['descending', `222408021220${HASH}222408011220${HASH}`, 'proof/malformed'],
    ['hash missing', '22020801', 'proof/malformed'],
    ['hash of 31 bytes', `2221121f${HASH.slice(2)}`, 'proof/malformed'],
    ['hash of 33 bytes', `22231221${HASH}00`, 'proof/malformed'],
    ['truncated', '08011a02', 'proof/malformed'],
    ['packed list cut off', '1a0180', 'proof/malformed'],
    ['length as bytes', '0a0101', 'proof/malformed'],
    ['hashes as varint', '2001', 'proof/malformed'],
    ['field number 0', '0001', 'proof/malformed'],
  ];
  for (const [name, hex, expected] of cases) assert.equal(log(hex), expected, name);
});

test('§3 what prost reads, and what no proof may hold: map bundles', () => {
  const proofOf = (siblings: string, count: number): string => {
    const length = (siblings.length / 2) * count;
    const uleb = length < 128 ? [length] : [(length % 128) + 128, Math.floor(length / 128)];
    return `0a${encodeHex(Uint8Array.from(uleb))}${siblings.repeat(count)}`;
  };
  const cases: readonly (readonly [string, string, string])[] = [
    ['no proofs', '', 'ok'],
    ['a proof without siblings', '0a00', 'ok'],
    ['a sibling without hash', proofOf('0a00', 1), 'ok'],
    ['256 siblings', proofOf('0a00', 256), 'ok'],
    ['257 siblings', proofOf('0a00', 257), 'proof/malformed'],
    ['a hash', proofOf(`0a220a20${HASH}`, 3), 'ok'],
    ['an empty hash', proofOf('0a020a00', 1), 'proof/malformed'],
    ['hash of 31 bytes', proofOf(`0a210a1f${HASH.slice(2)}`, 1), 'proof/malformed'],
    ['hash of 33 bytes', proofOf(`0a230a21${HASH}00`, 1), 'proof/malformed'],
    ['truncated', '0a0a0a00', 'proof/malformed'],
    ['proofs as varint', '0801', 'proof/malformed'],
  ];
  for (const [name, hex, expected] of cases) assert.equal(map(hex), expected, name);
});

test('§5.1 sizes and indexes are written as u32', () => {
  const most = 0xffff_ffff;
  const bundle = { logLength: most, consistentLengths: [most], includedIndices: [most - 1], hashes: [] };
  assert.deepEqual(decodeLogProofBundle(encodeLogProofBundle(bundle)), bundle);
  const entry = { index: most + 1, hash: new Uint8Array(32) };
  const tooLong = [
    { ...bundle, logLength: most + 1 },
    { ...bundle, consistentLengths: [1, most + 1] },
    { ...bundle, includedIndices: [2 ** 53 - 2] },
    { ...bundle, hashes: [entry] },
  ];
  for (const one of tooLong)
    assert.equal(
      outcome(() => encodeLogProofBundle(one)),
      'request/unsupported',
    );
});
