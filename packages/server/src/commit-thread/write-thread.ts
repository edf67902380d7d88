import { Worker } from 'node:worker_threads';
import { RegistryError, type RecordId } from '@waybill/protocol';
import type { Batch, Committed, Committer } from '../core/committing.ts';
import type {
  Holding,
  HoldingsWriter,
  PendingRecord,
  PendingWriter,
  PruneCursor,
  RecordRange,
  StoredHead,
  TokenUse,
  TokenUseWriter,
} from '../core/ports.ts';
import { unpackFailure } from '../thread-failure.ts';
import type { WriteAnswer, WriteCommand, WriteReply, WriterPlaces } from './messages.ts';

interface Waiting {
  readonly resolve: (answer: WriteAnswer) => void;
  readonly reject: (failure: unknown) => void;
}

/** Half of what V8 takes for young objects by itself, for 4 % of speed: what a batch makes is short-lived and small. */
const YOUNG_MB_MAX = 24;

/** Changes of pending records that go together: as many transactions as there are clients would be as many waits for the disk. */
interface PendingBatch {
  readonly puts: Map<RecordId, PendingRecord>;
  readonly deletes: Set<RecordId>;
}

/** The main thread's end of the thread that writes. */
export class WriteThread implements Committer, PendingWriter, TokenUseWriter, HoldingsWriter {
  readonly #worker: Worker;
  readonly #onFatal: (failure: unknown) => void;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #ended: unknown = null;
  #closed = false;
  /** Gathers while the batch before it is written. */
  #gathering: { readonly batch: PendingBatch; readonly written: Promise<void> } | null = null;
  #writing: Promise<unknown> = Promise.resolve();

  private constructor(places: WriterPlaces, onFatal: (failure: unknown) => void) {
    this.#onFatal = onFatal;
    this.#worker = new Worker(new URL('./write-worker.js', import.meta.url), {
      workerData: places,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB_MAX },
    });
    this.#worker.on('message', ({ id, answer }: WriteReply) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (answer.type === 'failed') waiting?.reject(unpackFailure(answer.failure));
      else waiting?.resolve(answer);
    });
    this.#worker.on('error', (failure) => this.#end(failure));
    this.#worker.on('exit', () => this.#end(new RegistryError('storage/failed', 'the writing thread has ended')));
  }

  /**
   * Starts the thread and opens the store in it; `head` is the one it stands at. `onFatal` hears of a thread that ended by
   * itself later. Throws what opening the store throws.
   */
  static async start(
    places: WriterPlaces,
    onFatal: (failure: unknown) => void,
  ): Promise<{ thread: WriteThread; head: StoredHead | null }> {
    const thread = new WriteThread(places, onFatal);
    try {
      const answer = await thread.#ask({ type: 'open' });
      if (answer.type !== 'opened') throw unexpected(answer);
      return { thread, head: answer.head };
    } catch (failure) {
      thread.#closed = true;
      await thread.#worker.terminate();
      throw failure;
    }
  }

  async commit(batch: Batch): Promise<Committed> {
    const answer = await this.#ask({ type: 'commit', batch });
    if (answer.type !== 'committed') throw unexpected(answer);
    return answer.committed;
  }

  putPending(pending: PendingRecord): Promise<void> {
    const { batch, written } = this.#gather();
    batch.deletes.delete(pending.recordId);
    batch.puts.set(pending.recordId, pending);
    return written;
  }

  deletePending(recordId: RecordId): Promise<void> {
    const { batch, written } = this.#gather();
    batch.puts.delete(recordId);
    batch.deletes.add(recordId);
    return written;
  }

  async markTokensUsed(uses: readonly TokenUse[]): Promise<void> {
    await this.#ask({ type: 'use-tokens', uses });
  }

  async fillHoldings(range: RecordRange, holdings: readonly Holding[]): Promise<void> {
    await this.#ask({ type: 'fill-holdings', range, holdings });
  }

  async pruneMap(floor: number, after: PruneCursor | null, pages: number): Promise<PruneCursor | null> {
    const answer = await this.#ask({ type: 'prune', floor, after, pages });
    if (answer.type !== 'pruned') throw unexpected(answer);
    return answer.cursor;
  }

  /** Everything asked before has been answered when this resolves. Throws what closing the store throws. */
  async close(): Promise<void> {
    await this.#writing.catch(() => undefined);
    try {
      await this.#ask({ type: 'close' });
    } finally {
      this.#closed = true;
      await this.#worker.terminate();
    }
  }

  #gather(): { readonly batch: PendingBatch; readonly written: Promise<void> } {
    if (this.#gathering !== null) return this.#gathering;
    const batch: PendingBatch = { puts: new Map(), deletes: new Set() };
    const written = this.#writeAfter(this.#writing, batch);
    this.#writing = written;
    this.#gathering = { batch, written };
    return this.#gathering;
  }

  async #writeAfter(before: Promise<unknown>, batch: PendingBatch): Promise<void> {
    await before.catch(() => undefined);
    this.#gathering = null;
    await this.#ask({ type: 'pending', puts: [...batch.puts.values()], deletes: [...batch.deletes] });
  }

  #ask(command: WriteCommand): Promise<WriteAnswer> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId;
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, command });
    });
  }

  #end(failure: unknown): void {
    if (this.#ended === null && !this.#closed) this.#onFatal(failure);
    this.#ended ??= failure;
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
    this.#waiting.clear();
  }
}

function unexpected({ type }: WriteAnswer): TypeError {
  return new TypeError(`the writing thread answered with '${type}'`);
}
