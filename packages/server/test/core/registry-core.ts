import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { packageLogId, parseNamespace, parsePackageName, type PackageName, type wargApi } from '@waybill/protocol';
import { ALL_OPEN } from '../all-open.ts';
import { openContentFiles } from '../../src/blobs/files/content-files.ts';
import { CheckpointSigner } from '../../src/core/checkpoint-signer.ts';
import { TreeCommitter, type Committer } from '../../src/core/committing.ts';
import type { ContentPolicy } from '../../src/core/content.ts';
import { silentObserver } from '../../src/core/observer.ts';
import { OperatorDesk } from '../../src/core/operator-desk.ts';
import type { ContentStore, LastSigned } from '../../src/core/ports.ts';
import { Publishing } from '../../src/core/publishing.ts';
import type { Publishers } from '../../src/core/publishers.ts';
import { Sequencer } from '../../src/core/sequencer.ts';
import { openStateCaches, type StateCaches } from '../../src/core/state-caches.ts';
import { MemoryLastSigned } from '../../src/storage/memory/memory-last-signed.ts';
import { emptyMemoryState, MemoryStore, type MemoryState } from '../../src/storage/memory/memory-store.ts';
import { testLogSigners } from './log-signers.ts';
import { keyOf, type LooseRecord } from '../publisher.ts';
import { TEST_ORIGIN, testHomeOf } from '../home.ts';

/** The clock of these tests; tests move it by hand. */
export const STARTED_MS = 1_700_000_000_000;

/** A registry without HTTP, on memory, with a clock that stands still. */
export interface RegistryCore {
  readonly store: MemoryStore;
  readonly state: MemoryState;
  readonly lastSigned: LastSigned;
  readonly content: ContentStore;
  /** Where its files are. */
  readonly contentRoot: string;
  readonly publishing: Publishing;
  readonly sequencer: Sequencer;
  readonly desk: OperatorDesk;
  readonly states: StateCaches;
  nowMs: number;
  publish(name: PackageName, record: LooseRecord, final?: boolean): Promise<wargApi.RecordStatus>;
  dispose(): Promise<void>;
}

export interface CoreOptions {
  readonly publishers?: Publishers;
  readonly contentPolicy?: ContentPolicy;
  readonly state?: MemoryState;
  readonly lastSigned?: LastSigned;
  /** Stands before the committer, to make it fail or wait. */
  readonly wrapCommitter?: (committer: Committer) => Committer;
  /** Wraps the content store, to make it fail or wait. */
  readonly wrap?: (content: ContentStore) => ContentStore;
}

/** Opens a core on `state`, as a start of the server does. */
export async function openCore(options: CoreOptions = {}): Promise<RegistryCore> {
  const { publishers = 'open', state = emptyMemoryState(), wrap = (content) => content } = options;
  const { lastSigned = new MemoryLastSigned(), wrapCommitter = (committer) => committer } = options;
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-core-'));
  const store = new MemoryStore(state);
  const contentRoot = path.join(folder, 'content');
  const content = wrap(await openContentFiles(contentRoot));
  const clock = (): number => core.nowMs;
  const states = openStateCaches(store, testHomeOf);
  const key = keyOf('operator');
  const signer = new CheckpointSigner(key, clock);
  const onFatal = (failure: unknown): void => {
    throw failure;
  };
  const opened = await TreeCommitter.open({ store, signer, logSigners: testLogSigners, lastSigned });
  const observer = silentObserver;
  const sequencer = new Sequencer({ committer: wrapCommitter(opened), states, clock, observer, onFatal }, opened.head);
  const { contentPolicy = 'wasm' } = options;
  const parts = { store, content, states, sequencer, publishers, contentPolicy, spaces: ALL_OPEN, clock } as const;
  const publishing = new Publishing(parts);
  const desk = new OperatorDesk({ store, operator: states.operator, sequencer, commitKeyId: signer.keyId, clock });
  // The clock reads it later, when it is there.
  const core: RegistryCore = {
    store,
    state,
    lastSigned,
    content,
    contentRoot,
    publishing,
    sequencer,
    desk,
    states,
    nowMs: STARTED_MS,
    publish: (name, { envelope }, final = false) =>
      publishing.publish({ logId: packageLogId(name), name, envelope, final }),
    dispose: () => rm(folder, { recursive: true }),
  };
  await desk.open(key, { namespaces: [parseNamespace('test')], origin: TEST_ORIGIN });
  await publishing.resume();
  return core;
}

export const PACKAGE: PackageName = parsePackageName('test:package');
