import {
  checkGovernanceStart,
  GOVERNANCE_LOG,
  isRegistryError,
  judgeRecord,
  OPERATOR_LOG,
  OPERATOR_LOG_ID,
  PACKAGE_LOG,
  RegistryError,
  type GovernanceEntry,
  type LogDialect,
  type LogId,
  type Namespace,
  type OperatorEntry,
  type PackageEntry,
  type PackageName,
  type SignedRecord,
} from '@waybill/protocol';
import type { Batch, Committer } from './committing.ts';
import { GovernanceGate } from './governance-gate.ts';
import { BATCH_RECORDS_MAX, HEAD_REFRESH_MS, QUEUE_BYTES_MAX, QUEUE_RECORDS_MAX } from './limits.ts';
import { holdingsOf } from './holding.ts';
import type { LogStates } from './log-states.ts';
import { requireDefined } from './namespace-check.ts';
import type { Observer } from './observer.ts';
import type { Clock, StoredHead, StoredRecord } from './ports.ts';
import type { PackageStates, StateCaches } from './state-caches.ts';

/** A record whose signature, admission and content have been checked: only its place is missing. */
export type Submission =
  | {
      readonly kind: 'package';
      readonly record: SignedRecord<PackageEntry>;
      readonly logId: LogId;
      readonly name: PackageName;
    }
  | { readonly kind: 'operator'; readonly record: SignedRecord<OperatorEntry> }
  | {
      readonly kind: 'governance';
      readonly record: SignedRecord<GovernanceEntry>;
      readonly logId: LogId;
      /** `null` for the registry's log. */
      readonly namespace: Namespace | null;
    };

interface Waiting {
  readonly submission: Submission;
  readonly resolve: (registryIndex: number) => void;
  readonly reject: (failure: unknown) => void;
}

interface Placed {
  readonly waiting: Waiting;
  readonly stored: StoredRecord;
}

/** Where a record stands in its own log. */
interface Place {
  readonly logId: LogId;
  readonly logPosition: number;
}

export interface SequencerParts {
  readonly committer: Committer;
  readonly states: StateCaches;
  readonly clock: Clock;
  readonly observer: Observer;
  /** Called once when going on could sign a second history; the process must end. */
  readonly onFatal: (failure: unknown) => void;
}

/**
 * Gives records their places, one batch at a time. While one commit is being made durable the next batch gathers, so a lone
 * record never waits for a timer. What is resolved is published: durable and under the head that is served.
 */
export class Sequencer {
  readonly #parts: SequencerParts;
  readonly #gate: GovernanceGate;
  #head: StoredHead | null;
  #queue: Waiting[] = [];
  #queuedBytes = 0;
  #running: Promise<void> | null = null;
  #failed: unknown = null;

  /** `head` is the one that the committer stands at. */
  constructor(parts: SequencerParts, head: StoredHead | null) {
    this.#parts = parts;
    this.#gate = new GovernanceGate(parts.states.governance);
    this.#head = head;
  }

  /** The head that is served; `null` before the first record. */
  get head(): StoredHead | null {
    return this.#head;
  }

  /** Records of the served head. */
  get length(): number {
    return this.#head?.checkpoint.contents.logLength ?? 0;
  }

  /** Why nothing can be sequenced any more; `null` while it can. */
  get failure(): unknown {
    return this.#failed;
  }

