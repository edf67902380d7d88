import type { IncomingMessage, ServerResponse } from 'node:http';
import { concatBytes, RegistryError, type RecordId } from '@waybill/protocol';
import type { HttpLimits } from './http-limits.ts';
import type { HttpObserver } from './http-observer.ts';
import { type Comer, Places } from './places.ts';
import { readBody } from './request-body.ts';
import { Turns } from './turns.ts';

/** Bytes of one JSON body (spec/http.md 1.3). */
export const JSON_BODY_BYTES_MAX = 2 * 1024 * 1024;

/** A request as a handler has it: the web form, and Node's own where a socket is behind it. */
export interface Received {
  readonly request: Request;
  readonly incoming: IncomingMessage | undefined;
  readonly outgoing: ServerResponse | undefined;
}

export interface IntakeParts {
  readonly limits: HttpLimits;
  readonly observer: HttpObserver;
  /** How late the event loop runs, on average of late. */
  readonly lagMs: () => number;
}

/**
 * Everything that comes in goes through here, so that what it may take of the process is bounded in one place: publishes,
 * uploads and bytes of bodies at one time. Beyond a bound the sender is told to come back (`request/too-many`). Reads are
 * bounded by the bytes of their bodies alone.
 */
export class Intake {
  readonly #parts: IntakeParts;
  readonly #places: Places;
  readonly #answers = new Turns();
  /** Records that have their place already. */
  readonly #admitted = new WeakSet<IncomingMessage>();
  #uploads = 0;
  readonly #uploadsByRecord = new Map<RecordId, number>();
  /** Apart, for publishes hold theirs for as long as they wait in line, and must not keep reads out. */
  readonly #jsonBytes = { publishes: 0, others: 0 };

  constructor(parts: IntakeParts) {
    this.#parts = parts;
    this.#places = new Places(parts.limits, parts.lagMs);
  }

  /** True while a publish would be refused: can be asked before anything of it is read. */
  get refusesPublishes(): boolean {
    return this.#places.full;
  }

  /** The same of uploads. They are taken however late the loop runs: each ends what was begun. */
  get refusesUploads(): boolean {
    return this.#uploads >= this.#parts.limits.uploadsMax;
  }

  /**
   * Gets a place for a publish whose body is here, to be kept until its answer is over, and tells whether it has one. Nothing
   * is told of one whose sender has gone.
   */
  admit(incoming: IncomingMessage, outgoing: ServerResponse, tell: (isAdmitted: boolean) => void): void {
    const comer: Comer = {
      admitted: () => {
        this.#admitted.add(incoming);
        tell(true);
      },
      refused: () => tell(false),
    };
    outgoing.on('close', () => {
      if (!this.#places.leave(comer) && this.#admitted.has(incoming)) this.#places.give();
    });
    if (!outgoing.destroyed) this.#places.enter(comer);
  }

  /**
   * Reads the JSON body of a publish and does its `work` when there is a place for it: not before, for a body that drips in
   * must not take one. Throws as {@link Intake.json}, and what `work` throws.
   */
  async publish<T>(received: Received, work: (body: Uint8Array) => Promise<T>): Promise<T> {
    return this.#withJson(received, 'publishes', async (body) => {
      if (received.incoming !== undefined && this.#admitted.has(received.incoming)) return work(body);
      await this.#place(received);
      try {
        return await work(body);
      } finally {
        // One commit ends hundreds of publishes at once.
        await this.#answers.next();
        this.#places.give();
      }
    });
  }

  /** Resolves when there is a place. Throws `request/too-many`, also when nobody waits for the answer any more. */
  #place(received: Received): Promise<void> {
    return new Promise((resolve, reject) => {
      const comer: Comer = {
        admitted: () => {
          stopWatching();
          resolve();
        },
        refused: () => {
          stopWatching();
          reject(tooMany('too many records are being published'));
        },
      };
      const stopWatching = watchGone(received, () => {
        if (this.#places.leave(comer)) comer.refused();
      });
      this.#places.enter(comer);
    });
  }

