import {
  decodeSignedRecord,
  isRegistryError,
  judgeRecord,
  RegistryError,
  verifyRecordSignatures,
  type Envelope,
  type Judged,
  type LogDialect,
  type LogId,
  type LogState,
  type RecordId,
  type SignedRecord,
} from '@waybill/protocol';
import { refuseManyParts } from './admission.ts';
import { settledWithin } from './deadline.ts';
import { COMMIT_WAIT_MS } from './limits.ts';
import type { LogStates } from './log-states.ts';
import type { RegistryReader, StoredRecord } from './ports.ts';
import { publishConflict } from './publish-conflict.ts';
import type { Sequencer, Submission } from './sequencer.ts';

/** A record and its place. */
export interface Appended {
  readonly recordId: RecordId;
  readonly registryIndex: number;
}

/** A log that is appended to by who may sign for it, with what is particular to it. */
export interface AppendableLog<E extends { readonly type: string }, P extends string, B> {
  readonly dialect: LogDialect<E, P, B>;
  readonly logId: LogId;
  readonly states: LogStates<E, P, B>;
  /** Throws what is wrong with the record whatever the log holds, before anything is looked up. */
  readonly refuse: (record: SignedRecord<E>) => void;
  /** Throws what the log could hold and this server refuses. The state may not be kept. */
  readonly admit: (record: SignedRecord<E>, state: LogState<P, B>, judged: Judged<P, B>) => void;
  /** Throws what other logs have against a record that is right in its own. */
  readonly consult: (record: SignedRecord<E>) => Promise<void>;
  readonly submission: (record: SignedRecord<E>) => Submission;
}

/** Appends records to logs that need no content, in the order of checks of spec/admission.md 4 and 7. */
export class LogAppending {
  readonly #store: RegistryReader;
  readonly #sequencer: Sequencer;
  /** Whoever posts the same bytes meanwhile shares the answer. */
  readonly #underWay = new Map<string, Promise<Appended>>();

  constructor({ store, sequencer }: { readonly store: RegistryReader; readonly sequencer: Sequencer }) {
    this.#store = store;
    this.#sequencer = sequencer;
  }

  /**
   * Resolves when the record is published; the same bytes again give the same answer. Throws `publish/conflict` when another
   * record came first, `storage/busy` for one under a head that is not served yet, `record/…`, `admission/…`, and what the log's own checks throw.
   */
  async append<E extends { readonly type: string }, P extends string, B>(
    log: AppendableLog<E, P, B>,
    envelope: Envelope,
  ): Promise<Appended> {
    refuseManyParts(log.dialect, envelope.contents);
    const record = decodeSignedRecord(log.dialect, envelope);
    log.refuse(record);
    // The id says nothing of the signatures, one of which may be wrong in one of two.
    const signatures = [envelope, ...envelope.cosignatures].map(({ keyId, signature }) => `${keyId} ${signature}`);
    const sameBytes = [record.id, ...signatures].join(' ');
    const underWay = this.#underWay.get(sameBytes) ?? this.#append(log, record);
    this.#underWay.set(sameBytes, underWay);
    try {
      return await underWay;
    } finally {
      this.#underWay.delete(sameBytes);
    }
  }

  async #append<E extends { readonly type: string }, P extends string, B>(
    log: AppendableLog<E, P, B>,
    record: SignedRecord<E>,
  ): Promise<Appended> {
    const known = await this.#store.readRecord(record.id);
    if (known !== null) return this.#published(record.id, known);
    const owed = await log.states.read(log.logId, (state) => {
      if (state.head !== null && record.prev !== state.head.id) throw publishConflict(state.head.id);
      const judged = judgeRecord(log.dialect, state, record);
      log.admit(record, state, judged);
      return judged.owed;
    });
    await log.consult(record);
    await verifyRecordSignatures(log.dialect, record, owed);
    try {
      return { recordId: record.id, registryIndex: await this.#sequencer.sequence(log.submission(record)) };
    } catch (failure) {
      if (!isRegistryError(failure, 'record/prev-mismatch', 'record/prev-missing')) throw failure;
      return this.#afterLostRace(log, record.id, failure);
    }
  }

  /** Another record took the place meanwhile; it may be this very one, posted twice at once. */
  async #afterLostRace<E extends { readonly type: string }, P extends string, B>(
    { states, logId }: AppendableLog<E, P, B>,
    recordId: RecordId,
    cause: unknown,
  ): Promise<Appended> {
    const known = await this.#store.readRecord(recordId);
    if (known !== null) return this.#published(recordId, known);
    const { head } = await states.load(logId);
    throw publishConflict(head?.id ?? recordId, { cause });
  }

  /** It may be durable already under a head that is not served yet: nobody could check what would be said. Throws `storage/busy`. */
  async #published(recordId: RecordId, { registryIndex }: Pick<StoredRecord, 'registryIndex'>): Promise<Appended> {
    if (registryIndex >= this.#sequencer.length) await settledWithin(this.#sequencer.drain(), COMMIT_WAIT_MS);
    if (registryIndex < this.#sequencer.length) return { recordId, registryIndex };
    throw new RegistryError('storage/busy', `record ${recordId} is stored, but not served yet: send it again later`);
  }
}
