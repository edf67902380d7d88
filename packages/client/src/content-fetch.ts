import {
  digestHex,
  encodeHex,
  isRegistryError,
  RegistryError,
  sha256Stream,
  type Digest,
  type ErrorCode,
} from '@waybill/protocol';
import { fetchByParts, type ContentFetchParts } from './parts-fetch.ts';
import type { ContentCache } from './ports.ts';
import { chunksOf } from './transport.ts';
import { joinedBlocks, writeVerified } from './verified-write.ts';

/** Content larger than this is refused while it arrives; a version 0 record does not say how large it is. */
const CONTENT_BYTES_MAX = 4 * 1024 * 1024 * 1024;

/** After these the next source may do better. */
const FAULTS_OF_A_SOURCE: readonly ErrorCode[] = [
  'content/digest',
  'content/not-found',
  'content/size',
  'registry/protocol',
  'registry/refused',
  'registry/unreachable',
];

/** RFC 7725: what is refused for a reason that others have given, and that the answer tells. */
const STATUS_WITHHELD = 451;

/**
 * Makes sure that the content is in the cache with the right digest. Sources are tried in order; wrong bytes are never kept.
 * Throws `content/digest`, `content/size`, `content/not-found`, `registry/refused` where it is withheld, `registry/unreachable`,
 * `registry/protocol`.
 */
export function fetchContent(digest: Digest, parts: ContentFetchParts): Promise<void> {
  return fetchContentUpTo(CONTENT_BYTES_MAX, digest, parts);
}

/** {@link fetchContent} of content that has at most so many bytes. */
export async function fetchContentUpTo(bytesMax: number, digest: Digest, parts: ContentFetchParts): Promise<void> {
  if (await isCached(digest, parts.cache)) return;
  const sources = await parts.client.api.contentSources(digest);
  const claimed = sources.find(({ size }) => size !== null)?.size ?? null;
  if (claimed !== null && claimed <= bytesMax && (await fetchByParts({ digest, size: claimed }, parts))) return;
  let failure: unknown = new RegistryError('content/not-found', `the registry names no source for content ${digest}`);
  for (const { url, size } of sources) {
    try {
      await fetchFrom({ url: parts.client.api.transport.placeOf(url), total: size, bytesMax }, digest, parts);
      return;
    } catch (thrown) {
      // A full disk of this machine's is no source's fault, and the next source would fill it no less.
      if (!isRegistryError(thrown, ...FAULTS_OF_A_SOURCE)) throw thrown;
      failure = thrown;
    }
  }
  throw failure;
}

/** Hashes what the cache has; what is not what it should be is dropped. */
async function isCached(digest: Digest, cache: ContentCache): Promise<boolean> {
  const cached = await cache.read(digest);
  if (cached === null) return false;
  const hash = sha256Stream();
  for await (const chunk of cached) hash.update(chunk);
  if (encodeHex(hash.digest()) === digestHex(digest)) return true;
  await cache.forget(digest);
  return false;
}

interface ContentOrigin {
  readonly url: URL;
  /** Bytes that it says it has. */
  readonly total: number | null;
  readonly bytesMax: number;
}

async function fetchFrom(origin: ContentOrigin, digest: Digest, parts: ContentFetchParts): Promise<void> {
  await writeVerified(joinedBlocks(receivedFrom(origin, parts)), await parts.cache.writer(digest), {
    digest,
    otherwise(found) {
      return new RegistryError('content/digest', `${origin.url.href} gave ${found}, not ${digest}`, { found });
    },
  });
}

async function* receivedFrom(
  { url, total, bytesMax }: ContentOrigin,
  { client, onProgress }: ContentFetchParts,
): AsyncGenerator<Uint8Array, void, undefined> {
  let received = 0;
  for await (const chunk of await bodyFrom(url, client)) {
    received += chunk.length;
    if (received > bytesMax) throw new RegistryError('content/size', `content is over ${bytesMax} bytes`);
    yield chunk;
    onProgress(received, total);
  }
}

async function bodyFrom(url: URL, { api }: ContentFetchParts['client']): Promise<AsyncIterable<Uint8Array>> {
  const asked = api.contentRequest(url);
  // Whatever else fetches bodies follows redirects, and knows of no token.
  const plain = 'authorization' in asked.headers ? null : await api.transport.body(url);
  if (plain !== null) return plain;
  const response = await api.transport.open(url, { method: 'GET', ...asked });
  if (response.status === STATUS_WITHHELD) throw await api.refusalOf(response);
  if (response.ok) return chunksOf(response, api.transport.limits);
  // Unread, it would keep the process alive for as long as the source likes. Not awaited, as it may never end.
  void response.body?.cancel().catch(() => undefined);
  throw new RegistryError('content/not-found', `${url.href} answered ${response.status}`);
}
