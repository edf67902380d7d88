import type { IncomingMessage } from 'node:http';
import { isRegistryError, RegistryError } from '@waybill/protocol';
import type { BodyPace } from './http-limits.ts';

const KIB = 1_024;

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
  const chunks = chunksOf(request, incoming)[Symbol.asyncIterator]();
  const patience = new Patience(pace);
  try {
    for (;;) {
      const next: IteratorResult<unknown, unknown> = await patience.wait(chunks.next()).catch((cause: unknown) => {
        if (isRegistryError(cause)) throw cause;
        throw new RegistryError('request/invalid', 'the body broke off', {}, { cause });
      });
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
function chunksOf(request: Pick<Request, 'body'>, incoming: IncomingMessage | undefined): AsyncIterable<unknown> {
  if (incoming !== undefined) return incoming.iterator({ destroyOnReturn: false });
  return request.body ?? emptyBody();
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
