import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../../src/bytes/byte-array.ts';
import { encodeHex } from '../../src/bytes/hex.ts';
import { ProtoWriter } from '../../src/bytes/protobuf.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { verifyLogInclusion } from '../../src/merkle/log-proof.ts';
import { appendToLog, emptyLogEdge } from '../../src/merkle/log-tile.ts';
import { emptySubtree, hashMapLeaf } from '../../src/merkle/map-hash.ts';
import { decodeMapPage, EMPTY_PAGE, pageWith } from '../../src/merkle/map-page.ts';
import { foldMapProof } from '../../src/merkle/map-proof.ts';
import { emptyMapRoot, proveMap, updateMap, type MapPageRef } from '../../src/merkle/map-tree.ts';
import { decodeLogProofBundle, encodeLogProofBundle } from '../../src/wire/log-proof-bundle.ts';
import { decodeMapProofBundle, encodeMapProofBundle } from '../../src/wire/map-proof-bundle.ts';
import { memoryMap } from '../memory-tree.ts';
import { outcome, settled } from './outcome.ts';

const HASH = sha256(utf8('hash'));
const keyOf = (name: number, leaf = name) => ({
  path: sha256(utf8(`key${name}`)),
  leafHash: sha256(utf8(`leaf${leaf}`)),
});

test('the proof of a key that is alone in the map has one sibling, as in Rust', async () => {
  const pages = memoryMap();
  const key = { path: sha256(utf8('k0')), leafHash: hashMapLeaf(utf8('v0')) };
  const root = await pages.update(emptyMapRoot(), [key], 1);
  const [proven] = await proveMap(root, [key.path], pages.read);
  assert.equal(
    encodeHex(encodeMapProofBundle({ proofs: [proven?.proof ?? []] })),
    '0a240a220a20b72987f56f03521324099543074b9ef941c521dc0f02900ac76ac16025745aed',
  );
  const [none] = await proveMap(emptyMapRoot(), [key.path], pages.read);
  assert.deepEqual(none, { leafHash: null, proof: [] });
});

test('of two updates of one path the later stands', async () => {
  const pages = memoryMap();
  const once = await pages.update(emptyMapRoot(), [keyOf(1), keyOf(2, 9)], 1);
  const twice = await updateMap(emptyMapRoot(), [keyOf(2), keyOf(1), keyOf(2, 9)], 1, pages.read);
  assert.deepEqual(twice.root, once);
});

test('pages are read level by level, and those no longer needed are named', async () => {
  const pages = memoryMap();
  const keys = Array.from({ length: 300 }, (_, i) => keyOf(i));
  const grown = await updateMap(emptyMapRoot(), keys, 1, pages.read);
  assert.ok(grown.pages.every(({ replaces }) => replaces === null));
  const root = await pages.update(emptyMapRoot(), keys, 1);
  const reads: (readonly MapPageRef[])[] = [];
  const read = (wanted: readonly MapPageRef[]): Promise<Uint8Array[]> => {
    reads.push(wanted);
    return pages.read(wanted);
  };
  const next = await updateMap(
    root,
    keys.map(({ path }) => ({ path, leafHash: HASH })),
    2,
    read,
  );
  const depths = new Set(reads.flat().map(({ prefix }) => prefix.length));
  assert.equal(reads.length, depths.size);
  const byPrefix = (a: MapPageRef, b: MapPageRef): number => (a.prefix < b.prefix ? -1 : 1);
  const replaced = next.pages.flatMap(({ prefix, replaces }) =>
    replaces === null ? [] : [{ prefix, version: replaces }],
  );
  assert.deepEqual(replaced.toSorted(byPrefix), reads.flat().toSorted(byPrefix));
});

test('a page that is not the one its root names is refused', async () => {
  const pages = memoryMap();
  const keys = Array.from({ length: 40 }, (_, i) => keyOf(i));
  const root = await pages.update(emptyMapRoot(), keys, 1);
  const later = await pages.update(
    root,
    keys.map(({ path }) => ({ path, leafHash: HASH })),
    2,
  );
  const swapped = (wanted: readonly MapPageRef[]): Promise<Uint8Array[]> =>
    pages.read(wanted.map(({ prefix }) => ({ prefix, version: 1 })));
  assert.equal(await settled(proveMap(later, [keyOf(1).path], swapped)), 'storage/damaged');
  assert.equal(await settled(updateMap(later, [keyOf(1)], 3, swapped)), 'storage/damaged');
  assert.equal(await settled(proveMap(later, [keyOf(1).path], async () => [])), 'storage/damaged');
});

test('pages without slots, or of a version no double holds, are damaged', () => {
  assert.equal(
    outcome(() => decodeMapPage(new Uint8Array(4))),
    'storage/damaged',
  );
  const { bytes } = pageWith(EMPTY_PAGE, new Map([[3, { type: 'child', version: 7, hash: HASH }]]));
  assert.equal(
    outcome(() => decodeMapPage(bytes)),
    'ok',
  );
  bytes.fill(0xff, bytes.length - 8);
  assert.equal(
    outcome(() => decodeMapPage(bytes)),
    'storage/damaged',
  );
});

test('a proof of nothing, or of a leaf that no log has, is refused', () => {
  const bundle = { logLength: 3, consistentLengths: [], includedIndices: [], hashes: [] };
  for (const leaves of [
    [],
    [{ index: -1, hash: HASH }],
    [{ index: 0.5, hash: HASH }],
    [{ index: Number.NaN, hash: HASH }],
  ]) {
    assert.equal(
      outcome(() => verifyLogInclusion({ size: 3, root: HASH, leaves }, bundle)),
      'request/proof',
    );
  }
});

test('a map proof longer than the map is high is refused', () => {
  const siblings = (count: number): null[] => Array.from({ length: count }, () => null);
  assert.deepEqual(foldMapProof(HASH, emptySubtree(0), siblings(256)), emptySubtree(256));
  assert.equal(
    outcome(() => foldMapProof(HASH, emptySubtree(0), siblings(257))),
    'proof/malformed',
  );
});

test('bundles with more items than any answer has are refused, whatever their number', () => {
  for (const [field, most] of [
    [2, 64],
    [3, 8_192],
  ] as const) {
    const packed = (count: number): Uint8Array =>
      new ProtoWriter().bytes(field, new Uint8Array(count).fill(1)).finish();
    assert.equal(
      outcome(() => decodeLogProofBundle(packed(most))),
      'ok',
    );
    assert.equal(
      outcome(() => decodeLogProofBundle(packed(most + 1))),
      'proof/malformed',
    );
    assert.equal(
      outcome(() => decodeLogProofBundle(packed(1_000_000))),
      'proof/malformed',
    );
  }
  const proofs = (count: number): Uint8Array =>
    Uint8Array.from({ length: 2 * count }, (_, i) => (i % 2 === 0 ? 0x0a : 0));
  assert.equal(
    outcome(() => decodeMapProofBundle(proofs(8_192))),
    'ok',
  );
  assert.equal(
    outcome(() => decodeMapProofBundle(proofs(8_193))),
    'proof/malformed',
  );
});

test('large bundles and batches do not overflow the stack', () => {
  const hashes = Array.from({ length: 60_000 }, (_, index) => ({ index, hash: HASH }));
  const bytes = encodeLogProofBundle({ logLength: 60_000, consistentLengths: [1], includedIndices: [], hashes });
  assert.equal(decodeLogProofBundle(bytes).hashes.length, 60_000);
  const leaves = Array.from({ length: 150_000 }, () => HASH);
  const { edge } = appendToLog(emptyLogEdge(), leaves);
  assert.equal(edge.size, 150_000);
});