  /**
   * Reads a JSON body. Throws `request/media-type`, `wire/too-large`, `request/too-slow`, `request/too-many`,
   * `request/invalid`.
   */
  json(received: Received): Promise<Uint8Array> {
    return this.#withJson(received, 'others', async (body) => body);
  }

  /** The bytes count as held until `use` is done with them. */
  async #withJson<T>(
    { request, incoming }: Received,
    kind: 'publishes' | 'others',
    use: (body: Uint8Array) => Promise<T>,
  ): Promise<T> {
    checkMediaType(request);
    const { limits } = this.#parts;
    const chunks: Uint8Array[] = [];
    let length = 0;
    let charged = 0;
    try {
      for await (const chunk of readBody(request, incoming, limits.jsonBody)) {
        length += chunk.length;
        if (length > JSON_BODY_BYTES_MAX)
          throw new RegistryError('wire/too-large', `the body is over ${JSON_BODY_BYTES_MAX} bytes`);
        const charge = Math.max(0, length - limits.jsonBytesFree) - charged;
        if (charge > 0 && this.#jsonBytes[kind] + charge > limits.jsonBytesMax)
          throw tooMany('too many large bodies arrive');
        charged += charge;
        this.#jsonBytes[kind] += charge;
        chunks.push(chunk);
      }
      return await use(concatBytes(...chunks));
    } finally {
      this.#jsonBytes[kind] -= charged;
    }
  }

  /**
   * Has `receive` take the body of one upload. Throws `request/too-many`, what `receive` throws, and through it
   * `request/too-slow` and `request/invalid`.
   */
  async upload(
    recordId: RecordId,
    { request, incoming }: Received,
    receive: (body: AsyncIterable<Uint8Array>) => Promise<void>,
  ): Promise<void> {
    const { limits, observer } = this.#parts;
    const ofRecord = this.#uploadsByRecord.get(recordId) ?? 0;
    if (this.refusesUploads || ofRecord >= limits.uploadsPerRecordMax) throw tooMany('too many uploads are under way');
    const counted = new CountedBody(readBody(request, incoming, limits.uploadBody));
    this.#uploads++;
    this.#uploadsByRecord.set(recordId, ofRecord + 1);
    observer.uploadStarted();
    try {
      await receive(counted);
    } finally {
      this.#uploads--;
      const left = (this.#uploadsByRecord.get(recordId) ?? 0) - 1;
      if (left > 0) this.#uploadsByRecord.set(recordId, left);
      else this.#uploadsByRecord.delete(recordId);
      observer.uploadEnded(counted.bytes);
    }
  }
}

/**
 * Calls `leave` once when nobody waits for the answer any more; gives the way to stop watching. From the socket where there is
 * one: the web request's signal costs more than the rest of a waiting publish, and the garbage collector stops for each.
 */
function watchGone({ request, outgoing }: Received, leave: () => void): () => void {
  if (outgoing !== undefined) {
    outgoing.once('close', leave);
    return () => void outgoing.off('close', leave);
  }
  const { signal } = request;
  signal.addEventListener('abort', leave, { once: true });
  return () => signal.removeEventListener('abort', leave);
}

class CountedBody implements AsyncIterable<Uint8Array> {
  readonly #body: AsyncIterable<Uint8Array>;
  bytes = 0;

  constructor(body: AsyncIterable<Uint8Array>) {
    this.#body = body;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of this.#body) {
      this.bytes += chunk.length;
      yield chunk;
    }
  }
}

function checkMediaType({ headers }: Request): void {
  const [mediaType = ''] = (headers.get('content-type') ?? '').split(';');
  if (mediaType.trim().toLowerCase() === 'application/json') return;
  throw new RegistryError('request/media-type', 'Expected request with `Content-Type: application/json`');
}

function tooMany(why: string): RegistryError {
  return new RegistryError('request/too-many', `${why}: try again`);
}
