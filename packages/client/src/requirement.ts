import {
  compareVersions,
  isDigest,
  isStable,
  parsePackageName,
  parseVersion,
  RegistryError,
  releaseOf,
  type Advisory,
  type Deprecation,
  type FetchableRelease,
  type PackageName,
  type PackageState,
  type Statement,
  type VersionText,
} from '@waybill/protocol';
import semver from 'semver';
import { requireRooted, requireStanding, takenDownError } from './governance-refusal.ts';
import type { TakedownInForce, VerifiedPackage } from './governance-view.ts';

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

/** What is said of a release that whoever takes it should know. */
export interface Warnings {
  readonly deprecation: Statement<Deprecation> | null;
  /** Those that affect it. */
  readonly advisories: readonly Statement<Advisory>[];
}

/** A release that is affected by advisories, or whose content is taken down. */
export interface PassedOver {
  readonly version: VersionText;
  readonly advisories: readonly Statement<Advisory>[];
  readonly takedown: TakedownInForce | null;
}

/** A release with what must be said beside it. */
export interface ResolvedRelease extends FetchableRelease, Warnings {
  /** Newer ones that match, and were not taken. */
  readonly passedOver: readonly PassedOver[];
}

/** What a choice rests on. */
export type ResolvableLog = Pick<VerifiedPackage, 'name' | 'state' | 'annotations' | 'rootedness' | 'takedownOf'>;

/** What is done with releases that advisories affect, where a range leaves a choice. */
export type AdvisoryPolicy = 'pass over' | 'allow';

/**
 * The release that a requirement means: exactly the version written, else the newest in the range; pre-releases only where
 * the range names one of the same version. A yanked version is given only to whoever names exactly it, one that an advisory
 * affects also to whoever allows that, and a deprecated one only where there is no other; one whose content is taken down to
 * nobody. Throws `release/not-found`, `governance/unrooted`, `release/affected` where advisories stand in the way, and
 * `content/taken-down` where takedowns alone do.
 */
export function resolveRelease(
  log: ResolvableLog,
  { name, version }: Requirement,
  policy: AdvisoryPolicy,
): ResolvedRelease {
  requireRooted(log);
  if (version !== null && isVersion(version)) return named(log, parseVersion(version));
  const matches = version === null ? isStable : (candidate: VersionText) => semver.satisfies(candidate, version);
  const passedOver: PassedOver[] = [];
  let deprecated: ResolvedRelease | null = null;
  for (const candidate of standingVersions(log.state, matches)) {
    const advisories = log.annotations.advisoriesOf(candidate, isAffected);
    const takedown = takedownOfRelease(log, candidate);
    const isAvoided = policy === 'pass over' && advisories.length > 0;
    if (takedown !== null || isAvoided) passedOver.push({ version: candidate, advisories, takedown });
    else if (log.annotations.deprecationOf(candidate) === null) return resolved(log, candidate, [...passedOver]);
    else deprecated ??= resolved(log, candidate, [...passedOver]);
  }
  if (deprecated !== null) return deprecated;
  const wanted = version === null ? 'stable release' : `release that satisfies ${version}`;
  throw nothingToTake(name, wanted, passedOver);
}

function named(log: ResolvableLog, version: VersionText): ResolvedRelease {
  const found = resolved(log, version, []);
  requireStanding(log, found.content, `${log.name}@${version}`);
  return found;
}

function takedownOfRelease({ state, takedownOf }: ResolvableLog, version: VersionText): TakedownInForce | null {
  const content = state.bindings.get(version)?.content;
  return content !== undefined && isDigest(content) ? takedownOf(content) : null;
}

/** Advisories come first: whoever asks for it gets such a release. */
function nothingToTake(name: PackageName, wanted: string, passedOver: readonly PassedOver[]): RegistryError {
  const affected = passedOver.find(({ takedown }) => takedown === null);
  if (affected !== undefined) return affectedError(name, wanted, affected);
  const [newest] = passedOver;
  if (newest?.takedown)
    return takenDownError(name, `${name}@${newest.version}, the newest ${wanted},`, newest.takedown);
  return new RegistryError('release/not-found', `${name} has no ${wanted} that is not yanked`);
}

function resolved(
  { state, annotations }: ResolvableLog,
  version: VersionText,
  passedOver: readonly PassedOver[],
): ResolvedRelease {
  const deprecation = annotations.deprecationOf(version);
  return {
    ...releaseOf(state, version),
    deprecation,
    advisories: annotations.advisoriesOf(version, isAffected),
    passedOver,
  };
}

/** Newest first. */
function standingVersions({ bindings }: PackageState, matches: (version: VersionText) => boolean): VersionText[] {
  const releases = [...bindings.values()].filter(({ version, state }) => state.status !== 'yanked' && matches(version));
  return releases.map(({ version }) => version).toSorted((a, b) => compareVersions(b, a));
}

/**
 * Whether a release is in the range of an advisory, pre-releases by their place among all others: what is wrong with 1.2.0 is
 * not right in its candidates. A range or a version that npm's rules do not read affects (spec/version1.md 6.5).
 */
function isAffected(range: string, version: VersionText): boolean {
  if (semver.validRange(range) === null || semver.valid(version) === null) return true;
  return semver.satisfies(version, range, { includePrerelease: true });
}

function affectedError(name: PackageName, wanted: string, { version, advisories }: PassedOver): RegistryError {
  const why = advisories.map(advisoryText).join('; ');
  const [first] = advisories;
  return new RegistryError(
    'release/affected',
    `each ${wanted} of ${name} is affected by an advisory; of the newest, ${version}: ${why}`,
    { version, advisory: first?.body.id ?? '', severity: first?.body.severity ?? '' },
  );
}

/** An advisory in a sentence. */
export function advisoryText({ body: { id, severity, message, fixed } }: Statement<Advisory>): string {
  const what = message === null || message === '' ? '' : `: ${message}`;
  return `${id} (${severity})${what}${fixed === null ? '' : `, fixed in ${fixed.join(', ')}`}`;
}
