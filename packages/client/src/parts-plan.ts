import { isRegistryError, type Digest } from '@waybill/protocol';
import {
  ContentSplitter,
  encodePartsList,
  PART_RUNS_MAX,
  partKeysUnverified,
  type PartKeys,
  type PartRun,
} from '@waybill/protocol/content';
import type { PartsCache } from './ports.ts';

/** Cached contents that are searched, newest first, and bytes of them that are split for it in one go. */
const CANDIDATES_MAX = 16;
const SPLIT_BYTES_MAX = 512 * 1024 * 1024;
const READ_BYTES = 1024 * 1024;

/** Bytes in a row: of cached content, or of parts that have to be fetched. */
export type PlanStep =
  | { readonly from: Digest; readonly start: number; readonly end: number }
  | { readonly from: null; readonly length: number };

/** How to put content together. */
export interface PartsPlan {
  readonly steps: readonly PlanStep[];
  /** What has to be fetched, in order. */
  readonly runs: readonly PartRun[];
  readonly missingBytes: number;
}

/** Bytes of the content that has the parts. */
export function bytesIn({ lengths }: PartKeys): number {
  return lengths.reduce((sum, length) => sum + length, 0);
}

type Candidate = Awaited<ReturnType<PartsCache['newest']>>[number];

/** Looks for the listed parts in cached content. `null` where nothing is in it, or what is missing is in too many places. */
export async function planParts(
  list: PartKeys,
  candidates: readonly Candidate[],
  cache: PartsCache,
): Promise<PartsPlan | null> {
  const found = await findParts(list, candidates, cache);
  const steps: Mutable<PlanStep>[] = [];
  const runs: Mutable<PartRun>[] = [];
  let missingBytes = 0;
  for (const [index, length] of list.lengths.entries()) {
    const from = found.sourceOf(index);
    if (from !== null) {
      appendCached(steps, { from, start: found.startOf(index), length });
      continue;
    }
    missingBytes += length;
    appendMissing(steps, length);
    const run = runs.at(-1);
    if (run !== undefined && run.first + run.count === index) run.count++;
    else runs.push({ first: index, count: 1 });
  }
  return found.isEmpty || runs.length > PART_RUNS_MAX ? null : { steps, runs, missingBytes };
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function appendCached(
  steps: Mutable<PlanStep>[],
  { from, start, length }: { readonly from: Digest; readonly start: number; readonly length: number },
): void {
  const last = steps.at(-1);
  if (last !== undefined && last.from === from && last.end === start) last.end += length;
  else steps.push({ from, start, end: start + length });
}

function appendMissing(steps: Mutable<PlanStep>[], length: number): void {
  const last = steps.at(-1);
  if (last?.from === null) last.length += length;
  else steps.push({ from: null, length });
}

async function findParts(list: PartKeys, candidates: readonly Candidate[], cache: PartsCache): Promise<FoundParts> {
  const found = new FoundParts(list);
  let splitBytes = 0;
  for (const candidate of candidates.slice(0, CANDIDATES_MAX)) {
    if (found.isComplete) break;
    let parts = await keptList(candidate, cache);
    if (parts === null && splitBytes + candidate.size <= SPLIT_BYTES_MAX) {
      splitBytes += candidate.size;
      parts = await makeList(candidate, cache);
    }
    if (parts !== null) found.look(candidate.digest, parts);
  }
  return found;
}

/** Where listed parts are in cached content, in columns: an object for each part would take longer than reading the parts. */
class FoundParts {
  readonly #list: PartKeys;
  readonly #wanted = new Map<string, number>();
  /** Of each part of the list: the first with the same digest, which stands for all of them. */
  readonly #firsts: Uint32Array;
  readonly #sources: (Digest | null)[];
  readonly #starts: Float64Array;
  readonly #count: number;

  constructor(list: PartKeys) {
    const { length } = list.keys;
    this.#list = list;
    this.#firsts = new Uint32Array(length);
    this.#sources = Array.from({ length }, () => null);
    this.#starts = new Float64Array(length);
    for (const [index, key] of list.keys.entries()) {
      const first = this.#wanted.get(key) ?? index;
      if (first === index) this.#wanted.set(key, index);
      this.#firsts[index] = first;
    }
    this.#count = this.#wanted.size;
  }

  get isEmpty(): boolean {
    return this.#wanted.size === this.#count;
  }

  get isComplete(): boolean {
    return this.#wanted.size === 0;
  }

  /** Looks for what is not found yet in the content `from`, which has these parts. */
  look(from: Digest, { keys, lengths }: PartKeys): void {
    let start = 0;
    for (const [index, key] of keys.entries()) {
      const length = lengths[index] ?? 0;
      const place = this.#wanted.get(key);
      if (place !== undefined && this.#list.lengths[place] === length) {
        this.#wanted.delete(key);
        this.#sources[place] = from;
        this.#starts[place] = start;
      }
      start += length;
    }
  }

  /** The content that has a part of the list; `null` when none has. */
  sourceOf(index: number): Digest | null {
    return this.#sources[this.#firsts[index] ?? 0] ?? null;
  }

  /** Where in that content the part is. */
  startOf(index: number): number {
    return this.#starts[this.#firsts[index] ?? 0] ?? 0;
  }
}

async function keptList({ digest, size }: Candidate, cache: PartsCache): Promise<PartKeys | null> {
  const bytes = await cache.readList(digest);
  if (bytes === null) return null;
  try {
    const parts = partKeysUnverified(bytes);
    return bytesIn(parts) === size ? parts : null;
  } catch (failure) {
    if (isRegistryError(failure, 'content/parts')) return null;
    throw failure;
  }
}

/** Never that of a registry: a wrong one would spoil every later search. `null` for content that has none. */
async function makeList({ digest, size }: Candidate, cache: PartsCache): Promise<PartKeys | null> {
  const content = await cache.open(digest);
  if (content === null) return null;
  try {
    const splitter = new ContentSplitter();
    for (let start = 0; start < size; start += READ_BYTES) {
      splitter.update(await content.read({ start, end: Math.min(start + READ_BYTES, size) }));
    }
    const list = encodePartsList(splitter.finish());
    await cache.keepList(digest, list);
    return partKeysUnverified(list);
  } catch (failure) {
    if (isRegistryError(failure, 'content/parts', 'content/not-found')) return null;
    throw failure;
  } finally {
    await content.close();
  }
}
