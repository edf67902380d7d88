import { digestHex, encodeHex, isRegistryError, sha256Stream, type Digest, type Sha256Stream } from '@waybill/protocol';
import { SCRUB_BYTES_PER_SECOND, SCRUB_STEP_BYTES, SCRUB_STEP_PAUSE_MS, SCRUB_WALK_PAUSE_MS } from './limits.ts';
import type { Observer } from './observer.ts';
import type { ContentStore } from './ports.ts';

export interface ContentScrubParts {
  readonly content: Pick<ContentStore, 'list' | 'size' | 'read'>;
  readonly observer: Pick<Observer, 'contentDamaged'>;
}

/** One file on its way through the hash. */
interface Scrubbed {
  readonly digest: Digest;
  readonly size: number;
  readonly hash: Sha256Stream;
  position: number;
}

/** Reads kept content again and again, slowly, so that damage is known before a client meets it (SECURITY.md D7). */
export class ContentScrub {
  readonly #parts: ContentScrubParts;
  #walk: AsyncIterator<Digest, unknown> | null = null;
  #file: Scrubbed | null = null;

  constructor(parts: ContentScrubParts) {
    this.#parts = parts;
  }

  /** Reads a little; resolves with how long to pause before the next step, in milliseconds. */
  async step(): Promise<number> {
    const file = this.#file ?? (await this.#nextFile());
    if (file === null) return SCRUB_WALK_PAUSE_MS;
    const read = await this.#readOn(file);
    return Math.max(Math.ceil((read * 1000) / SCRUB_BYTES_PER_SECOND), SCRUB_STEP_PAUSE_MS);
  }

  /** `null` at the end of a walk. */
  async #nextFile(): Promise<Scrubbed | null> {
    this.#walk ??= this.#parts.content.list()[Symbol.asyncIterator]();
    for (;;) {
      const next: IteratorResult<Digest, unknown> = await this.#walk.next();
      if (next.done === true) {
        this.#walk = null;
        return null;
      }
      const size = await this.#sizeOf(next.value);
      if (size === null) continue;
      this.#file = { digest: next.value, size, hash: sha256Stream(), position: 0 };
      return this.#file;
    }
  }

  async #sizeOf(digest: Digest): Promise<number | null> {
    try {
      // Gone meanwhile: nothing to say of it.
      return await this.#parts.content.size(digest);
    } catch (failure) {
      this.#tell(digest, failure);
      return null;
    }
  }

  /** Resolves with the bytes read. */
  async #readOn(file: Scrubbed): Promise<number> {
    const { digest, size, hash, position } = file;
    const end = Math.min(position + SCRUB_STEP_BYTES, size);
    try {
      for await (const chunk of this.#parts.content.read(digest, { start: position, end })) hash.update(chunk);
    } catch (failure) {
      this.#file = null;
      this.#tell(digest, failure);
      return end - position;
    }
    file.position = end;
    if (end < size) return end - position;
    this.#file = null;
    if (encodeHex(hash.digest()) !== digestHex(digest)) this.#parts.observer.contentDamaged(digest);
    return end - position;
  }

  #tell(digest: Digest, failure: unknown): void {
    if (isRegistryError(failure, 'content/not-found')) return;
    if (!isRegistryError(failure, 'storage/damaged')) throw failure;
    this.#parts.observer.contentDamaged(digest);
  }
}
