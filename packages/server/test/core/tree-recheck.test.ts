import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isRegistryError, type SignedCheckpoint } from '@waybill/protocol';
import { FULL, SEED } from '@waybill/tools/test-scale';
import { CheckpointSigner } from '../../src/core/checkpoint-signer.ts';
import { TreeCommitter, type Batch } from '../../src/core/committing.ts';
import { growTree, type GrownTree, type RegistryTree } from '../../src/core/registry-tree.ts';
import { sampleRecord } from '../../src/storage/conformance.ts';
import { MemoryLastSigned } from '../../src/storage/memory/memory-last-signed.ts';
import { emptyMemoryState, MemoryStore } from '../../src/storage/memory/memory-store.ts';
import { keyOf } from '../publisher.ts';
import { Dice } from '../scale.ts';
import { testLogSigners } from './log-signers.ts';

/** A signer that tells how often it signed. */
class CountingSigner extends CheckpointSigner {
  signed = 0;

  override sign(...parts: Parameters<CheckpointSigner['sign']>): Promise<SignedCheckpoint> {
    this.signed++;
    return super.sign(...parts);
  }
}

type Grow = typeof growTree;

/** A registry of a few hundred records, so that tiles are full, and a fault that can be switched on. */
async function grownRegistry(records: number) {
  const state = emptyMemoryState();
  const signer = new CountingSigner(keyOf('operator'), () => 1_700_000_000_000);
  let faulty: Grow = growTree;
  const grow: Grow = (...parts) => faulty(...parts);
  const store = new MemoryStore(state);
  const parts = { store, signer, logSigners: testLogSigners, lastSigned: new MemoryLastSigned(), grow };
  const committer = await TreeCommitter.open(parts);
  for (let from = 0; from < records; from += 50) await committer.commit(batchOf(from, Math.min(from + 50, records)));
  const setFault = (fault: Grow): void => {
    faulty = fault;
  };
  return { committer, signer, state, setFault };
}

function batchOf(from: number, to: number): Batch {
  return {
    records: Array.from({ length: to - from }, (_, i) => sampleRecord(from + i)),
    names: [],
    holdings: [],
    settled: [],
  };
}

/** Flips one bit of all the bytes taken together; the seed and `name` decide which. */
function flip(parts: readonly Uint8Array[], name: string): void {
  const total = parts.reduce((sum, { length }) => sum + length, 0);
  const bit = new Dice(`${SEED}/${name}`).below(total * 8);
  let offset = Math.floor(bit / 8);
  for (const part of parts) {
    if (offset < part.length) {
      part[offset] = (part[offset] ?? 0) ^ (1 << (bit % 8));
      return;
    }
    offset -= part.length;
  }
}

const RECORDS = 500;
const ADDED = 30;
const ROUNDS = FULL ? 400 : 20;

/** What stands in memory between two commits. */
const STANDING: Readonly<Record<string, (tree: RegistryTree) => readonly Uint8Array[]>> = {
  'the edge of the records': ({ records }) => records.levels,
  'the edge of the heads': ({ heads }) => heads.levels,
  'the root of the map': ({ map }) => [map.hash],
};

/** What is about to be stored, or to be signed. */
const GROWN: Readonly<Record<string, (grown: GrownTree) => readonly Uint8Array[]>> = {
  'the new edge of the records': ({ tree }) => tree.records.levels,
  'the new edge of the heads': ({ tree }) => tree.heads.levels,
  'the new root of the map': ({ tree }) => [tree.map.hash],
  'the tiles': ({ tiles }) => tiles.map(({ hashes }) => hashes),
  'the pages of the map': ({ mapPages }) => mapPages.map(({ bytes }) => bytes),
};

const FAULTS: Readonly<Record<string, (name: string) => Grow>> = {
  ...Object.fromEntries(
    Object.entries(STANDING).map(([what, bytesOf]) => [
      what,
      (name: string): Grow =>
        (store, tree, leaves) => {
          const damaged = structuredClone(tree);
          flip(bytesOf(damaged), name);
          return growTree(store, damaged, leaves);
        },
    ]),
  ),
  ...Object.fromEntries(
    Object.entries(GROWN).map(([what, bytesOf]) => [
      what,
      (name: string): Grow =>
        async (...parts) => {
          const grown = await growTree(...parts);
          flip(bytesOf(grown), name);
          return grown;
        },
    ]),
  ),
  'the root in the checkpoint': () => async (store, tree, leaves) => {
    const grown = await growTree(store, tree, leaves);
    return { ...grown, checkpoint: { ...grown.checkpoint, mapRoot: grown.checkpoint.logRoot } };
  },
  'the length in the checkpoint':
    () =>
    async (...parts) => {
      const grown = await growTree(...parts);
      return { ...grown, checkpoint: { ...grown.checkpoint, logLength: grown.checkpoint.logLength + 1 } };
    },
  'the id of a record': () => (store, tree, leaves) =>
    growTree(
      store,
      tree,
      leaves.map((leaf, i) => (i === ADDED - 1 ? { ...leaf, recordId: sampleRecord(0).recordId } : leaf)),
    ),
};

for (const [what, faultOf] of Object.entries(FAULTS)) {
  test(`a flipped bit in ${what} is neither signed nor stored (threats L7)`, async () => {
    const { committer, signer, state, setFault } = await grownRegistry(RECORDS);
    const { signed } = signer;
    const before = state.newest;
    for (let round = 0; round < ROUNDS; round++) {
      setFault(faultOf(`${what} ${round}`));
      await assert.rejects(committer.commit(batchOf(RECORDS, RECORDS + ADDED)), (failure) =>
        isRegistryError(failure, 'head/unconfirmed', 'storage/damaged'),
      );
      assert.equal(signer.signed, signed);
      assert.equal(state.newest, before);
      assert.equal(state.records.size, RECORDS);
    }
    setFault(growTree);
    await committer.commit(batchOf(RECORDS, RECORDS + ADDED));
    assert.equal(state.records.size, RECORDS + ADDED);
  });
}

test('an idle head with a flipped bit in a root is not signed afresh (threats L7)', async () => {
  const { committer, signer, setFault } = await grownRegistry(10);
  const { signed } = signer;
  for (const what of Object.keys(STANDING)) {
    setFault(FAULTS[what]?.(`idle ${what}`) ?? assert.fail());
    await assert.rejects(committer.commit(batchOf(10, 10)), (failure) => isRegistryError(failure, 'head/unconfirmed'));
  }
  assert.equal(signer.signed, signed);
});

test('a start finds a flipped bit in a tile of the log of heads (threats L7)', async () => {
  const { state, signer } = await grownRegistry(100);
  const key = [...state.tiles.keys()].find((name) => name.includes('heads')) ?? assert.fail();
  flip([state.tiles.get(key) ?? assert.fail()], 'heads tile');
  const parts = {
    store: new MemoryStore(state),
    signer,
    logSigners: testLogSigners,
    lastSigned: new MemoryLastSigned(),
  };
  parts.lastSigned.mark = state.newest?.checkpoint.contents ?? null;
  await assert.rejects(TreeCommitter.open(parts), (failure) => isRegistryError(failure, 'storage/damaged'));
});
