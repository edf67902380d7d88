import {
  decodeSignedRecord,
  emptyLogState,
  isRegistryError,
  judgeRecord,
  RegistryError,
  type LogDialect,
  type LogHome,
  type LogId,
  type LogState,
  type RecordId,
} from '@waybill/protocol';
import { CACHED_STATE_ITEMS_MAX, REPLAY_PAGE_RECORDS } from './limits.ts';
import type { RegistryReader, StoredRecord } from './ports.ts';

/** Where a log lives; `null` for the operator log, whose records do not say. */
export type HomeOf = (logId: LogId) => LogHome | null;

export interface LogStatesParts<E extends { readonly type: string }, P extends string, B> {
  readonly dialect: LogDialect<E, P, B>;
  readonly homeOf: HomeOf;
  readonly store: RegistryReader;
  readonly itemsMax?: number | undefined;
  /**
   * A log whose state makes no room for others. Where one is named, nor do states that are ahead of the store: the sequencer,
   * which asks for the same one twice in a batch, would wait for itself.
   */
  readonly pinned?: LogId;
}

/**
 * Replayed states of logs, newest use last. A state here is a cache: it is rebuilt from the stored records, whose
 * signatures were verified before they were stored, and evicted whenever a commit of it failed.
 */
export class LogStates<E extends { readonly type: string }, P extends string, B> {
  readonly #dialect: LogDialect<E, P, B>;
  readonly #homeOf: HomeOf;
  readonly #store: RegistryReader;
  readonly #itemsMax: number;
  readonly #pinned: LogId | null;
  readonly #states = new Map<LogId, LogState<P, B>>();
  /** What each state counted when it was put: one that has moved on cannot be asked any more. */
  readonly #weights = new Map<LogId, number>();
  readonly #loading = new Map<LogId, Promise<unknown>>();
  /** Logs whose newest record is not stored yet; what is stored would give an older state. */
  readonly #ahead = new Map<LogId, Ahead>();
  #items = 0;

  constructor(parts: LogStatesParts<E, P, B>) {
    const { dialect, homeOf, store, itemsMax = CACHED_STATE_ITEMS_MAX, pinned = null } = parts;
    this.#dialect = dialect;
    this.#homeOf = homeOf;
    this.#store = store;
    this.#itemsMax = itemsMax;
    this.#pinned = pinned;
  }

  /** The state when it is in memory. It may move on at the next `await`: look it up again after one. */
  cached(logId: LogId): LogState<P, B> | null {
    const state = this.#states.get(logId);
    if (state === undefined) return null;
    this.#states.delete(logId);
    this.#states.set(logId, state);
    return state;
  }

  /**
   * What `look` finds in the state as it is then: a state that was waited for may have moved on before it is looked at.
   * Throws `storage/damaged`.
   */
  async read<T>(logId: LogId, look: (state: LogState<P, B>) => T): Promise<T> {
    for (;;) {
      const state = this.cached(logId);
      if (state !== null) return look(state);
      await this.load(logId);
    }
  }

  /**
   * Makes sure that {@link cached} has an answer right after this resolves. The state itself is for whoever moves it on: for
   * all others see {@link read}. Throws `storage/damaged`.
   */
  async load(logId: LogId): Promise<LogState<P, B>> {
    for (;;) {
      const state = this.cached(logId);
      if (state !== null) return state;
      await (this.#ahead.get(logId)?.stored ?? this.#loading.get(logId) ?? this.#startLoading(logId));
    }
  }

  #startLoading(logId: LogId): Promise<unknown> {
    const loading: Promise<unknown> = this.#replay(logId)
      .then((state) => this.#loading.get(logId) === loading && this.put(logId, state))
      .finally(() => this.#loading.get(logId) === loading && this.#loading.delete(logId));
    this.#loading.set(logId, loading);
    return loading;
  }

  /**
   * As {@link put}, of a state that is ahead of the store: should it be evicted, whoever asks for it waits until
   * {@link release}, for a replay would give the state before it.
   */
  putAhead(logId: LogId, state: LogState<P, B>): void {
    if (!this.#ahead.has(logId)) this.#ahead.set(logId, new Ahead());
    // A replay under way has read what was stored before, and would put that in the place of this.
    this.#loading.delete(logId);
    this.put(logId, state);
  }

  /** The log's records are stored, or never will be. */
  release(logId: LogId): void {
    this.#ahead.get(logId)?.end();
    this.#ahead.delete(logId);
  }

  put(logId: LogId, state: LogState<P, B>): void {
    this.evict(logId);
    this.#states.set(logId, state);
    const weight = weightOf(state);
    this.#weights.set(logId, weight);
    this.#items += weight;
    for (const [oldest] of this.#states) {
      if (this.#items <= this.#itemsMax || oldest === logId) break;
      if (!this.#isPinned(oldest)) this.evict(oldest);
    }
  }

  #isPinned(logId: LogId): boolean {
    return this.#pinned !== null && (logId === this.#pinned || this.#ahead.has(logId));
  }

  evict(logId: LogId): void {
    if (!this.#states.delete(logId)) return;
    this.#items -= this.#weights.get(logId) ?? 0;
    this.#weights.delete(logId);
  }

  async #replay(logId: LogId): Promise<LogState<P, B>> {
    let state = emptyLogState<P, B>(this.#homeOf(logId));
    for (;;) {
      const range = { fromPosition: state.length, belowIndex: Number.MAX_SAFE_INTEGER, limit: REPLAY_PAGE_RECORDS };
      const page = await this.#store.readLog(logId, range);
      for (const stored of page) state = this.#replayed(state, stored);
      if (page.length < REPLAY_PAGE_RECORDS) return state;
    }
  }

  /** What was judged before it was stored, and is refused now, is not what was stored: the fault is no publisher's. */
  #replayed(state: LogState<P, B>, { envelope, recordId }: StoredRecord): LogState<P, B> {
    try {
      const record = decodeSignedRecord(this.#dialect, envelope);
      if (record.id === recordId) return judgeRecord(this.#dialect, state, record).draft.accept();
    } catch (cause) {
      if (!isRegistryError(cause)) throw cause;
      throw damaged(recordId, { cause });
    }
    throw damaged(recordId);
  }
}

/** What there is to wait for while a log is ahead of the store. */
class Ahead {
  readonly stored: Promise<void>;
  end: () => void = () => undefined;

  constructor() {
    this.stored = new Promise((resolve) => {
      this.end = resolve;
    });
  }
}

function damaged(recordId: RecordId, options: ErrorOptions = {}): RegistryError {
  const message = `record ${recordId} is not what was stored, or one before it is missing: run "waybill fsck"`;
  return new RegistryError('storage/damaged', message, {}, options);
}

/** One record may bind a thousand versions, so records say little about memory. */
function weightOf<P extends string, B>({ length, bindings, keys, grants }: LogState<P, B>): number {
  return length + bindings.size + keys.size + grants.size + 1;
}
