import { RegistryError, type Digest } from '@waybill/protocol';
import type { PartsBody } from './parts-body.ts';
import type { PlanStep } from './parts-plan.ts';
import type { CachedContent, PartsCache } from './ports.ts';
import { BLOCK_BYTES, joinedBlocks } from './verified-write.ts';

/** Bytes between two slices of cached content that are read along: they cost less than a read of its own. */
const GAP_BYTES_MAX = 128 * 1024;

interface Slice {
  readonly start: number;
  readonly end: number;
}

/**
 * The bytes of the steps in blocks, as {@link joinedBlocks} has them: parts are small. Throws `content/not-found` where the cache
 * has less than was planned with, and what the body throws.
 */
export async function* assembledBlocks(
  steps: readonly PlanStep[],
  body: PartsBody,
  cached: PartsCache,
): AsyncGenerator<Uint8Array, void, undefined> {
  const slices = new CachedSlices(steps, cached);
  try {
    yield* joinedBlocks(piecesOf(steps, body, slices));
  } finally {
    await slices.close();
  }
}

async function* piecesOf(
  steps: readonly PlanStep[],
  body: PartsBody,
  slices: CachedSlices,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (const step of steps) yield* step.from === null ? body.take(step.length) : slices.take(step);
}

type CachedStep = Extract<PlanStep, Slice>;

/** The cached contents that steps are from, each opened when it is first needed. */
class CachedSlices {
  readonly #cached: PartsCache;
  readonly #slices = new Map<Digest, Slice[]>();
  readonly #readers = new Map<Digest, SliceReader>();

  constructor(steps: readonly PlanStep[], cached: PartsCache) {
    this.#cached = cached;
    for (const step of steps) {
      if (step.from === null) continue;
      const slices = this.#slices.get(step.from) ?? [];
      for (const slice of blocksIn(step)) slices.push(slice);
      this.#slices.set(step.from, slices);
    }
  }

  /** Each cached step once, in order. */
  async *take(step: CachedStep): AsyncGenerator<Uint8Array, void, undefined> {
    const reader = await this.#readerOf(step.from);
    for (let left = step.end - step.start; left > 0;) {
      const bytes = await reader.next();
      left -= bytes.length;
      yield bytes;
    }
  }

  async close(): Promise<void> {
    for (const reader of this.#readers.values()) await reader.content.close();
  }

  async #readerOf(digest: Digest): Promise<SliceReader> {
    const open = this.#readers.get(digest);
    if (open !== undefined) return open;
    const content = await this.#cached.open(digest);
    if (content === null)
      throw new RegistryError('content/not-found', `content ${digest} has left the cache meanwhile`);
    const reader = new SliceReader(content, this.#slices.get(digest) ?? []);
    this.#readers.set(digest, reader);
    return reader;
  }
}

function* blocksIn({ start, end }: Slice): Generator<Slice, void, undefined> {
  for (let at = start; at < end; at += BLOCK_BYTES) yield { start: at, end: Math.min(at + BLOCK_BYTES, end) };
}

/** Reads slices of one cached content one after another: those that are near each other at once. */
class SliceReader {
  readonly content: CachedContent;
  readonly #slices: readonly Slice[];
  #next = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #start = 0;

  constructor(content: CachedContent, slices: readonly Slice[]) {
    this.content = content;
    this.#slices = slices;
  }

  async next(): Promise<Uint8Array> {
    const slice = this.#slices[this.#next];
    if (slice === undefined) throw new TypeError('more slices are taken than there are');
    if (slice.start < this.#start || slice.end > this.#start + this.#bytes.length) {
      const near = this.#near(slice);
      this.#bytes = await this.content.read(near);
      this.#start = near.start;
    }
    this.#next++;
    return this.#bytes.subarray(slice.start - this.#start, slice.end - this.#start);
  }

  /** The slice that comes next, and those after it that one read can give, too. */
  #near({ start, end: firstEnd }: Slice): Slice {
    let end = firstEnd;
    for (let i = this.#next + 1; ; i++) {
      const slice = this.#slices[i];
      const gap = slice === undefined ? -1 : slice.start - end;
      if (slice === undefined || gap < 0 || gap > GAP_BYTES_MAX || slice.end - start > BLOCK_BYTES) break;
      ({ end } = slice);
    }
    return { start, end };
  }
}
