import { isRegistryError } from '../errors.ts';
import { parsePackageName, type PackageName } from '../names/package-name.ts';
import { isPreRelease, parseVersion, type VersionText } from '../names/version.ts';

/** A package that some content names. */
export interface DependencyEdge {
  readonly name: PackageName;
  /** A version or a range, as npm writes it; `null` where none is said. */
  readonly range: string | null;
  /** An interface of the package is named, and whoever has it may give it: a host, too. Else the package itself is wanted. */
  readonly isInterface: boolean;
  /** The digest of what is wanted as the name states it (`sha256-…`): only in names of old. */
  readonly integrity: string | null;
}

/** The name of an import, with the attributes that say more of it. */
export interface ImportName {
  readonly name: string;
  /** The interface that a plain name stands for. */
  readonly implements: string | null;
  /** What was cut from the version of the name: `.6` of `@0.2`. */
  readonly versionSuffix: string | null;
}

/** Names that one content may have looked at; the rest is not read. */
export const IMPORT_NAMES_MAX = 100_000;
/** A name that is longer names no package. */
const NAME_LENGTH_MAX = 4_096;

const INTERFACE = /^([^/@]+)\/[^@]+(?:@(.+))?$/;
const LOCKED = /^locked-dep=<([^/@>]+)(?:\/[^@>]*)?(?:@([^>]+))?>/;
const UNLOCKED = /^unlocked-dep=<([^/@>]+)(?:\/[^@>]*)?(?:@(?:\*|\{([^}]*)\}))?>/;
const INTEGRITY = /(?:^|,)integrity=<([^>]*)>/;
/** What is left of a version when only what decides about compatibility is written: `1`, `0.2`. */
const COMPATIBILITY = /^(?:[1-9][0-9]{0,17}|0\.[1-9][0-9]{0,17})$/;
const BOUND = /^(>=|<)(.+)$/;

/** The packages that import names lead to, each edge once, in the order of the names. What leads to no package is left out. */
export function dependencyEdges(imports: readonly ImportName[]): DependencyEdge[] {
  const edges = new Map<string, DependencyEdge>();
  for (const each of imports.slice(0, IMPORT_NAMES_MAX)) {
    const edge = edgeOf(each);
    if (edge === null) continue;
    edges.set(`${edge.name} ${edge.range} ${edge.isInterface} ${edge.integrity}`, edge);
  }
  return [...edges.values()];
}

function edgeOf(of: ImportName): DependencyEdge | null {
  const text = of.implements ?? of.name;
  if (text.length > NAME_LENGTH_MAX) return null;
  return lockedEdge(text) ?? unlockedEdge(text) ?? interfaceEdge(text, of.versionSuffix ?? '');
}

/** Whoever has 0.2.6 needs it or what took its place, up to 0.3: what the component model calls compatible. */
function interfaceEdge(text: string, suffix: string): DependencyEdge | null {
  const [, packageText = '', versionText] = INTERFACE.exec(text) ?? [];
  const name = packageNameIn(packageText);
  if (name === null) return null;
  if (versionText === undefined) return { name, range: null, isInterface: true, integrity: null };
  const range = compatibleRange(`${versionText}${suffix}`);
  return range === null ? null : { name, range, isInterface: true, integrity: null };
}

/** The range of releases that can stand for a version of an interface; `null` for what is no version. */
function compatibleRange(text: string): string | null {
  if (COMPATIBILITY.test(text)) return `^${text}`;
  const version = versionIn(text);
  // Nothing is promised about a pre-release, so that only it itself will do.
  if (version !== null && isPreRelease(version)) return version;
  return version === null ? null : `^${version}`;
}

function lockedEdge(text: string): DependencyEdge | null {
  const [, packageText = '', versionText] = LOCKED.exec(text) ?? [];
  const name = packageNameIn(packageText);
  if (name === null) return null;
  const version = versionText === undefined ? null : versionIn(versionText);
  if (versionText !== undefined && version === null) return null;
  return { name, range: version, isInterface: false, integrity: INTEGRITY.exec(text)?.[1] ?? null };
}

function unlockedEdge(text: string): DependencyEdge | null {
  const [, packageText = '', bounds] = UNLOCKED.exec(text) ?? [];
  const name = packageNameIn(packageText);
  if (name === null) return null;
  const range = bounds === undefined ? '*' : rangeOf(bounds);
  return range === null ? null : { name, range, isInterface: false, integrity: null };
}

/** `>=1.0.0 <2.0.0`, or one of the two. */
function rangeOf(bounds: string): string | null {
  const parts = bounds.split(' ');
  const areBounds = parts.length <= 2 && parts.every((part) => versionIn(BOUND.exec(part)?.[2] ?? '') !== null);
  return areBounds ? parts.join(' ') : null;
}

function packageNameIn(text: string): PackageName | null {
  try {
    return parsePackageName(text);
  } catch (failure) {
    return noName(failure);
  }
}

function versionIn(text: string): VersionText | null {
  try {
    return parseVersion(text);
  } catch (failure) {
    return noName(failure);
  }
}

function noName(failure: unknown): null {
  if (isRegistryError(failure, 'text/package-name', 'text/version')) return null;
  throw failure;
}
