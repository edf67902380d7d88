import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { concatBytes, utf8 } from '../../src/bytes/byte-array.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { hashNode } from '../../src/merkle/log-hash.ts';
import {
  lengthThatShows,
  proveLog,
  provenLeafHash,
  verifyLogConsistency,
  verifyLogInclusion,
} from '../../src/merkle/log-proof.ts';
import { appendToLog, emptyLogEdge, logEdgeFromTiles, logRootOfEdge } from '../../src/merkle/log-tile.ts';
import { encodeLogProofBundle, type LogProofBundle } from '../../src/wire/log-proof-bundle.ts';
import { memoryTiles } from '../memory-tree.ts';
import { outcome, settled } from './outcome.ts';
import { flipBit, plainLogRoot, testLeaves } from './plain-trees.ts';

const SIZE_MAX = 70;
const leaves = testLeaves(SIZE_MAX);
const roots = Array.from({ length: SIZE_MAX + 1 }, (_, size) => plainLogRoot(leaves.slice(0, size)));
const store = memoryTiles();
store.append(emptyLogEdge(), leaves);

const leafAt = (index: number) => ({ index, hash: leaves[index] ?? assert.fail() });
const treeOf = (size: number) => ({ size, root: roots[size] ?? assert.fail() });
const inclusionOf = (size: number, leafIndexes: readonly number[]): Promise<LogProofBundle> =>
  proveLog({ size, consistentLengths: [], leafIndexes }, store.read);
const consistencyOf = (from: number, to: number): Promise<LogProofBundle> =>
  proveLog({ size: to, consistentLengths: [from], leafIndexes: [] }, store.read);

test('§5.2 every leaf of every size 1..40 is proven included', async () => {
  for (let size = 1; size <= 40; size++) {
    for (let index = 0; index < size; index++) {
      verifyLogInclusion({ ...treeOf(size), leaves: [leafAt(index)] }, await inclusionOf(size, [index]));
    }
  }
});

test('§5.2 every pair of sizes 1..40 is proven consistent', async () => {
  for (let to = 1; to <= 40; to++) {
    for (let from = 1; from <= to; from++) {
      const bundle = await consistencyOf(from, to);
      verifyLogConsistency({ from: treeOf(from), to: treeOf(to) }, bundle);
      const forked = { size: from, root: flipBit(treeOf(from).root, 7) };
      assert.equal(
        outcome(() => verifyLogConsistency({ from: forked, to: treeOf(to) }, bundle)),
        'proof/root',
      );
    }
  }
});

test('the leaf at each index of every size 1..40 is told by a consistency proof, and by no other hash', async () => {
  for (let size = 1; size <= 40; size++) {
    for (let index = 0; index < size; index++) {
      const bundle = await consistencyOf(lengthThatShows(index), size);
      assert.deepEqual(provenLeafHash(treeOf(size), index, bundle), leafAt(index).hash);
      const altered = bundle.hashes.map((one) =>
        one.index === index * 2 ? { ...one, hash: flipBit(one.hash, 7) } : one,
      );
      const told = (of: LogProofBundle): string => outcome(() => provenLeafHash(treeOf(size), index, of));
      assert.equal(told({ ...bundle, hashes: altered }), 'proof/root');
      assert.equal(told(await inclusionOf(size, [index])), 'proof/mismatch');
    }
  }
});

test('§5.2 a leaf that another leaf needs stands in the bundle, as the Rust server sends it', async () => {
  const both = await inclusionOf(2, [0, 1]);
  assert.deepEqual(
    both.hashes.map(({ index }) => index),
    [0, 2],
  );
  verifyLogInclusion({ ...treeOf(2), leaves: [leafAt(0), leafAt(1)] }, both);
  const alone = await inclusionOf(1, [0]);
  assert.deepEqual(alone.hashes, []);
  verifyLogInclusion({ ...treeOf(1), leaves: [leafAt(0)] }, alone);
});

test('§6.3 what cannot be proven is refused', async () => {
  const refused = [
    inclusionOf(5, [5]),
    inclusionOf(5, [0, 7]),
    inclusionOf(0, [0]),
    consistencyOf(0, 5),
    consistencyOf(6, 5),
  ];
  for (const promise of refused) assert.equal(await settled(promise), 'request/proof');
  assert.equal(await settled(inclusionOf(5, [4, 4])), 'ok');
});

