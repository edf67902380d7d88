import { RegistryError, type Digest, type PackageName, type Release } from '@waybill/protocol';
import { claimedKindOf, kindCheckOf, kindDemand } from '@waybill/protocol/content';
import type { ContentCache } from './ports.ts';

/** What hears the bytes of content in order, and says at the end whether they are what they are to be. */
export interface ClaimCheck {
  /** Throws as {@link requireClaim}. */
  update(chunk: Uint8Array): void;
  /** After the last byte. Throws as {@link requireClaim}. */
  finish(): void;
}

type ClaimingRelease = Pick<Release, 'version' | 'claim'>;

/**
 * Holds content against what its release says of it: a grant may have allowed the release for its kind and size
 * (spec/version1.md 5.4, spec/content.md 3.2 and 3.5). A release of version 0 says nothing. Throws `content/size`, `content/policy`,
 * `content/tree`.
 */
export async function requireClaim(
  name: PackageName,
  release: ClaimingRelease,
  bytes: AsyncIterable<Uint8Array>,
): Promise<void> {
  const check = claimCheck(name, release);
  for await (const chunk of bytes) check.update(chunk);
  check.finish();
}

/** {@link requireClaim} for bytes that are on their way to somebody else. */
export function claimCheck(name: PackageName, { version, claim }: ClaimingRelease): ClaimCheck {
  if (claim === null) return { update: () => undefined, finish: () => undefined };
  const check = kindCheckOf(kindDemand(claimedKindOf(claim.mediaType), { name, version }));
  let size = 0;
  return {
    update(chunk) {
      size += chunk.length;
      if (size <= claim.size) check.update(chunk);
    },
    finish() {
      if (size !== claim.size) {
        const message = `version ${version} says that it has ${claim.size} bytes, and has ${size}`;
        throw new RegistryError('content/size', message);
      }
      check.finish();
    },
  };
}

/** Throws `content/not-found` for what another process has dropped meanwhile. */
export async function readCached(cache: ContentCache, digest: Digest): Promise<AsyncIterable<Uint8Array>> {
  const bytes = await cache.read(digest);
  if (bytes !== null) return bytes;
  throw new RegistryError('content/not-found', `content ${digest} has left the cache meanwhile: try again`);
}
