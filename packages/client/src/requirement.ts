import {
  isStable,
  newestRelease,
  parsePackageName,
  parseVersion,
  RegistryError,
  releaseOf,
  type FetchableRelease,
  type PackageName,
  type PackageState,
  type VersionText,
} from '@waybill/protocol';
import semver from 'semver';

/** A package with what was asked of its version: nothing, one version, or a range. */
export interface Requirement {
  readonly name: PackageName;
  /** `null`: the newest stable version. */
  readonly version: string | null;
}

/** Reads `ns:name`, `ns:name@1.2.3` or `ns:name@<range>`. Throws `text/package-name`, `usage/invalid`. */
export function parseRequirement(text: string): Requirement {
  const at = text.indexOf('@');
  const name = parsePackageName(at < 0 ? text : text.slice(0, at));
  const version = at < 0 ? null : text.slice(at + 1).trim();
  if (version !== null && !isVersion(version) && (version === '' || semver.validRange(version) === null)) {
    throw new RegistryError(
      'usage/invalid',
      `${version === '' ? 'nothing' : version} after '@': write a version or a range, such as 1.2.3, ^1.2 or '>=1 <3'`,
    );
  }
  return { name, version };
}

function isVersion(text: string): boolean {
  try {
    parseVersion(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * The release that a requirement means: exactly the version written, else the newest in the range; pre-releases only where
 * the range names one of the same version. A yanked version is given only to whoever names exactly it. Throws
 * `release/not-found`.
 */
export function resolveRelease(state: PackageState, { name, version }: Requirement): FetchableRelease {
  if (version !== null && isVersion(version)) return releaseOf(state, parseVersion(version));
  const matches = version === null ? isStable : (candidate: VersionText) => semver.satisfies(candidate, version);
  try {
    return newestRelease(state, matches);
  } catch (cause) {
    if (!(cause instanceof RegistryError) || cause.code !== 'release/not-found') throw cause;
    const range = version === null ? 'a stable release' : `a release that satisfies ${version}`;
    throw new RegistryError('release/not-found', `${name} has not ${range} that is not yanked`, {}, { cause });
  }
}