/** Every way to change one thing in a bundle. `pick` is any natural number. */
const ALTERATIONS: readonly ((bundle: LogProofBundle, pick: number) => LogProofBundle | null)[] = [
  (bundle) => ({ ...bundle, logLength: bundle.logLength + 1 }),
  (bundle) => ({ ...bundle, logLength: bundle.logLength - 1 }),
  (bundle) => ({ ...bundle, includedIndices: [...bundle.includedIndices, 0] }),
  (bundle) => ({ ...bundle, includedIndices: bundle.includedIndices.map((index) => index + 2) }),
  (bundle) => ({ ...bundle, includedIndices: bundle.includedIndices.map((index) => index / 2 + 0.5) }),
  (bundle) => ({ ...bundle, includedIndices: bundle.includedIndices.slice(1) }),
  (bundle) => ({ ...bundle, includedIndices: bundle.includedIndices.toReversed() }),
  (bundle) => ({ ...bundle, consistentLengths: [...bundle.consistentLengths, 1] }),
  (bundle) => ({ ...bundle, consistentLengths: bundle.consistentLengths.slice(1) }),
  (bundle) => ({ ...bundle, consistentLengths: bundle.consistentLengths.map((length) => length + 1) }),
  (bundle, pick) => withHashes(bundle, (hashes) => hashes.toSpliced(pick % hashes.length, 1)),
  (bundle, pick) =>
    withHashes(bundle, (hashes) =>
      hashes.flatMap((entry, i) => (i === pick % hashes.length ? [entry, entry] : [entry])),
    ),
  (bundle) => ({ ...bundle, hashes: [...bundle.hashes, { index: 2 * SIZE_MAX + 1, hash: sha256(utf8('foreign')) }] }),
  (bundle, pick) =>
    withHashes(bundle, (hashes) =>
      hashes.map((entry, i) =>
        i === pick % hashes.length ? { ...entry, hash: flipBit(entry.hash, pick % 256) } : entry,
      ),
    ),
  (bundle, pick) =>
    withHashes(bundle, (hashes) =>
      hashes.map((entry, i) => (i === pick % hashes.length ? { ...entry, index: entry.index + 1 } : entry)),
    ),
  (bundle) =>
    withHashes(bundle, (hashes) =>
      hashes.map(({ index }, i) => ({ index, hash: hashes.at(i - 1)?.hash ?? assert.fail() })),
    ),
];

function withHashes(
  bundle: LogProofBundle,
  change: (hashes: LogProofBundle['hashes']) => LogProofBundle['hashes'],
): LogProofBundle | null {
  return bundle.hashes.length === 0 ? null : { ...bundle, hashes: change(bundle.hashes) };
}

function isSame(a: LogProofBundle, b: LogProofBundle): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

const alteration = fc.constantFrom(...ALTERATIONS);
const sizeAndLeaves = fc
  .integer({ min: 1, max: SIZE_MAX })
  .chain((size) => fc.tuple(fc.constant(size), fc.array(fc.nat({ max: size - 1 }), { minLength: 1, maxLength: 5 })));

test('an altered inclusion bundle proves nothing', async () => {
  await fc.assert(
    fc.asyncProperty(sizeAndLeaves, alteration, fc.nat(), async ([size, indexes], alter, pick) => {
      const bundle = await inclusionOf(size, indexes);
      const asked = { ...treeOf(size), leaves: indexes.map(leafAt) };
      verifyLogInclusion(asked, bundle);
      const altered = alter(bundle, pick);
      if (altered === null || isSame(altered, bundle)) return;
      assert.match(
        outcome(() => verifyLogInclusion(asked, altered)),
        /^proof\//,
      );
    }),
    { numRuns: 400 },
  );
});

test('an inclusion bundle answers no other question', async () => {
  await fc.assert(
    fc.asyncProperty(sizeAndLeaves, fc.nat(), async ([size, indexes], pick) => {
      const bundle = await inclusionOf(size, indexes);
      const tree = treeOf(size);
      const asked = indexes.map(leafAt);
      const at = pick % asked.length;
      const { index, hash } = asked[at] ?? assert.fail();
      const others = [
        { ...tree, leaves: asked.with(at, { index: (index + 1) % SIZE_MAX, hash }) },
        { ...tree, leaves: asked.with(at, { index, hash: flipBit(hash, pick % 256) }) },
        { ...tree, leaves: [...asked, leafAt(0)] },
        { ...tree, leaves: asked.slice(1) },
        { size, root: flipBit(tree.root, pick % 256), leaves: asked },
        { size: size + 1, root: tree.root, leaves: asked },
        { size: size - 1, root: tree.root, leaves: asked },
      ];
      for (const other of others.filter((one) => one.leaves.length > 0)) {
        assert.match(
          outcome(() => verifyLogInclusion(other, bundle)),
          /^(proof|request)\//,
        );
      }
    }),
  );
});

