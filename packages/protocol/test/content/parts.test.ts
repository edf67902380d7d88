import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { concatBytes, utf8 } from '../../src/bytes/byte-array.ts';
import { decodeHex, encodeHex } from '../../src/bytes/hex.ts';
import { encodeUleb128 } from '../../src/bytes/uleb128.ts';
import { ContentSplitter, type ContentPart } from '../../src/content/parts/content-splitter.ts';
import { PARTS_MAX } from '../../src/content/parts/part-sizes.ts';
import {
  decodePartsListUnverified,
  encodePartsList,
  partLengthsUnverified,
} from '../../src/content/parts/parts-list.ts';
import { isRegistryError } from '../../src/errors.ts';
import { digestOf } from '../../src/names/digest.ts';
import { plainLengths } from './plain-split.ts';

const VECTORS = new URL('../../../../../vectors/parts/', import.meta.url);

/** Bytes as vectors say them: hex, noise of a seed, one byte again and again, or pieces in a section. */
type Piece =
  | { readonly hex: string }
  | { readonly noise: string; readonly length: number }
  | { readonly repeat: string; readonly length: number }
  | { readonly section: number; readonly contents: readonly Piece[] };

interface SplitVector {
  readonly name: string;
  readonly clause: string;
  readonly pieces: readonly Piece[];
  readonly lengths: readonly number[];
  /** Of the encoded list. */
  readonly listDigest: string;
}

interface ListVector {
  readonly name: string;
  readonly clause: string;
  readonly hex: string;
  readonly expect: string;
}

function bytesOf(pieces: readonly Piece[]): Uint8Array {
  return concatBytes(...pieces.map(pieceBytes));
}

function pieceBytes(piece: Piece): Uint8Array {
  if ('hex' in piece) return decodeHex(piece.hex);
  if ('noise' in piece) return noise(piece.noise, piece.length);
  if ('repeat' in piece) return new Uint8Array(piece.length).fill(Number.parseInt(piece.repeat, 16));
  const contents = bytesOf(piece.contents);
  return concatBytes(Uint8Array.of(piece.section), encodeUleb128(contents.length), contents);
}

/** SHA-256 of the seed and a counter, again and again. */
function noise(seed: string, length: number): Uint8Array {
  const blocks: Uint8Array[] = [];
  for (let i = 0; i * 32 < length; i++) blocks.push(createHash('sha256').update(`${seed}:${i}`).digest());
  return concatBytes(...blocks).slice(0, length);
}

function splitIn(content: Uint8Array, chunkBytes: number): readonly ContentPart[] {
  const splitter = new ContentSplitter();
  for (let at = 0; at < content.length; at += chunkBytes) splitter.update(content.subarray(at, at + chunkBytes));
  return splitter.finish();
}

/** The parts that the plain computation gives. */
function plainParts(content: Uint8Array): readonly ContentPart[] {
  let at = 0;
  return plainLengths(content).map((length) => ({ length, digest: digestOf(content.subarray(at, (at += length))) }));
}

const { splits: SPLITS }: { readonly splits: readonly SplitVector[] } = JSON.parse(
  readFileSync(new URL('split.json', VECTORS), 'utf8'),
);
const LISTS: readonly ListVector[] = JSON.parse(readFileSync(new URL('list.json', VECTORS), 'utf8'));

for (const { name, clause, pieces, lengths, listDigest } of SPLITS) {
  test(`vectors: parts/split: ${clause}: ${name}`, () => {
    const content = bytesOf(pieces);
    const parts = splitIn(content, 65_536);
    assert.deepEqual(
      parts.map(({ length }) => length),
      lengths,
    );
    assert.deepEqual(plainParts(content), parts);
    assert.equal(digestOf(encodePartsList(parts)), listDigest);
    for (const chunkBytes of [1, 1_021]) assert.deepEqual(splitIn(content, chunkBytes), parts);
  });
}

