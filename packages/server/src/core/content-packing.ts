import { isRegistryError, type Digest } from '@waybill/protocol';
import type { ContentPart } from '@waybill/protocol/content';
import type { ContentParts } from './content-parts.ts';
import {
  PACK_CONTENT_BYTES_MIN,
  PACK_SHARED_SHARE_MIN,
  PACK_SLICES_MAX,
  PACK_STEP_CONTENTS,
  PACK_STEP_PAUSE_MS,
  PACK_WALK_PAUSE_MS,
  SKETCH_PARTS,
  SKETCHES_MAX,
} from './limits.ts';
import type { ContentSharing, ContentStore, SharedSlice } from './ports.ts';

export interface ContentPackingParts {
  readonly content: Pick<ContentStore, 'list' | 'size'>;
  readonly sharing: ContentSharing;
  readonly parts: Pick<ContentParts, 'list'>;
  /** What may have to be deleted is nobody's base. */
  readonly isTakenDown: (digest: Digest) => Promise<boolean>;
}

/**
 * Stores shared parts once: content that has most of its parts in other content becomes slices of that and a rest
 * (docs/decisions/0020). Goes over all content again and again, beside the requests. A base always stands alone.
 */
export class ContentPacking {
  readonly #parts: ContentPackingParts;
  #walk: AsyncIterator<Digest, unknown> | null = null;
  /** Content that others have slices of; known once all was looked at. */
  #bases: Set<Digest> | null = null;
  #basesSeen = new Set<Digest>();
  /** Some parts of content that stands alone, each with it: who has several of them in common has most. */
  readonly #sketches = new Map<Digest, Digest>();
  /** False once a base may have been missed: then what this walk has seen is not all of them. */
  #isWalkWhole = true;
  /** Content that was looked at, and stays as it is. */
  readonly #settled = new Set<Digest>();

  constructor(parts: ContentPackingParts) {
    this.#parts = parts;
  }

  /** Looks at some content; resolves with how long to pause before the next step, in milliseconds. */
  async step(): Promise<number> {
    for (let i = 0; i < PACK_STEP_CONTENTS; i++) {
      const next = await this.#next();
      if (next === null) return this.#endWalk();
      if (await this.#lookAt(next)) break;
    }
    return PACK_STEP_PAUSE_MS;
  }

  /** `null` at the end of a walk. A list that fails is over for good, and that is no end: there was more to see. */
  async #next(): Promise<Digest | null> {
    this.#walk ??= this.#parts.content.list()[Symbol.asyncIterator]();
    try {
      const next: IteratorResult<Digest, unknown> = await this.#walk.next();
      return next.done === true ? null : next.value;
    } catch (failure) {
      this.#startWalk();
      throw failure;
    }
  }

