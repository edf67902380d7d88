import { concatBytes, digestHex, encodeHex, RegistryError, sha256Stream, type Digest } from '@waybill/protocol';
import { readCached } from '../content-claim.ts';
import { fetchContent } from '../content-fetch.ts';
import { decodeTreeIndex, TREE_COMPONENT_PATH } from '@waybill/protocol/content';
import type { ContentCache } from '../ports.ts';
import type { RegistryClient } from '../registry-client.ts';
import type { LockedKind } from './lock-file.ts';

/** Where content comes from. */
export interface ContentBytesParts {
  readonly client: RegistryClient;
  readonly cache: ContentCache;
}

/** Content larger than this is not held in memory to be read. */
export const READ_BYTES_MAX = 1024 * 1024 * 1024;

/**
 * The bytes of content, from the cache or else the registry, hashed when they are given: another program may have written into
 * the cache. Throws as {@link fetchContent}, and `content/size`.
 */
export async function readContent(digest: Digest, { client, cache }: ContentBytesParts): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of streamContent(digest, { client, cache })) {
    size += chunk.length;
    if (size > READ_BYTES_MAX)
      throw new RegistryError('content/size', `content ${digest} is over ${READ_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return concatBytes(...chunks);
}

/** {@link readContent} without holding it: nothing that was read counts before the end, where a wrong hash is thrown. */
export async function* streamContent(
  digest: Digest,
  { client, cache }: ContentBytesParts,
): AsyncGenerator<Uint8Array, void, undefined> {
  await client.reading(() => fetchContent(digest, { client, cache, onProgress: () => undefined }));
  const hash = sha256Stream();
  for await (const chunk of await readCached(cache, digest)) {
    hash.update(chunk);
    yield chunk;
  }
  if (encodeHex(hash.digest()) === digestHex(digest)) return;
  throw new RegistryError('content/digest', `${digest} changed in the cache`);
}

/** What runs of content: all of it, or the component of a tree; `null` where nothing does. Throws as {@link readContent}. */
export async function readCode(
  content: Uint8Array,
  kind: LockedKind,
  parts: ContentBytesParts,
): Promise<Uint8Array | null> {
  if (kind === 'file') return content;
  const component = componentIn(content);
  return component === null ? null : readContent(component, parts);
}

/** The component of a tree by its content index; `null` where it has none. */
export function componentIn(index: Uint8Array): Digest | null {
  return decodeTreeIndex(index).find(({ path }) => path === TREE_COMPONENT_PATH)?.digest ?? null;
}

/** Bytes at hand, for what reads a stream. */
export async function* whole(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}
