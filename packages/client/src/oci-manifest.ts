import {
  digestHex,
  encodeHex,
  RegistryError,
  sha256Stream,
  type Digest,
  type PackageName,
  type Release,
} from '@waybill/protocol';
import {
  ReleaseContentReader,
  releaseManifest,
  type ReleaseContent,
  type ReleaseFile,
  type ReleaseManifest,
} from '@waybill/protocol/oci';
import { readCached } from './content-claim.ts';
import { fetchContent, fetchContentUpTo } from './content-fetch.ts';
import { fetchTreeFiles, fetchTreeIndex, isTreeClaim, type TreeFetchParts } from './tree-fetch.ts';

/** A release that a log proves. */
export interface ReleaseForOci {
  readonly release: Pick<Release, 'version' | 'claim' | 'time'>;
  readonly content: Digest;
}

/**
 * The manifest that a verified release stands for in the OCI view, built here of its content (spec/oci.md 5): what a registry serves
 * under its digest can be nothing else. The content is fetched, of a tree all files. Throws as {@link fetchContent} and, of a
 * tree, {@link fetchTreeFiles}.
 */
export async function ociManifestOf(
  name: PackageName,
  found: ReleaseForOci,
  parts: TreeFetchParts,
): Promise<ReleaseManifest> {
  const { version, time: recordTime } = found.release;
  const content = isTreeClaim(found.release.claim) ? await treeContent(found, parts) : await fileContent(found, parts);
  const size = await sizeOf(found.content, parts);
  return releaseManifest({ name, version, digest: found.content, size, recordTime, content });
}

async function treeContent(found: ReleaseForOci, parts: TreeFetchParts): Promise<ReleaseContent> {
  const index = await fetchTreeIndex(found, parts);
  await fetchTreeFiles(index, parts);
  const files: ReleaseFile[] = [];
  for (const { path, digest } of index) files.push({ path, digest, size: await sizeOf(digest, parts) });
  return { type: 'tree', files };
}

async function fileContent({ release, content }: ReleaseForOci, parts: TreeFetchParts): Promise<ReleaseContent> {
  const { claim } = release;
  const fetching = { ...parts, onProgress: () => undefined };
  await (claim === null ? fetchContent(content, fetching) : fetchContentUpTo(claim.size, content, fetching));
  const reader = new ReleaseContentReader(claim?.mediaType ?? null, await sizeOf(content, parts));
  const hash = sha256Stream();
  for await (const chunk of await readCached(parts.cache, content)) {
    hash.update(chunk);
    reader.update(chunk);
  }
  if (encodeHex(hash.digest()) === digestHex(content)) return reader.finish();
  throw new RegistryError('content/digest', `${content} changed in the cache`);
}

async function sizeOf(digest: Digest, { cache }: TreeFetchParts): Promise<number> {
  const size = await cache.size(digest);
  if (size !== null) return size;
  throw new RegistryError('content/not-found', `${digest} has gone from the cache`, { digest });
}
