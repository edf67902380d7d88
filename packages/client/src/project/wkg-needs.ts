import { compareVersions, parsePackageName, type PackageName } from '@waybill/protocol';
import type { WitPackageId } from '@waybill/protocol/content';
import { isInRange } from '../requirement.ts';
import { exactForCargo, plainCargoRange, rangeOfCargo } from './cargo-range.ts';
import type { ProjectLock } from './lock-file.ts';
import type { WkgLocked, WkgOverride } from './wkg-files.ts';

/** What wkg asks a registry for. */
export interface WkgNeed {
  readonly name: PackageName;
  /** As Cargo writes it: wkg finds an entry of its lock by this text. */
  readonly requirement: string;
}

/** Of a package of which WIT names no version. */
const ANY = '*';

/**
 * What wkg asks for in a project: what `wkg.toml` gives a version, and what WIT names, each once. What those need in turn is
 * copied in them, so wkg asks for none of it, locks none of it, and refuses to publish where its lock has more.
 */
export function wkgNeeds(overrides: readonly WkgOverride[], named: readonly WitPackageId[]): WkgNeed[] {
  const asked = overrides.flatMap(({ name, path, requirement }) =>
    path === null && requirement !== null ? [{ name, requirement }] : [],
  );
  const taken = new Set(overrides.flatMap(({ name, path, range }) => (path === null && range === null ? [] : [name])));
  const others = named.flatMap(({ namespace, name, version }) => {
    const asPackage = packageNameOf(`${namespace}:${name}`);
    return asPackage === null
      ? []
      : [{ name: asPackage, requirement: version === null ? ANY : exactForCargo(version) }];
  });
  const needs = [...asked, ...others.filter(({ name }) => !taken.has(name))];
  return [...new Map(needs.map((need) => [`${need.name} ${need.requirement}`, need])).values()];
}

/** `null` for what is a name in WIT, where capitals are allowed, and in no registry. */
function packageNameOf(text: string): PackageName | null {
  try {
    return parsePackageName(text);
  } catch {
    return null;
  }
}

export interface WkgLockParts {
  readonly needs: readonly WkgNeed[];
  readonly lock: ProjectLock;
  /** What wkg has locked before. */
  readonly previous: readonly WkgLocked[];
  /** What wkg is thought to call the registry of a package that it has not locked. */
  readonly registry: string;
}

/** What wkg has to lock to take the same: what it needs and a lock does not hold stays as it was. */
export function wkgLockOf({ needs, lock, previous, registry }: WkgLockParts): WkgLocked[] {
  return needs.flatMap(({ name, requirement }) => {
    const before = previous.filter((each) => each.name === name);
    const range = rangeOfCargo(requirement);
    const [newest] = lock.releases
      .filter((release) => release.name === name && isInRange(release.version, range))
      .toSorted((a, b) => compareVersions(b.version, a.version));
    if (newest === undefined) return before.filter((each) => plainCargoRange(each.requirement) === requirement);
    const { version, digest } = newest;
    return [{ name, registry: before[0] === undefined ? registry : before[0].registry, requirement, version, digest }];
  });
}
