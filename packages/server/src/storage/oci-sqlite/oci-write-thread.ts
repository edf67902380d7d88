import { Worker } from 'node:worker_threads';
import { RegistryError } from '@waybill/protocol';
import { unpackFailure } from '../../thread-failure.ts';
import type { OciAnswer, OciReply, OciRequest } from './oci-messages.ts';

type Done = Extract<OciAnswer, { type: 'done' }>;

interface Waiting {
  readonly resolve: (answer: Done) => void;
  readonly reject: (failure: unknown) => void;
}

/** What a group of commands makes is short-lived and small; a manifest of 4 MiB lies outside of it. */
const YOUNG_MB_MAX = 16;

/** The main thread's end of the thread that writes. */
export class OciWriteThread {
  readonly #worker: Worker;
  readonly #onFatal: (failure: unknown) => void;
  readonly #waiting = new Map<number, Waiting>();
  #outbox: OciRequest[] = [];
  #lastId = 0;
  #ended: unknown = null;
  #closing: Promise<void> | null = null;

  private constructor(file: string, onFatal: (failure: unknown) => void) {
    this.#onFatal = onFatal;
    this.#worker = new Worker(new URL('./oci-write-worker.js', import.meta.url), {
      workerData: file,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB_MAX },
    });
    this.#worker.on('message', (replies: readonly OciReply[]) => {
      for (const reply of replies) this.#take(reply);
    });
    this.#worker.on('error', (failure) => this.#end(failure));
    this.#worker.on('exit', () => this.#end(new RegistryError('storage/failed', 'the thread that writes has ended')));
  }

  /**
   * Starts the thread and opens the store in it. `onFatal` hears of a disk that failed, and of a thread that ended by itself.
   * Throws what opening the store throws.
   */
  static async start(file: string, onFatal: (failure: unknown) => void): Promise<OciWriteThread> {
    const thread = new OciWriteThread(file, onFatal);
    try {
      await thread.ask({ type: 'open' });
      return thread;
    } catch (failure) {
      thread.#closing = Promise.resolve();
      await thread.#worker.terminate();
      throw failure;
    }
  }

  ask(command: OciRequest['command']): Promise<Done> {
    // The thread is ended behind the closing, in whatever it does then: on Node 20 that may end the process. No disk has failed.
    if (this.#closing !== null)
      return Promise.reject(new RegistryError('storage/busy', 'the store is being closed: try again'));
    if (this.#ended !== null) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId;
      this.#waiting.set(id, { resolve, reject });
      this.#outbox.push({ id, command });
      if (this.#outbox.length === 1) setImmediate(() => this.#send());
    });
  }

  /** What gathered in a turn of the event loop goes together: each message wakes the other thread. */
  #send(): void {
    const requests = this.#outbox;
    this.#outbox = [];
    this.#worker.postMessage(requests satisfies OciRequest[]);
  }

  /** Everything asked before has been answered when this resolves. Closing again does nothing more. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    try {
      await this.ask({ type: 'close' });
    } finally {
      await this.#worker.terminate();
    }
  }

  #take({ id, answer }: OciReply): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (answer.type === 'done') {
      waiting?.resolve(answer);
      return;
    }
    // Whoever writes on might build on bytes that were lost (SECURITY.md D5).
    if (answer.failure.code === 'storage/failed') this.#onFatal(unpackFailure(answer.failure));
    waiting?.reject(unpackFailure(answer.failure));
  }

  #end(failure: unknown): void {
    if (this.#ended === null && this.#closing === null) this.#onFatal(failure);
    this.#ended ??= failure;
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
    this.#waiting.clear();
  }
}