  #startWalk(): void {
    this.#walk = null;
    this.#isWalkWhole = true;
    this.#basesSeen = new Set();
  }

  /** Only who has seen everything knows what is nobody's base. */
  #endWalk(): number {
    const isFirst = this.#bases === null && this.#isWalkWhole;
    if (this.#isWalkWhole) this.#bases = this.#basesSeen;
    this.#startWalk();
    return isFirst ? PACK_STEP_PAUSE_MS : PACK_WALK_PAUSE_MS;
  }

  /** True when that was work. */
  async #lookAt(digest: Digest): Promise<boolean> {
    if (this.#settled.has(digest)) return false;
    try {
      const base = await this.#baseOf(digest);
      if (base !== null) return await this.#keepApart(digest, base);
      if (this.#bases === null) return false;
      const size = await this.#parts.content.size(digest);
      return size !== null && size >= PACK_CONTENT_BYTES_MIN && (await this.#packOnce(digest, this.#bases));
    } catch (failure) {
      // Damage is the scrub's to tell, and content that goes meanwhile is nobody's.
      if (!isRegistryError(failure, 'storage/damaged', 'content/not-found')) throw failure;
      return true;
    }
  }

  async #baseOf(digest: Digest): Promise<Digest | null> {
    try {
      return await this.#parts.sharing.baseOf(digest);
    } catch (failure) {
      this.#isWalkWhole = false;
      throw failure;
    }
  }

  /** What is taken down, or stands on what is, must be deletable alone. */
  async #keepApart(digest: Digest, base: Digest): Promise<boolean> {
    this.#basesSeen.add(base);
    this.#bases?.add(base);
    const { isTakenDown, sharing } = this.#parts;
    if (!(await isTakenDown(base)) && !(await isTakenDown(digest))) return false;
    await sharing.unshare(digest);
    return true;
  }

  /** Content that has no parts, or is damaged or becomes so by its base, is the same next time: it is not split and written again. */
  async #packOnce(digest: Digest, bases: Set<Digest>): Promise<boolean> {
    try {
      return await this.#pack(digest, bases);
    } catch (failure) {
      if (!isRegistryError(failure, 'storage/damaged', 'content/parts')) throw failure;
      this.#settle(digest, []);
      return true;
    }
  }

  async #pack(digest: Digest, bases: Set<Digest>): Promise<boolean> {
    const { isTakenDown, parts, sharing } = this.#parts;
    if (await isTakenDown(digest)) return false;
    const list = await parts.list(digest);
    const base = bases.has(digest) ? null : this.#likest(digest, list);
    if (base !== null && !(await isTakenDown(base)) && (await sharing.baseOf(base)) === null) {
      const slices = slicesOf(list, await parts.list(base));
      if (slices !== null) {
        await sharing.share(digest, base, slices);
        bases.add(base);
        this.#basesSeen.add(base);
        return true;
      }
    }
    this.#settle(digest, list);
    return true;
  }

  #likest(digest: Digest, list: readonly ContentPart[]): Digest | null {
    const votes = new Map<Digest, number>();
    for (const part of sketchOf(list)) {
      const base = this.#sketches.get(part);
      if (base !== undefined && base !== digest) votes.set(base, (votes.get(base) ?? 0) + 1);
    }
    const [first] = [...votes].toSorted(([, a], [, b]) => b - a);
    return first?.[0] ?? null;
  }

  #settle(digest: Digest, list: readonly ContentPart[]): void {
    for (const part of sketchOf(list)) this.#sketches.set(part, digest);
    this.#settled.add(digest);
    for (const oldest of this.#settled) {
      if (this.#settled.size <= SKETCHES_MAX) break;
      this.#settled.delete(oldest);
    }
    for (const oldest of this.#sketches.keys()) {
      if (this.#sketches.size <= SKETCHES_MAX * SKETCH_PARTS) return;
      this.#sketches.delete(oldest);
    }
  }
}

/** The parts with the smallest digests: of two contents that are alike, these are mostly the same. */
function sketchOf(list: readonly ContentPart[]): readonly Digest[] {
  return list
    .map(({ digest }) => digest)
    .toSorted()
    .slice(0, SKETCH_PARTS);
}

/** `null` where the base has too little of it, or in too many places. */
function slicesOf(list: readonly ContentPart[], baseList: readonly ContentPart[]): readonly SharedSlice[] | null {
  const places = new Map<Digest, number>();
  let at = 0;
  for (const { digest, length } of baseList) {
    places.set(digest, at);
    at += length;
  }
  const slices: SharedSlice[] = [];
  let [size, shared] = [0, 0];
  for (const { digest, length } of list) {
    const baseStart = places.get(digest) ?? null;
    size += length;
    if (baseStart !== null) shared += length;
    const last = slices.at(-1);
    const goesOn =
      last !== undefined &&
      (baseStart === null
        ? last.baseStart === null
        : last.baseStart !== null && last.baseStart + last.length === baseStart);
    if (goesOn) slices[slices.length - 1] = { ...last, length: last.length + length };
    else slices.push({ baseStart, length });
  }
  return shared >= size * PACK_SHARED_SHARE_MIN && slices.length <= PACK_SLICES_MAX ? slices : null;
}
