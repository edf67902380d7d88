import type { IncomingMessage } from 'node:http';
import { isRegistryError, RegistryError } from '@waybill/protocol';
import type { BodyPace } from './http-limits.ts';

const KIB = 1_024;
/** Of one body, before its sender has to wait. */
const ARRIVED_BYTES_MAX = 256 * KIB;

/**
 * The bytes of a request's body as they come: Node's own stream where there is one (reading it through the web stream costs
 * a third more), else the web body. Throws `request/too-slow` when the sender keeps the server waiting for longer than
 * `pace` allows, and `request/invalid` when the body breaks off.
 */
export async function* readBody(
  request: Pick<Request, 'body'>,
  incoming: IncomingMessage | undefined,
  pace: BodyPace,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (incoming?.complete === true) {
    // All of it is here: there is nobody to wait for, and waiting makes a timer and promises for each chunk.
    const whole: unknown = incoming.read();
    if (whole instanceof Uint8Array) yield whole;
    return;
  }
  const patience = new Patience(pace);
  if (incoming !== undefined) return yield* readIncoming(incoming, patience);
  const body: AsyncIterable<unknown> = request.body ?? emptyBody();
  const chunks = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next: IteratorResult<unknown, unknown> = await patience.wait(chunks.next()).catch(brokenOff);
      if (next.done) return;
      if (!(next.value instanceof Uint8Array)) throw new TypeError('a body is bytes');
      patience.earn(next.value.length);
      yield next.value;
    }
  } finally {
    // Not awaited: it ends only after a read that is still waited for.
    void chunks.return?.().catch(() => undefined);
  }
}

/** Left without being destroyed when nobody reads on: the answer that says why must still go out on its connection. */
async function* readIncoming(
  incoming: IncomingMessage,
  patience: Patience,
): AsyncGenerator<Uint8Array, void, undefined> {
  const arrivals = new Arrivals(incoming);
  try {
    for (;;) {
      const chunk = arrivals.take();
      if (chunk !== null) {
        patience.earn(chunk.length);
        yield chunk;
      } else if (arrivals.hasEnded) return;
      else await patience.wait(arrivals.next()).catch(brokenOff);
    }
  } finally {
    arrivals.leave();
  }
}

function brokenOff(cause: unknown): never {
  if (isRegistryError(cause)) throw cause;
  throw new RegistryError('request/invalid', 'the body broke off', {}, { cause });
}

/**
 * What has come and was not taken yet. Chunks wait here and not in the stream, which stops its connection at each of them:
 * a gigabyte has sixteen thousand.
 */
class Arrivals {
  readonly #incoming: IncomingMessage;
  #waiting: Uint8Array[] = [];
  #bytes = 0;
  #failure: unknown = null;
  #hasEnded = false;
  #wake: () => void = () => undefined;

  readonly #onData = (chunk: unknown): void => {
    if (!(chunk instanceof Uint8Array)) throw new TypeError('a body is bytes');
    this.#waiting.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes >= ARRIVED_BYTES_MAX) this.#incoming.pause();
    this.#wake();
  };
  readonly #onEnd = (): void => {
    this.#hasEnded = true;
    this.#wake();
  };
  readonly #onError = (failure: unknown): void => {
    this.#failure ??= failure;
    this.#wake();
  };
  readonly #onClose = (): void => {
    if (!this.#hasEnded) this.#onError(new Error('the connection was closed'));
  };

  constructor(incoming: IncomingMessage) {
    this.#incoming = incoming;
    incoming.on('end', this.#onEnd).on('error', this.#onError).on('close', this.#onClose);
    if (incoming.destroyed) this.#onClose();
    else incoming.on('data', this.#onData);
  }

  /** True once all was taken. */
  get hasEnded(): boolean {
    return this.#hasEnded && this.#waiting.length === 0;
  }

  /** `null` when nothing is here. */
  take(): Uint8Array | null {
    const chunk = this.#waiting.shift();
    if (chunk === undefined) return null;
    this.#bytes -= chunk.length;
    if (this.#bytes === 0 && this.#incoming.isPaused()) this.#incoming.resume();
    return chunk;
  }

  /** Resolves when something more is here, or the end. */
  async next(): Promise<void> {
    if (this.#waiting.length === 0 && !this.#hasEnded && this.#failure === null) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    if (this.#failure !== null && this.#waiting.length === 0) throw this.#failure;
  }

  leave(): void {
    const incoming = this.#incoming;
    incoming.off('data', this.#onData).off('end', this.#onEnd).off('error', this.#onError).off('close', this.#onClose);
    if (!this.#hasEnded) incoming.pause();
  }
}

async function* emptyBody(): AsyncGenerator<Uint8Array, void, undefined> {}

/** Only time spent waiting for the sender counts: a slow disk of the server's is not the sender's fault. */
class Patience {
  readonly #pace: BodyPace;
  #leftMs: number;

  constructor(pace: BodyPace) {
    this.#pace = pace;
    this.#leftMs = pace.patienceMs;
  }

  async wait<T>(arrival: Promise<T>): Promise<T> {
    const startedMs = performance.now();
    let timer: NodeJS.Timeout | undefined;
    const end = new Promise<never>((_, reject) => {
      // After a stall of our own the bytes may be here and not yet seen: they are read before the immediate runs.
      timer = setTimeout(() => setImmediate(() => reject(tooSlow())), this.#leftMs);
    });
    try {
      return await Promise.race([arrival, end]);
    } finally {
      clearTimeout(timer);
      this.#leftMs -= performance.now() - startedMs;
    }
  }

  earn(bytes: number): void {
    const { earnedMsPerKib, patienceMsMax } = this.#pace;
    this.#leftMs = Math.min(this.#leftMs + (bytes / KIB) * earnedMsPerKib, patienceMsMax);
  }
}

function tooSlow(): RegistryError {
  return new RegistryError('request/too-slow', 'the body came in too slowly');
}
