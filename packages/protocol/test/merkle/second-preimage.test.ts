import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concatBytes, equalBytes } from '../../src/bytes/byte-array.ts';
import { hashLeaf, hashNode } from '../../src/merkle/log-hash.ts';
import { proveLog, verifyLogInclusion } from '../../src/merkle/log-proof.ts';
import { emptyLogEdge } from '../../src/merkle/log-tile.ts';
import { memoryTiles } from '../memory-tree.ts';
import { outcome } from './outcome.ts';
import { plainLogRoot, testLeaves } from './plain-trees.ts';

/* A leaf of 64 bytes that are two hashes reads like a node. What tells them apart is the first byte that is hashed. */

const SIZE = 8;
const leaves = testLeaves(SIZE);
const pairs = Array.from({ length: SIZE / 2 }, (_, i) => [at(2 * i), at(2 * i + 1)] as const);

function at(index: number): Uint8Array {
  return leaves[index] ?? assert.fail();
}

test('C12: a leaf of 64 bytes that are the hashes of two nodes has another hash than their parent', () => {
  for (const [left, right] of pairs) {
    const forged = hashLeaf(concatBytes(left, right));
    assert.ok(!equalBytes(forged, hashNode(left, right)));
    assert.ok(!equalBytes(hashLeaf(concatBytes(Uint8Array.of(1), left, right)), hashNode(left, right)));
  }
});

test('C12: the tree over such leaves is no smaller tree with the same root, and no proof of one is one of the other', async () => {
  const whole = plainLogRoot(leaves);
  const forged = pairs.map(([left, right]) => hashLeaf(concatBytes(left, right)));
  assert.ok(!equalBytes(plainLogRoot(forged), whole));
  // The nodes of the larger tree, given out as leaves of one half its size, do have its root: a size is signed with a root.
  const nodes = pairs.map(([left, right]) => hashNode(left, right));
  assert.ok(equalBytes(plainLogRoot(nodes), whole));
  const store = memoryTiles();
  store.append(emptyLogEdge(), nodes);
  for (let index = 0; index < nodes.length; index++) {
    const bundle = await proveLog({ size: nodes.length, consistentLengths: [], leafIndexes: [index] }, store.read);
    const verify = (leafHash: Uint8Array | undefined, size: number): string =>
      outcome(() =>
        verifyLogInclusion({ size, root: whole, leaves: [{ index, hash: leafHash ?? assert.fail() }] }, bundle),
      );
    assert.equal(verify(nodes[index], nodes.length), 'ok');
    assert.equal(verify(forged[index], nodes.length), 'proof/root');
    assert.equal(verify(nodes[index], SIZE), 'proof/mismatch');
  }
});
