import { isRegistryError, RegistryError, type Digest, type ErrorCode } from '@waybill/protocol';
import {
  PARTS_LIST_BYTES_MAX,
  partKeysUnverified,
  partsRequestBody,
  type PartKeys,
  type PartRun,
} from '@waybill/protocol/content';
import { assembledBlocks } from './parts-assembly.ts';
import { PartsBody } from './parts-body.ts';
import { bytesIn, planParts, type PartsPlan } from './parts-plan.ts';
import type { ContentCache, PartsCache } from './ports.ts';
import type { RegistryClient } from './registry-client.ts';
import { chunksOf } from './transport.ts';
import { writeVerified } from './verified-write.ts';

/** Smaller content is fetched whole: the list and a second request cost as much. */
export const PARTS_CONTENT_BYTES_MIN = 1024 * 1024;

/** Of the content that may have to be fetched when it is put together from parts. */
const MISSING_SHARE_MAX = 0.9;

/** After these the content is fetched whole, and whatever is wrong is told of that. */
const REASONS_FOR_THE_WHOLE: readonly ErrorCode[] = [
  'content/digest',
  'content/not-found',
  'content/parts',
  'registry/protocol',
  'registry/unreachable',
];

export interface ContentFetchParts {
  readonly client: Pick<RegistryClient, 'api'>;
  readonly cache: ContentCache;
  /** Bytes so far, and in all when the source says so. */
  readonly onProgress: (received: number, total: number | null) => void;
}

export interface WantedContent {
  readonly digest: Digest;
  /** As a source has it. */
  readonly size: number;
}

/**
 * Puts the content together from parts that other cached content has, and fetches those that none has; false where that does
 * not pay, the registry has no parts, or what came of it is not the content (spec/parts.md 5.2). Throws faults of this machine.
 */
export async function fetchByParts(wanted: WantedContent, parts: ContentFetchParts): Promise<boolean> {
  const cached = parts.cache.parts;
  if (cached === null || wanted.size < PARTS_CONTENT_BYTES_MIN) return false;
  try {
    const candidates = (await cached.newest()).filter(({ size }) => size >= PARTS_CONTENT_BYTES_MIN);
    if (candidates.length === 0) return false;
    const list = await fetchList(wanted, parts);
    const plan = list && (await planParts(list, candidates, cached));
    if (plan === null || plan.missingBytes > wanted.size * MISSING_SHARE_MAX) return false;
    await assemble(wanted, plan, { ...parts, cached });
    return true;
  } catch (failure) {
    if (isRegistryError(failure, ...REASONS_FOR_THE_WHOLE)) return false;
    throw failure;
  }
}

function placeOf(digest: Digest, { client }: Pick<ContentFetchParts, 'client'>): URL {
  return client.api.transport.placeOf(`api/v1/content/${digest}/parts`);
}

/** `null` from a registry that gives none. Throws `content/parts` for one that cannot be of this content. */
async function fetchList({ digest, size }: WantedContent, parts: ContentFetchParts): Promise<PartKeys | null> {
  const { transport } = parts.client.api;
  const place = placeOf(digest, parts);
  const response = await transport.open(place, { method: 'GET', ...parts.client.api.contentRequest(place) });
  if (response.status !== 200) {
    void response.body?.cancel().catch(() => undefined);
    return null;
  }
  const limits = { ...transport.limits, answerBytesMax: PARTS_LIST_BYTES_MAX };
  const { body } = await transport.read(response, limits);
  const list = partKeysUnverified(body);
  if (bytesIn(list) === size) return list;
  throw new RegistryError('content/parts', `the listed parts of ${digest} do not have ${size} bytes in all`);
}

type AssemblyParts = ContentFetchParts & { readonly cached: PartsCache };

/** Throws `content/digest` when what was put together is something else; then nothing is kept. */
async function assemble(
  { digest, size }: WantedContent,
  { steps, runs }: PartsPlan,
  parts: AssemblyParts,
): Promise<void> {
  const writer = await parts.cache.writer(digest);
  await writeVerified(counted(blocksOf(digest, { steps, runs }, parts), size, parts), writer, {
    digest,
    otherwise: () => new RegistryError('content/digest', `the parts of ${digest} are those of other content`),
  });
}

async function* counted(
  blocks: AsyncIterable<Uint8Array>,
  size: number,
  { onProgress }: AssemblyParts,
): AsyncGenerator<Uint8Array, void, undefined> {
  let received = 0;
  for await (const block of blocks) {
    yield block;
    onProgress((received += block.length), size);
  }
}

async function* blocksOf(
  digest: Digest,
  { steps, runs }: Pick<PartsPlan, 'steps' | 'runs'>,
  parts: AssemblyParts,
): AsyncGenerator<Uint8Array, void, undefined> {
  const body = await fetchParts(digest, runs, parts);
  try {
    yield* assembledBlocks(steps, body, parts.cached);
    await body.end();
  } finally {
    await body.close();
  }
}

async function fetchParts(digest: Digest, runs: readonly PartRun[], parts: AssemblyParts): Promise<PartsBody> {
  const { transport } = parts.client.api;
  if (runs.length === 0) return new PartsBody(noChunks());
  const place = placeOf(digest, parts);
  const { headers: shown, redirect } = parts.client.api.contentRequest(place);
  const headers = { 'content-type': 'application/json', 'accept-encoding': 'br, gzip', ...shown };
  const body = JSON.stringify(partsRequestBody(runs));
  const response = await transport.open(place, { method: 'POST', body, headers, redirect }, body.length);
  if (response.status === 200) return new PartsBody(chunksOf(response, transport.limits));
  void response.body?.cancel().catch(() => undefined);
  throw new RegistryError('content/not-found', `the registry gives no parts: status ${response.status}`);
}

async function* noChunks(): AsyncGenerator<Uint8Array, void, undefined> {}
