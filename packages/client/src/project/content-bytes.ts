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
  await client.reading(() => fetchContent(digest, { client, cache, onProgress: () => undefined }));
  const stream = await readCached(cache, digest);
  const hash = sha256Stream();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > READ_BYTES_MAX)
      throw new RegistryError('content/size', `content ${digest} is over ${READ_BYTES_MAX} bytes`);
    hash.update(chunk);
    chunks.push(chunk);
  }
  if (encodeHex(hash.digest()) === digestHex(digest)) return concatBytes(...chunks);
  throw new RegistryError('content/digest', `${digest} changed in the cache`);
}

/** What runs of content: all of it, or the component of a tree; `null` where nothing does. Throws as {@link readContent}. */
export async function readCode(
  content: Uint8Array,
  kind: LockedKind,
  parts: ContentBytesParts,
): Promise<Uint8Array | null> {
  if (kind === 'file') return content;
  const component = decodeTreeIndex(content).find(({ path }) => path === TREE_COMPONENT_PATH);
  return component === undefined ? null : readContent(component.digest, parts);
}

/** Bytes at hand, for what reads a stream. */
export async function* whole(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}
