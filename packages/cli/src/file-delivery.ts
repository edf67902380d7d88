import path from 'node:path';
import { readCached, writeVerified, type ContentCache, type ContentWriter } from '@waybill/client';
import { fileWriter } from '@waybill/client/node';
import { RegistryError, type Digest } from '@waybill/protocol';
import { OUTPUT_MODE } from './output.ts';

/** Hears the bytes of content in order. */
export interface ContentListener {
  update(chunk: Uint8Array): void;
  /** After the last byte; throws where the content is not to be delivered. */
  finish(): void;
}

export interface DeliveryParts {
  readonly cache: ContentCache;
  readonly digest: Digest;
  /** A path. */
  readonly output: string;
  /** Called anew for every source that is tried. */
  readonly listen: () => ContentListener;
}

/**
 * Content on its way to a file. What is fetched with {@link FileDelivery.cache} goes to the cache and beside the file at once, so that
 * nothing is read twice; what the cache had already is read from it, and hashed. The file is put in place by `finish`, when it is
 * what the log names and nobody who heard it objects.
 */
export class FileDelivery {
  /** The cache that this content is to be fetched into. */
  readonly cache: ContentCache;
  readonly #parts: DeliveryParts;
  #fetched: ContentWriter | null = null;

  constructor(parts: DeliveryParts) {
    this.#parts = parts;
    const { cache } = parts;
    this.cache = {
      parts: cache.parts,
      read: (digest) => cache.read(digest),
      size: (digest) => cache.size(digest),
      forget: (digest) => cache.forget(digest),
      writer: (digest) => (digest === parts.digest ? this.#bothWriters() : cache.writer(digest)),
    };
  }

  /** Throws `content/digest`, `content/not-found`, what a listener throws, and faults of this machine; then nothing is delivered. */
  async finish(): Promise<void> {
    const { cache, digest } = this.#parts;
    if (this.#fetched === null) {
      const otherwise = (): Error => new RegistryError('content/digest', `${digest} changed in the cache`);
      // The writer first: a stream that is open while something else fails is nobody's.
      const writer = await this.#fileWriter();
      return writeVerified(cachedBytes(cache, digest), writer, { digest, otherwise });
    }
    try {
      await this.#fetched.keep();
    } catch (failure) {
      await this.discard();
      throw failure;
    }
  }

  /** Takes away what was fetched and is not to be delivered. */
  async discard(): Promise<void> {
    await this.#fetched?.discard();
    this.#fetched = null;
  }

  async #bothWriters(): Promise<ContentWriter> {
    const file = await this.#fileWriter();
    const cached = await this.#parts.cache.writer(this.#parts.digest).catch(async (failure: unknown) => {
      await file.discard();
      throw failure;
    });
    return {
      async write(chunk) {
        await Promise.all([file.write(chunk), cached.write(chunk)]);
      },
      keep: async () => {
        await cached.keep();
        this.#fetched = file;
      },
      async discard() {
        await Promise.all([file.discard(), cached.discard()]);
      },
    };
  }

  /** What a listener objects to is told at the end: it is no fault of the source that gives the bytes. */
  async #fileWriter(): Promise<ContentWriter> {
    const writer = await fileWriter(path.resolve(this.#parts.output), { mode: OUTPUT_MODE });
    const listener = this.#parts.listen();
    let objection: unknown = null;
    return {
      async write(chunk) {
        const written = writer.write(chunk);
        try {
          if (objection === null) listener.update(chunk);
        } catch (failure) {
          objection = failure;
        }
        await written;
      },
      async keep() {
        if (objection !== null) throw objection;
        listener.finish();
        await writer.keep();
      },
      discard: () => writer.discard(),
    };
  }
}

/** Opened when the first of them is asked for. */
async function* cachedBytes(cache: ContentCache, digest: Digest): AsyncGenerator<Uint8Array, void, undefined> {
  yield* await readCached(cache, digest);
}
