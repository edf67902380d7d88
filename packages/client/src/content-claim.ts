import { RegistryError, type Digest, type PackageName, type Release } from '@waybill/protocol';
import { claimedKindOf, kindCheckOf, kindDemand } from '@waybill/protocol/content';
import type { ContentCache } from './ports.ts';

/**
 * Holds content against what its release says of it: a grant may have allowed the release for its kind and size
 * (spec/version1.md 5.4, spec/content.md 3.2 and 3.5). A release of version 0 says nothing. Throws `content/size`, `content/policy`,
 * `content/tree`.
 */
export async function requireClaim(
  name: PackageName,
  { version, claim }: Pick<Release, 'version' | 'claim'>,
  bytes: AsyncIterable<Uint8Array>,
): Promise<void> {
  if (claim === null) return;
  const check = kindCheckOf(kindDemand(claimedKindOf(claim.mediaType), { name, version }));
  let size = 0;
  for await (const chunk of bytes) {
    size += chunk.length;
    if (size <= claim.size) check.update(chunk);
  }
  if (size !== claim.size) {
    throw new RegistryError('content/size', `version ${version} says that it has ${claim.size} bytes, and has ${size}`);
  }
  check.finish();
}

/** Throws `content/not-found` for what another process has dropped meanwhile. */
export async function readCached(cache: ContentCache, digest: Digest): Promise<AsyncIterable<Uint8Array>> {
  const bytes = await cache.read(digest);
  if (bytes !== null) return bytes;
  throw new RegistryError('content/not-found', `content ${digest} has left the cache meanwhile: try again`);
}
