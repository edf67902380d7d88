import { parseNamespace, type Digest, type PrivateKey } from '@waybill/protocol';
import { ALL_OPEN, NO_PRIVATES } from '../all-open.ts';
import { openContentMemory } from '../../src/blobs/memory/content-memory.ts';
import { CheckpointSigner } from '../../src/core/checkpoint-signer.ts';
import { TreeCommitter, type Committer } from '../../src/core/committing.ts';
import { MapPruner } from '../../src/core/map-pruner.ts';
import { silentObserver } from '../../src/core/observer.ts';
import { OperatorDesk } from '../../src/core/operator-desk.ts';
import type { Clock, LastSigned, RegistryStore, SignedMark, StoredHead } from '../../src/core/ports.ts';
import { Proving } from '../../src/core/proving.ts';
import { Publishing } from '../../src/core/publishing.ts';
import { Reading } from '../../src/core/reading.ts';
import { Sequencer, type SequencerParts } from '../../src/core/sequencer.ts';
import { openStateCaches } from '../../src/core/state-caches.ts';
import { watchContent, watchPending } from '../../src/fatal-watch.ts';
import type { MemoryState } from '../../src/storage/memory/memory-store.ts';
import { testLogSigners } from '../core/log-signers.ts';
import { keyOf } from '../publisher.ts';
import type { Checker } from './checker.ts';
import type { Owner } from './scheduler.ts';
import { contentOver, lastSignedOver, storeOver, type Wire } from './simulated-ports.ts';
import { SimulatedStore } from './simulated-store.ts';
import { TEST_ORIGIN, testHomeOf } from '../home.ts';

/** What outlives every process. */
export interface Disk {
  state: MemoryState;
  mark: SignedMark | null;
  readonly content: Parameters<typeof openContentMemory>[0];
}

/** Where the production code is put together; a mutant replaces one part by a broken one. */
export interface Assembly {
  store(store: RegistryStore, state: MemoryState): RegistryStore;
  lastSigned(lastSigned: LastSigned): LastSigned;
  committer(committer: Committer): Committer;
  sequencer(parts: SequencerParts, head: StoredHead | null): Sequencer;
  signer(key: PrivateKey, clock: Clock): CheckpointSigner;
}

/** Nothing replaced. */
export const PRODUCTION: Assembly = {
  store: (store) => store,
  lastSigned: (lastSigned) => lastSigned,
  committer: (committer) => committer,
  sequencer: (parts, head) => new Sequencer(parts, head),
  signer: (key, clock) => new CheckpointSigner(key, clock),
};

/** A registry without HTTP, put together as registry.ts does it. */
export interface Core {
  readonly sequencer: Sequencer;
  readonly publishing: Publishing;
  readonly desk: OperatorDesk;
  readonly reading: Reading;
  readonly proving: Proving;
  readonly pruner: MapPruner;
  /** Set when it said that the process must end. */
  readonly fatal: { failure: unknown };
}

export interface Boot {
  readonly disk: Disk;
  readonly wire: Wire;
  readonly checker: Checker;
  readonly assembly: Assembly;
  readonly clock: Clock;
  /** The process must end. */
  readonly onFatal: (owner: Owner, at: 'once' | 'soon') => void;
}

export const OPERATOR: PrivateKey = keyOf('operator');
const MAP_PROOFS_KEPT_SECONDS = 20;

/** A start of the server: throws whatever refuses it. */
export async function openCore(boot: Boot): Promise<Core> {
  const { wire, clock, assembly, onFatal } = boot;
  const fatal: Core['fatal'] = { failure: null };
  const store = watchedStore(boot, fatal);
  const lastSigned = lastSignedOver(wire, lastSignedOn(boot));
  const signer = assembly.signer(OPERATOR, clock);
  const opened = await TreeCommitter.open({ store, signer, logSigners: testLogSigners, lastSigned });
  const states = openStateCaches(store, testHomeOf, 12);
  const sequencerFatal = (failure: unknown): void => {
    fatal.failure = failure;
    onFatal(wire.owner, 'soon');
  };
  const committer = assembly.committer(opened);
  const parts = { committer, states, clock, observer: silentObserver, onFatal: sequencerFatal };
  const sequencer = assembly.sequencer(parts, opened.head);
  const desk = new OperatorDesk({ store, operator: states.operator, sequencer, commitKeyId: signer.keyId, clock });
  await desk.open(OPERATOR, { namespaces: [parseNamespace('test')], origin: TEST_ORIGIN });
  const endAtOnce = (): void => onFatal(wire.owner, 'once');
  const content = watchContent(contentOver(wire, openContentMemory(boot.disk.content, clock)), endAtOnce);
  const writes = watchPending(store, endAtOnce);
  const waiting = { store: { ...store, ...writes }, content, states, sequencer, clock };
  const publishing = new Publishing({ ...waiting, publishers: 'open', contentPolicy: 'wasm', spaces: ALL_OPEN });
  await publishing.resume();
  const reading = new Reading({ store, sequencer, operator: states.operator, privates: NO_PRIVATES });
  const pruner = new MapPruner({ reader: store, store, clock, keptSeconds: MAP_PROOFS_KEPT_SECONDS });
  return { sequencer, publishing, desk, reading, proving: new Proving(store, reading), pruner, fatal };
}

/** The checker hears of what reaches the disk, and of what should not have been asked. */
function watchedStore({ disk, wire, checker, assembly }: Boot, fatal: Core['fatal']): RegistryStore {
  const { state } = disk;
  const durable = assembly.store(new SimulatedStore(state), state);
  const commit = durable.commit.bind(durable);
  durable.commit = async (previousLength, wanted) => {
    await commit(previousLength, wanted);
    checker.committed(state);
    if (wanted.records.length > 1) checker.note('batch of several');
    if (wanted.records.length === 0) checker.note('head signed afresh');
  };
  return storeOver(wire, durable, () => {
    if (fatal.failure !== null) checker.guard(() => failedOn());
  });
}

function failedOn(): never {
  throw new Error('a core that had failed went on to commit');
}

function lastSignedOn({ disk, checker, assembly }: Boot): LastSigned {
  return assembly.lastSigned({
    read: async () => disk.mark,
    async write({ logLength, logRoot, mapRoot, timestamp }) {
      disk.mark = { logLength, logRoot, mapRoot, timestamp };
      checker.marked(disk.mark, disk.state);
    },
  });
}

export function emptyContent(): Disk['content'] {
  return new Map<Digest, { bytes: Uint8Array; keptAtMs: number }>();
}
