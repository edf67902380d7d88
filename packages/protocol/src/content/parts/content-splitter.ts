import { sha256, sha256Stream, type Sha256Stream } from '../../crypto/hash.ts';
import { RegistryError } from '../../errors.ts';
import { formatDigest, type Digest } from '../../names/digest.ts';
import { PartCutter } from './part-cutter.ts';
import { COARSE_PARTS, FINE_PARTS, JOINED_BYTES_MIN, PARTS_MAX } from './part-sizes.ts';
import { SeamWalk } from './seam-walk.ts';

/** A slice of content, by its own digest. */
export interface ContentPart {
  readonly digest: Digest;
  readonly length: number;
}

/** Splits content into parts as it streams by (spec/parts.md). Memory does not grow with it, but for the list that is made. */
export class ContentSplitter {
  readonly #walk = new SeamWalk();
  readonly #cutter = new PartCutter();
  readonly #parts: ContentPart[] = [];
  /** Over what earlier chunks have of the part; `null` when they have nothing, as of most parts: they are hashed at once. */
  #begun: Sha256Stream | null = null;
  /** Where the part starts in this chunk, or goes on. */
  #from = 0;

  /** Throws `content/parts` for content of too many parts. */
  update(chunk: Uint8Array): void {
    const walk = this.#walk;
    this.#from = 0;
    for (let at = 0; at < chunk.length;) {
      const { seam, opaque } = walk;
      if (seam === 'contents' || (seam === 'section' && this.#cutter.length >= JOINED_BYTES_MIN)) this.#cut(chunk, at);
      const end = opaque === 0 ? at + 1 : Math.min(chunk.length, at + opaque);
      this.#take(chunk, at, end);
      if (opaque === 0) walk.read(chunk[at] ?? 0);
      else walk.skip(end - at);
      at = end;
    }
    if (this.#from === chunk.length) return;
    this.#begun ??= sha256Stream();
    this.#begun.update(chunk.subarray(this.#from));
  }

  /** After the last byte. Throws as {@link update}. */
  finish(): readonly ContentPart[] {
    this.#from = 0;
    this.#cut(new Uint8Array(0), 0);
    return this.#parts;
  }

  /** Bytes with no seam among them. */
  #take(chunk: Uint8Array, from: number, to: number): void {
    const sizes = this.#walk.isFine ? FINE_PARTS : COARSE_PARTS;
    for (let at = from; at < to;) {
      const stopped = this.#cutter.advance(chunk, { from: at, to }, sizes);
      at = stopped < 0 ? ~stopped : stopped;
      if (stopped < 0) this.#cut(chunk, at);
    }
  }

  #cut(chunk: Uint8Array, end: number): void {
    const { length } = this.#cutter;
    if (length === 0) return;
    if (this.#parts.length === PARTS_MAX) {
      throw new RegistryError('content/parts', `the content has over ${PARTS_MAX} parts: fetch it whole`);
    }
    const bytes = chunk.subarray(this.#from, end);
    this.#begun?.update(bytes);
    this.#parts.push({ digest: formatDigest(this.#begun?.digest() ?? sha256(bytes)), length });
    this.#begun = null;
    this.#from = end;
    this.#cutter.restart();
  }
}
