import {
  isRegistryError,
  judgeRecord,
  OPERATOR_LOG,
  OPERATOR_LOG_ID,
  PACKAGE_LOG,
  RegistryError,
  type LogId,
  type OperatorEntry,
  type PackageEntry,
  type PackageName,
  type SignedRecord,
} from '@waybill/protocol';
import type { CheckpointSigner } from './checkpoint-signer.ts';
import { BATCH_RECORDS_MAX, QUEUE_RECORDS_MAX } from './limits.ts';
import type { OperatorStates, PackageStates } from './state-caches.ts';
import type { RegistryStore, StoredHead, StoredRecord } from './ports.ts';
import { growTree, loadTree, type RegistryTree } from './registry-tree.ts';

/** A record whose signature, admission and content have been checked: only its place is missing. */
export type Submission =
  | {
      readonly kind: 'package';
      readonly record: SignedRecord<PackageEntry>;
      readonly logId: LogId;
      readonly name: PackageName;
    }
  | { readonly kind: 'operator'; readonly record: SignedRecord<OperatorEntry> };

interface Waiting {
  readonly submission: Submission;
  readonly resolve: (registryIndex: number) => void;
  readonly reject: (failure: unknown) => void;
}

interface Placed {
  readonly waiting: Waiting;
  readonly stored: StoredRecord;
}

export interface SequencerParts {
  readonly store: RegistryStore;
  readonly packages: PackageStates;
  readonly operator: OperatorStates;
  readonly signer: CheckpointSigner;
  /** Called once when going on could sign a second history; the process must end. */
  readonly onFatal: (failure: unknown) => void;
}

/**
 * Gives records their places, one batch at a time. While one commit is being made durable the next batch gathers, so a lone
 * record never waits for a timer. What is resolved is published: durable and under the head that is served.
 */
export class Sequencer {
  readonly #parts: SequencerParts;
  #head: StoredHead | null;
  #tree: RegistryTree;
  #queue: Waiting[] = [];
  #running: Promise<void> | null = null;
  #failed: unknown = null;

  private constructor(parts: SequencerParts, head: StoredHead | null, tree: RegistryTree) {
    this.#parts = parts;
    this.#head = head;
    this.#tree = tree;
  }

  static async open(parts: SequencerParts): Promise<Sequencer> {
    const head = await parts.store.readHead();
    return new Sequencer(parts, head, await loadTree(parts.store, head));
  }

  /** The head that is served; `null` before the first record. */
  get head(): StoredHead | null {
    return this.#head;
  }

  /** Records of the served head. */
  get length(): number {
    return this.#head?.checkpoint.contents.logLength ?? 0;
  }

  /**
   * Resolves with the registry index once the record is published. Throws `record/…` when the log has moved on,
   * `request/too-many` when the queue is full, and what the store throws.
   */
  sequence(submission: Submission): Promise<number> {
    if (this.#failed !== null) return Promise.reject(this.#failed);
    if (this.#queue.length >= QUEUE_RECORDS_MAX) {
      return Promise.reject(new RegistryError('request/too-many', 'too many records wait to be sequenced: try again'));
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ submission, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Resolves when everything queued so far has been answered. */
  async drain(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, BATCH_RECORDS_MAX);
      if (this.#failed === null) await this.#sequenceBatch(batch);
      else for (const { reject } of batch) reject(this.#failed);
    }
    this.#running = null;
  }

  async #sequenceBatch(batch: readonly Waiting[]): Promise<void> {
    const placed: Placed[] = [];
    try {
      for (const waiting of batch) {
        const stored = await this.#place(waiting, this.length + placed.length);
        if (stored !== null) placed.push({ waiting, stored });
      }
      if (placed.length > 0)
        await this.#commit(
          placed.map(({ stored }) => stored),
          batch,
        );
    } catch (failure) {
      this.#giveUp(batch, placed, failure);
      return;
    }
    for (const { waiting, stored } of placed) waiting.resolve(stored.registryIndex);
  }

  /** Judges against the state as the batch has made it; a record that fails is answered at once and takes no place. */
  async #place(waiting: Waiting, registryIndex: number): Promise<StoredRecord | null> {
    const { submission } = waiting;
    try {
      const { logId, logPosition } = await this.#advanceState(submission);
      const { id: recordId, envelope } = submission.record;
      return { registryIndex, logId, logPosition, recordId, envelope };
    } catch (failure) {
      if (!isRegistryError(failure)) throw failure;
      waiting.reject(failure);
      return null;
    }
  }

  async #advanceState(submission: Submission): Promise<{ logId: LogId; logPosition: number }> {
    const { packages, operator } = this.#parts;
    if (submission.kind === 'operator') {
      const state = await operator.load(OPERATOR_LOG_ID);
      const { draft } = judgeRecord(OPERATOR_LOG, state, submission.record);
      operator.put(OPERATOR_LOG_ID, draft.accept());
      return { logId: OPERATOR_LOG_ID, logPosition: state.length };
    }
    const { logId } = submission;
    const state = await packages.load(logId);
    const { draft } = judgeRecord(PACKAGE_LOG, state, submission.record);
    packages.put(logId, draft.accept());
    return { logId, logPosition: state.length };
  }

  async #commit(records: readonly StoredRecord[], batch: readonly Waiting[]): Promise<void> {
    const { store, signer } = this.#parts;
    const grown = await growTree(store, this.#tree, records);
    const previous = this.#head;
    const checkpoint = await signer.sign(grown.checkpoint, previous?.checkpoint ?? null);
    const head = { checkpoint, mapVersion: grown.tree.map.version };
    await store.commit(previous?.checkpoint.contents.logLength ?? null, {
      records,
      names: namesOf(records, batch),
      tiles: grown.tiles,
      mapPages: grown.mapPages,
      head,
      settled: records.map(({ recordId }) => recordId),
    });
    // Committed. A crash before this line loses nothing: the next start reads the head that was just stored.
    this.#tree = grown.tree;
    this.#head = head;
  }

  /** A batch that did not commit leaves no trace: the states it advanced are rebuilt from the store. */
  #giveUp(batch: readonly Waiting[], placed: readonly Placed[], failure: unknown): void {
    for (const { stored } of placed) {
      this.#parts.packages.evict(stored.logId);
      this.#parts.operator.evict(stored.logId);
    }
    // Only "no room" is known to have changed nothing and to pass; after anything else the stored head is in doubt.
    if (!isRegistryError(failure, 'storage/full')) {
      this.#failed = failure;
      this.#parts.onFatal(failure);
    }
    // Records refused on their own merits have their answer already; a second one changes nothing.
    for (const { reject } of batch) reject(failure);
  }
}

function namesOf(records: readonly StoredRecord[], batch: readonly Waiting[]): { logId: LogId; name: PackageName }[] {
  const started = new Set(records.filter(({ logPosition }) => logPosition === 0).map(({ logId }) => logId));
  const names: { logId: LogId; name: PackageName }[] = [];
  for (const { submission } of batch) {
    if (submission.kind === 'package' && started.delete(submission.logId)) names.push(submission);
  }
  return names.map(({ logId, name }) => ({ logId, name }));
}
