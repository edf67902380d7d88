import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { equalBytes, utf8 } from '../../src/bytes/byte-array.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { emptySubtree, hashMapLeaf, mapPath } from '../../src/merkle/map-hash.ts';
import { verifyMapAbsence, verifyMapInclusion } from '../../src/merkle/map-proof.ts';
import { emptyMapRoot, proveMap } from '../../src/merkle/map-tree.ts';
import { digestOf } from '../../src/names/digest.ts';
import { parseLogId, type LogId } from '../../src/names/log-id.ts';
import type { MapProof, MapProofBundle } from '../../src/wire/map-proof-bundle.ts';
import { memoryMap } from '../memory-tree.ts';
import { outcome } from './outcome.ts';
import { flipBit } from './plain-trees.ts';

const logIdOf = (name: number | string): LogId => parseLogId(digestOf(utf8(`log${name}`)));
const entryOf = (name: number) => ({ logId: logIdOf(name), leafHash: hashMapLeaf(utf8(`record${name}`)) });

const KEYS = 60;
const pages = memoryMap();
const root = await pages.update(
  emptyMapRoot(),
  Array.from({ length: KEYS }, (_, i) => entryOf(i)).map(({ logId, leafHash }) => ({ path: mapPath(logId), leafHash })),
  1,
);

async function bundleOf(logIds: readonly LogId[]): Promise<MapProofBundle> {
  const proven = await proveMap(root, logIds.map(mapPath), pages.read);
  return { proofs: proven.map(({ proof }) => proof) };
}

const included = (entries: ReturnType<typeof entryOf>[], bundle: MapProofBundle, hash = root.hash): string =>
  outcome(() => verifyMapInclusion({ root: hash, entries }, bundle));
const absent = (logIds: LogId[], bundle: MapProofBundle, hash = root.hash): string =>
  outcome(() => verifyMapAbsence({ root: hash, logIds }, bundle));

test('§5.3 presence and absence, each proven only as it is', async () => {
  for (let i = 0; i < KEYS; i++) {
    const here = await bundleOf([logIdOf(i)]);
    assert.equal(included([entryOf(i)], here), 'ok');
    assert.equal(absent([logIdOf(i)], here), 'proof/root');
    const gone = await bundleOf([logIdOf(i + KEYS)]);
    assert.equal(absent([logIdOf(i + KEYS)], gone), 'ok');
    assert.equal(included([entryOf(i + KEYS)], gone), 'proof/root');
  }
});

test('§5.3 a missing hash stands for the empty subtree of its height', async () => {
  const bundle = await bundleOf([logIdOf(1), logIdOf(2)]);
  const asNull = (proof: MapProof): MapProof =>
    proof.map((hash, i) => (hash !== null && equalBytes(hash, emptySubtree(256 - proof.length + i)) ? null : hash));
  const padded = (proof: MapProof): MapProof => [...Array.from({ length: 256 - proof.length }, () => null), ...proof];
  assert.equal(included([entryOf(1), entryOf(2)], { proofs: bundle.proofs.map(asNull) }), 'ok');
  assert.equal(included([entryOf(1), entryOf(2)], { proofs: bundle.proofs.map(padded) }), 'ok');
});

test('trap 11: proofs are counted against what was asked', async () => {
  const bundle = await bundleOf([logIdOf(1), logIdOf(2)]);
  assert.equal(included([entryOf(1), entryOf(2)], { proofs: [] }), 'proof/mismatch');
  assert.equal(included([entryOf(1)], bundle), 'proof/mismatch');
  assert.equal(included([entryOf(1), entryOf(2), entryOf(3)], bundle), 'proof/mismatch');
  assert.equal(included([entryOf(2), entryOf(1)], bundle), 'proof/root');
  assert.equal(absent([logIdOf('x')], { proofs: [] }), 'proof/mismatch');
});

test('an altered proof, key, leaf or root fails', async () => {
  const altered: readonly ((proof: MapProof, pick: number) => MapProof)[] = [
    (proof, pick) => proof.toSpliced(pick % proof.length, 1),
    (proof, pick) => proof.flatMap((hash, i) => (i === pick % proof.length ? [hash, hash] : [hash])),
    (proof, pick) =>
      proof.map((hash, i) => (i === pick % proof.length ? flipBit(hash ?? assert.fail(), pick % 256) : hash)),
    (proof) => [...proof, null],
    (proof) => [...proof, sha256(utf8('foreign'))],
    (proof) => [sha256(utf8('foreign')), ...proof],
    (proof) => proof.toReversed(),
    () => [],
  ];
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: 2 * KEYS - 1 }), fc.nat(), fc.constantFrom(...altered), async (key, pick, alter) => {
      const bundle = await bundleOf([logIdOf(key)]);
      const [proof = assert.fail()] = bundle.proofs;
      const verify = (name: number, proofs: MapProofBundle, hash = root.hash): string =>
        key < KEYS ? included([entryOf(name)], proofs, hash) : absent([logIdOf(name)], proofs, hash);
      assert.equal(verify(key, bundle), 'ok');
      const changed = alter(proof, pick);
      if (changed.join(';') !== proof.join(';')) assert.equal(verify(key, { proofs: [changed] }), 'proof/root');
      assert.equal(verify(key, bundle, flipBit(root.hash, pick % 256)), 'proof/root');
      if (key < KEYS) {
        assert.equal(verify((key + 1) % KEYS, bundle), 'proof/root');
        const leafHash = flipBit(entryOf(key).leafHash, pick % 256);
        assert.equal(included([{ logId: logIdOf(key), leafHash }], bundle), 'proof/root');
      }
    }),
    { numRuns: 300 },
  );
});