  /**
   * Resolves with the registry index once the record is published. Throws `record/…` when the log has moved on,
   * `governance/unrooted` and `content/taken-down` of a package, `governance/starter` of a governance log,
   * `request/too-many` when the queue is full, and what the committer throws.
   */
  sequence(submission: Submission): Promise<number> {
    if (this.#failed !== null) return Promise.reject(this.#failed);
    if (this.#queue.length >= QUEUE_RECORDS_MAX || this.#queuedBytes >= QUEUE_BYTES_MAX) {
      return Promise.reject(new RegistryError('request/too-many', 'too many records wait to be sequenced: try again'));
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ submission, resolve, reject });
      this.#queuedBytes += bytesOf(submission);
      this.#parts.observer.queueLength(this.#queue.length);
      this.#running ??= this.#run();
    });
  }

  /** Signs the head afresh when nobody has added to it for long: a client must be able to tell idle from withheld. */
  async refreshHead(): Promise<void> {
    const signedAt = this.#head?.checkpoint.contents.timestamp;
    if (signedAt === undefined || this.#running !== null || this.#failed !== null) return;
    if (this.#parts.clock() - signedAt * 1000 < HEAD_REFRESH_MS) return;
    this.#running = this.#resign();
    await this.#running;
  }

  /** Resolves when everything queued so far has been answered. */
  async drain(): Promise<void> {
    await this.#running;
  }

  async #resign(): Promise<void> {
    try {
      await this.#commit({ records: [], names: [], holdings: [], settled: [] });
    } catch (failure) {
      this.#endUnlessPassing(failure);
    }
    await this.#run();
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, BATCH_RECORDS_MAX);
      for (const { submission } of batch) this.#queuedBytes -= bytesOf(submission);
      this.#parts.observer.queueLength(this.#queue.length);
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
      if (placed.length > 0) await this.#commit(batchOf(placed));
    } catch (failure) {
      this.#giveUp(batch, placed, failure);
      return;
    }
    this.#releaseStates(placed);
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

  async #advanceState(submission: Submission): Promise<Place> {
    const { packages, operator, governance } = this.#parts.states;
    if (submission.kind === 'operator') {
      return advance(OPERATOR_LOG, operator, { logId: OPERATOR_LOG_ID, record: submission.record });
    }
    if (submission.kind === 'governance') {
      const { namespace } = submission;
      return advance(GOVERNANCE_LOG, governance, submission, async (record) => {
        if (record.prev !== null) return;
        // What defined it when the record came in may not have been committed.
        if (namespace !== null) await requireDefined(operator, namespace);
        checkGovernanceStart(await operator.load(OPERATOR_LOG_ID), record);
      });
    }
    return advance(PACKAGE_LOG, packages, submission, (record) => this.#gate.admit(submission.name, record));
  }

  async #commit(batch: Batch): Promise<void> {
    const { committer, observer } = this.#parts;
    const committed = await committer.commit(batch);
    this.#head = committed.head;
    observer.batchCommitted({ records: batch.records.length, ...committed });
  }

  /** A batch that did not commit leaves no trace: the states it advanced are rebuilt from the store. */
  #giveUp(batch: readonly Waiting[], placed: readonly Placed[], failure: unknown): void {
    for (const { stored } of placed) {
      for (const states of this.#caches) states.evict(stored.logId);
    }
    this.#releaseStates(placed);
    this.#endUnlessPassing(failure);
    // Records refused on their own merits have their answer already; a second one changes nothing.
    for (const { reject } of batch) reject(failure);
  }

  get #caches(): readonly Pick<PackageStates, 'evict' | 'release'>[] {
    const { packages, operator, governance } = this.#parts.states;
    return [packages, operator, governance];
  }

  #releaseStates(placed: readonly Placed[]): void {
    for (const { stored } of placed) {
      for (const states of this.#caches) states.release(stored.logId);
    }
  }

  /** These are known to have changed nothing, and to pass; after anything else the stored head is in doubt. */
  #endUnlessPassing(failure: unknown): void {
    if (isRegistryError(failure, 'storage/full', 'storage/busy', 'head/clock')) return;
    this.#failed = failure;
    this.#parts.onFatal(failure);
  }
}

/** Moves the state of a log on by a record. `check` is of what other logs say, asked of a record that is right in its own. */
async function advance<E extends { readonly type: string }, P extends string, B>(
  dialect: LogDialect<E, P, B>,
  states: LogStates<E, P, B>,
  { logId, record }: { readonly logId: LogId; readonly record: SignedRecord<E> },
  check?: (record: SignedRecord<E>) => Promise<void>,
): Promise<Place> {
  const state = await states.load(logId);
  const { draft } = judgeRecord(dialect, state, record);
  // The state does not move on meanwhile: nobody else moves any.
  await check?.(record);
  const place = { logId, logPosition: state.length };
  states.putAhead(logId, draft.accept());
  return place;
}

function bytesOf({ record }: Submission): number {
  return record.envelope.contents.length;
}

function batchOf(placed: readonly Placed[]): Batch {
  const records = placed.map(({ stored }) => stored);
  const holdings = placed.flatMap(({ waiting: { submission }, stored }) =>
    submission.kind === 'package' ? holdingsOf(submission.record, stored.registryIndex) : [],
  );
  return { records, names: namesOf(placed), holdings, settled: records.map(({ recordId }) => recordId) };
}

function namesOf(placed: readonly Placed[]): Batch['names'] {
  return placed.flatMap(({ waiting: { submission }, stored: { logId, logPosition } }) =>
    submission.kind === 'package' && logPosition === 0 ? [{ logId, name: submission.name }] : [],
  );
}
