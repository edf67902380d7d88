import type { PackageName, VersionText } from '@waybill/protocol';

/** What a project, or a release, asks of a package. */
export interface PackageNeed {
  readonly name: PackageName;
  /** A version or a range of npm's; `null`: the newest stable release. */
  readonly range: string | null;
  /** The host may have it, where the registry has no such package: an interface, which is named and not contained. */
  readonly mayBeHosts: boolean;
}

/** One release. */
export interface ReleaseId {
  readonly name: PackageName;
  readonly version: VersionText;
}

/** The releases of one package, under the rules of which one a requirement takes. */
export interface PackageReleases {
  /** All, the preferred first. */
  readonly versions: readonly VersionText[];
  /** Those that a range takes; the empty list where there is none. */
  readonly takes: (range: string | null) => readonly VersionText[];
  /** Why a range takes none, for a person. */
  readonly whyNone: (range: string | null) => string;
}

/** Where the resolver reads packages: everything that it could not know before is asked for at once. */
export interface PackageSource {
  /** `null` for a package that is not there. */
  readonly releases: (names: readonly PackageName[]) => Promise<ReadonlyMap<PackageName, PackageReleases | null>>;
  /** What each of these releases needs, in this order. */
  readonly needs: (releases: readonly ReleaseId[]) => Promise<readonly (readonly PackageNeed[])[]>;
}

/** One text for a release, as people write it. */
export function releaseText({ name, version }: ReleaseId): string {
  return `${name}@${version}`;
}

/** A need as people write it. */
export function needText({ name, range }: PackageNeed): string {
  return range === null ? name : `${name} ${range}`;
}
