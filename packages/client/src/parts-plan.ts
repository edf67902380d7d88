import { isRegistryError, type Digest } from '@waybill/protocol';
import {
  ContentSplitter,
  decodePartsListUnverified,
  encodePartsList,
  PART_RUNS_MAX,
  type ContentPart,
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

type Candidate = Awaited<ReturnType<PartsCache['newest']>>[number];

interface FoundPart {
  readonly from: Digest;
  readonly start: number;
}

/** Looks for the listed parts in cached content. `null` where nothing is in it, or what is missing is in too many places. */
export async function planParts(
  list: readonly ContentPart[],
  candidates: readonly Candidate[],
  cache: PartsCache,
): Promise<PartsPlan | null> {
  const found = await findParts(list, candidates, cache);
  if (found.size === 0) return null;
  const steps: PlanStep[] = [];
  const runs: PartRun[] = [];
  let missingBytes = 0;
  for (const [index, { digest, length }] of list.entries()) {
    const part = found.get(digest);
    if (part !== undefined) {
      appendCached(steps, part, length);
      continue;
    }
    missingBytes += length;
    appendMissing(steps, length);
    const run = runs.at(-1);
    if (run !== undefined && run.first + run.count === index) runs[runs.length - 1] = { ...run, count: run.count + 1 };
    else runs.push({ first: index, count: 1 });
  }
  return runs.length > PART_RUNS_MAX ? null : { steps, runs, missingBytes };
}

function appendCached(steps: PlanStep[], { from, start }: FoundPart, length: number): void {
  const last = steps.at(-1);
  if (last?.from === from && last.end === start) steps[steps.length - 1] = { ...last, end: start + length };
  else steps.push({ from, start, end: start + length });
}

function appendMissing(steps: PlanStep[], length: number): void {
  const last = steps.at(-1);
  if (last?.from === null) steps[steps.length - 1] = { from: null, length: last.length + length };
  else steps.push({ from: null, length });
}

async function findParts(
  list: readonly ContentPart[],
  candidates: readonly Candidate[],
  cache: PartsCache,
): Promise<ReadonlyMap<Digest, FoundPart>> {
  const wanted = new Map(list.map(({ digest, length }) => [digest, length]));
  const found = new Map<Digest, FoundPart>();
  let splitBytes = 0;
  for (const candidate of candidates.slice(0, CANDIDATES_MAX)) {
    if (wanted.size === 0) break;
    let parts = await keptList(candidate, cache);
    if (parts === null && splitBytes + candidate.size <= SPLIT_BYTES_MAX) {
      splitBytes += candidate.size;
      parts = await makeList(candidate, cache);
    }
    let start = 0;
    for (const { digest, length } of parts ?? []) {
      if (wanted.get(digest) === length) {
        wanted.delete(digest);
        found.set(digest, { from: candidate.digest, start });
      }
      start += length;
    }
  }
  return found;
}

async function keptList({ digest, size }: Candidate, cache: PartsCache): Promise<readonly ContentPart[] | null> {
  const bytes = await cache.readList(digest);
  if (bytes === null) return null;
  try {
    const parts = decodePartsListUnverified(bytes);
    return parts.reduce((sum, { length }) => sum + length, 0) === size ? parts : null;
  } catch (failure) {
    if (isRegistryError(failure, 'content/parts')) return null;
    throw failure;
  }
}

/** Never that of a registry: a wrong one would spoil every later search. `null` for content that has none. */
async function makeList({ digest, size }: Candidate, cache: PartsCache): Promise<readonly ContentPart[] | null> {
  const content = await cache.open(digest);
  if (content === null) return null;
  try {
    const splitter = new ContentSplitter();
    for (let start = 0; start < size; start += READ_BYTES) {
      splitter.update(await content.read({ start, end: Math.min(start + READ_BYTES, size) }));
    }
    const parts = splitter.finish();
    await cache.keepList(digest, encodePartsList(parts));
    return parts;
  } catch (failure) {
    if (isRegistryError(failure, 'content/parts', 'content/not-found')) return null;
    throw failure;
  } finally {
    await content.close();
  }
}