test('vectors: parts/list', () => {
  for (const { name, clause, hex, expect } of LISTS) {
    let found = 'ok';
    try {
      const parts = decodePartsListUnverified(decodeHex(hex));
      assert.equal(encodeHex(encodePartsList(parts)), hex, name);
      assert.deepEqual(
        [...partLengthsUnverified(decodeHex(hex))],
        parts.map(({ length }) => length),
      );
    } catch (failure) {
      if (!isRegistryError(failure)) throw failure;
      found = failure.code;
      assert.throws(() => partLengthsUnverified(decodeHex(hex)), isParts, name);
    }
    assert.equal(found, expect, `${clause}: ${name}`);
  }
});

const MODULE = '0061736d01000000';
const COMPONENT = '0061736d0d000100';

/** Bytes by which a part comes to about the 1,024 at which a section starts a part of its own. */
const NEARLY_JOINED = fc.integer({ min: 980, max: 1_024 });

const arbitraryPieces: fc.Arbitrary<readonly Piece[]> = fc.letrec<{ pieces: readonly Piece[] }>((tie) => ({
  pieces: fc.array(
    fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      fc.record({ noise: fc.string({ maxLength: 4 }), length: fc.oneof(fc.nat(9_000), NEARLY_JOINED) }),
      fc.constantFrom<Piece>({ hex: MODULE }, { hex: COMPONENT }, { hex: '0bffffffff1f' }, { hex: '010880' }),
      // Heads of sections that the end of what they stand in may come into.
      fc.constantFrom<Piece>({ hex: '00' }, { hex: '0080' }, { hex: '00808080' }),
      fc.record({ section: fc.constantFrom(0, 1, 4, 10, 11), contents: tie('pieces') }),
    ),
    { maxLength: 4 },
  ),
})).pieces;

test('parts of drawn nestings, damaged or not, are those of the plain computation, however the stream is cut', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(MODULE, COMPONENT),
      arbitraryPieces,
      fc.integer({ min: 1, max: 5_000 }),
      (hex, pieces, n) => {
        const content = bytesOf([{ hex }, ...pieces]);
        assert.deepEqual(splitIn(content, n), plainParts(content));
      },
    ),
    { numRuns: 60 },
  );
});

test('a cut that the lowest bits of the hash decide by a carry', () => {
  const content = bytesOf([{ hex: MODULE }, { noise: '', length: 1 }, { noise: '|$Q', length: 5_363 }]);
  assert.deepEqual(
    splitIn(content, 1).map(({ length }) => length),
    [5_371, 1],
  );
  assert.deepEqual(plainParts(content), splitIn(content, 1));
});

test('a change moves parts near it only', () => {
  const before = bytesOf([{ hex: MODULE }, { section: 10, contents: [{ noise: 'code', length: 3_000_000 }] }]);
  const after = concatBytes(before.subarray(0, 1_000_000), utf8('inserted'), before.subarray(1_000_000));
  const known = new Set(splitIn(before, 65_536).map(({ digest }) => digest));
  const moved = splitIn(after, 65_536).filter(({ digest }) => !known.has(digest));
  assert.ok(moved.length <= 4, `${moved.length} parts moved`);
});

test('P10: a list cut off at any byte, or with any bit turned in its numbers, is refused or adds up', () => {
  const list = encodePartsList(splitIn(noise('list', 200_000), 65_536));
  for (let length = 0; length < list.length; length++) {
    assert.throws(() => decodePartsListUnverified(list.subarray(0, length)), isParts);
  }
  for (let bit = 0; bit < 64; bit++) {
    const damaged = list.slice();
    damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.throws(() => decodePartsListUnverified(damaged), isParts);
  }
});

test('content of too many parts has no list', { timeout: 60_000 }, () => {
  const splitter = new ContentSplitter();
  const fine = bytesOf([{ section: 11, contents: [{ noise: 'fine', length: 4_096 }] }]);
  splitter.update(decodeHex(MODULE));
  assert.throws(() => {
    for (let i = 0; i <= PARTS_MAX; i++) splitter.update(fine);
  }, isParts);
});

function isParts(thrown: unknown): boolean {
  return isRegistryError(thrown, 'content/parts');
}
