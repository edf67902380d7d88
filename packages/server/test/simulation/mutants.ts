import { RegistryError } from '@waybill/protocol';
import type { LastSigned, RegistryStore, SignedMark } from '../../src/core/ports.ts';
import { Sequencer, type Submission } from '../../src/core/sequencer.ts';
import type { MemoryState } from '../../src/storage/memory/memory-store.ts';
import { PRODUCTION, type Assembly } from './simulated-process.ts';

/** Registries that are broken in one place: a simulation that finds nothing wrong with one of them shows nothing. */
export const MUTANTS: Readonly<Record<string, Assembly>> = {
  'a store that does not compare the head before it swaps it': { ...PRODUCTION, store: withoutComparison },
  'a store that leaves half of a commit behind': { ...PRODUCTION, store: withHalfCommits },
  'a store that prunes pages which are still needed': { ...PRODUCTION, store: withHastyPruning },
  'a store that does not list releases by their content': { ...PRODUCTION, store: withoutHoldings },
  'a committer that notes only the first head as signed': { ...PRODUCTION, lastSigned: notedOnce },
  'a sequencer that acknowledges before the commit': {
    ...PRODUCTION,
    sequencer: (parts, head) => new HastySequencer(parts, head),
  },
  'a sequencer that blames the record for what the disk did': {
    ...PRODUCTION,
    sequencer: (parts, head) => new BlamingSequencer(parts, head),
  },
};

function withoutComparison(store: RegistryStore, state: MemoryState): RegistryStore {
  const commit = store.commit.bind(store);
  store.commit = (_, wanted) => {
    for (const { registryIndex } of wanted.records) {
      const other = state.records.get(registryIndex);
      if (other === undefined) continue;
      state.records.delete(registryIndex);
      state.recordsById.delete(other.recordId);
      state.logs.get(other.logId)?.delete(other.logPosition);
    }
    for (const { prefix, version } of wanted.mapPages) state.mapPages.delete(`map page '${prefix}'@${version}`);
    return commit(state.newest?.checkpoint.contents.logLength ?? null, wanted);
  };
  return store;
}

/** Every fifth. */
function withHalfCommits(store: RegistryStore, state: MemoryState): RegistryStore {
  const commit = store.commit.bind(store);
  let count = 0;
  store.commit = async (previousLength, wanted) => {
    const [first] = wanted.records;
    if (first === undefined || ++count % 5 > 0) return commit(previousLength, wanted);
    state.records.set(first.registryIndex, first);
    throw new RegistryError('storage/failed', 'the power went');
  };
  return store;
}

function withHastyPruning(store: RegistryStore, state: MemoryState): RegistryStore {
  const prune = store.pruneMap.bind(store);
  store.pruneMap = async (floor, after, pages) => {
    const cursor = await prune(floor + 2, after, pages);
    state.mapFloor = floor;
    return cursor;
  };
  return store;
}

function withoutHoldings(store: RegistryStore): RegistryStore {
  const commit = store.commit.bind(store);
  store.commit = (previousLength, wanted) => commit(previousLength, { ...wanted, holdings: [] });
  return store;
}

function notedOnce(lastSigned: LastSigned): LastSigned {
  const writeOnce = async (mark: SignedMark): Promise<void> => {
    if ((await lastSigned.read()) === null) await lastSigned.write(mark);
  };
  return { read: () => lastSigned.read(), write: writeOnce };
}

class HastySequencer extends Sequencer {
  override sequence(submission: Submission): Promise<number> {
    const registryIndex = this.length;
    super.sequence(submission).catch(() => undefined);
    return Promise.resolve(registryIndex);
  }
}

class BlamingSequencer extends Sequencer {
  override sequence(submission: Submission): Promise<number> {
    return super.sequence(submission).catch((cause: unknown) => {
      const message = cause instanceof Error ? cause.message : '';
      throw new RegistryError('record/unauthorized', message, {}, { cause });
    });
  }
}