test('an altered consistency bundle, or one for other trees, proves nothing', async () => {
  const sizes = fc
    .integer({ min: 1, max: SIZE_MAX })
    .chain((to) => fc.tuple(fc.integer({ min: 1, max: to }), fc.constant(to)));
  await fc.assert(
    fc.asyncProperty(sizes, alteration, fc.nat(), async ([from, to], alter, pick) => {
      const bundle = await consistencyOf(from, to);
      const asked = { from: treeOf(from), to: treeOf(to) };
      verifyLogConsistency(asked, bundle);
      const altered = alter(bundle, pick);
      if (altered !== null && !isSame(altered, bundle)) {
        assert.match(
          outcome(() => verifyLogConsistency(asked, altered)),
          /^proof\//,
        );
      }
      const others = [
        { from: asked.from, to: { size: to, root: flipBit(asked.to.root, pick % 256) } },
        { from: { size: from, root: flipBit(asked.from.root, pick % 256) }, to: asked.to },
        { from: { size: from + 1, root: asked.from.root }, to: asked.to },
        { from: { size: from - 1, root: asked.from.root }, to: asked.to },
        { from: asked.from, to: { size: to + 1, root: asked.to.root } },
        { from: { size: to + 1, root: asked.from.root }, to: asked.to },
      ];
      for (const other of others)
        assert.match(
          outcome(() => verifyLogConsistency(other, bundle)),
          /^(proof|request)\//,
        );
    }),
    { numRuns: 400 },
  );
});

test('a bundle for several questions at once proves none of them alone', async () => {
  const bundle = await proveLog({ size: 21, consistentLengths: [13, 1], leafIndexes: [7, 20] }, store.read);
  assert.deepEqual(bundle.consistentLengths, [13, 1]);
  assert.deepEqual(bundle.includedIndices, [14, 40]);
  const asked = { ...treeOf(21), leaves: [leafAt(7), leafAt(20)] };
  assert.equal(
    outcome(() => verifyLogInclusion(asked, bundle)),
    'proof/mismatch',
  );
  assert.equal(
    outcome(() => verifyLogConsistency({ from: treeOf(13), to: treeOf(21) }, bundle)),
    'proof/mismatch',
  );
});

test('equal sizes with different roots are inconsistent', async () => {
  const bundle = await consistencyOf(21, 21);
  assert.equal(
    outcome(() => verifyLogConsistency({ from: treeOf(21), to: treeOf(21) }, bundle)),
    'ok',
  );
  const forked = { size: 21, root: sha256(utf8('fork')) };
  assert.equal(
    outcome(() => verifyLogConsistency({ from: forked, to: treeOf(21) }, bundle)),
    'proof/root',
  );
  assert.equal(
    outcome(() => verifyLogConsistency({ from: treeOf(21), to: forked }, bundle)),
    'proof/root',
  );
});

test('above 2^32 leaves proofs hold, but Warg cannot write them', async () => {
  const [left, right] = [sha256(utf8('left')), sha256(utf8('right'))];
  const top = { level: 4, index: 0, hashes: concatBytes(left, right) };
  const edge = logEdgeFromTiles(2 ** 33, [top]);
  const grown = appendToLog(edge, leaves.slice(0, 3));
  const tiles = [top, ...grown.tiles];
  const leafIndexes = [2 ** 33 + 1];
  const bundle = await proveLog({ size: 2 ** 33 + 3, consistentLengths: [], leafIndexes }, async (wanted) =>
    wanted.map(
      (at) => tiles.find(({ level, index }) => level === at.level && index === at.index)?.hashes ?? assert.fail(),
    ),
  );
  assert.deepEqual(
    bundle.hashes.map(({ index }) => index),
    [2 ** 33 - 1, 2 ** 34, 2 ** 34 + 4],
  );
  const root = logRootOfEdge(grown.edge);
  assert.deepEqual(root, hashNode(hashNode(left, right), plainLogRoot(leaves.slice(0, 3))));
  const hash = leafAt(1).hash;
  verifyLogInclusion({ size: 2 ** 33 + 3, root, leaves: [{ index: 2 ** 33 + 1, hash }] }, bundle);
  assert.equal(
    outcome(() => encodeLogProofBundle(bundle)),
    'request/unsupported',
  );
});
