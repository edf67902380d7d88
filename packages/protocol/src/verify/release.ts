import { RegistryError } from '../errors.ts';
import { isDigest, type Digest } from '../names/digest.ts';
import { isPreRelease, type VersionText } from '../names/version.ts';
import type { Release } from '../record-log/kinds/package/release.ts';
import type { PackageState } from '../record-log/package-log.ts';

/** A release whose content is named by a whole digest. It may be yanked: whoever fetches it must be told. */
export interface FetchableRelease {
  readonly release: Release;
  readonly content: Digest;
}

/** The exact version, also a yanked one. Throws `release/not-found`. */
export function releaseOf(state: PackageState, version: VersionText): FetchableRelease {
  const release = state.bindings.get(version);
  if (release === undefined)
    throw new RegistryError('release/not-found', `there is no version ${version}`, { version });
  return fetchable(release);
}

function fetchable(release: Release): FetchableRelease {
  const { version, content } = release;
  if (isDigest(content)) return { release, content };
  throw new RegistryError('content/digest', `version ${version} names its content by ${content}, which is no SHA-256`);
}

/** True for versions that a bare request for "the latest" may give. */
export function isStable(version: VersionText): boolean {
  return !isPreRelease(version);
}
