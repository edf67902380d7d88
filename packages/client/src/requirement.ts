import {
  compareVersions,
  isDigest,
  isStable,
  messageOf,
  parsePackageName,
  parseVersion,
  RegistryError,
  releaseOf,
  type Advisory,
  type Deprecation,
  type FetchableRelease,
  type PackageName,
  type Statement,
  type VersionText,
} from '@waybill/protocol';
import semver from 'semver';
import { requireRooted, requireStanding, takenDownError } from './governance-refusal.ts';
import type { TakedownInForce, VerifiedPackage } from './governance-view.ts';
import type { PackageReleases } from './resolve/package-source.ts';

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

/** A requirement, and what of its tree is wanted. */
export interface Target {
  readonly requirement: Requirement;
  /** A path, a folder or a glob; `null` for all of it. */
  readonly path: string | null;
}

/** Reads a requirement with a path after it: `ns:name@1.2.3/wit/world.wit`. Throws as {@link parseRequirement}. */
export function parseTarget(text: string): Target {
  // Neither a name nor a range has a slash.
  const at = text.indexOf('/');
  if (at < 0) return { requirement: parseRequirement(text), path: null };
  const path = text.slice(at + 1);
  if (path !== '') return { requirement: parseRequirement(text.slice(0, at)), path };
  throw new RegistryError('usage/invalid', `${text} ends with a slash: name a file, a folder or a pattern after it`);
}

/** True for a whole version. */
export function isVersion(text: string): boolean {
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
  const isInRange = rangeTest(version, (text) => semver.parse(text));
  const passedOver: PassedOver[] = [];
  let deprecated: ResolvedRelease | null = null;
  for (const candidate of judgedReleases(log, policy)) {
    if (candidate.verdict === 'yanked' || !isInRange(candidate.version)) continue;
    if (candidate.verdict === 'passed over') passedOver.push(candidate);
    else if (candidate.verdict === 'taken') return resolved(log, candidate.version, [...passedOver]);
    else deprecated ??= resolved(log, candidate.version, [...passedOver]);
  }
  if (deprecated !== null) return deprecated;
  const wanted = version === null ? 'stable release' : `release that satisfies ${version}`;
  throw nothingToTake(name, wanted, passedOver);
}

/** A release, and what is done with it where a range leaves a choice. */
interface JudgedRelease extends PassedOver {
  readonly verdict: 'taken' | 'taken last' | 'passed over' | 'yanked';
}

/** Newest first. */
function judgedReleases(log: ResolvableLog, policy: AdvisoryPolicy): JudgedRelease[] {
  const releases = [...log.state.bindings.values()].toSorted((a, b) => compareVersions(b.version, a.version));
  return releases.map(({ version, state }) => {
    const { advisories, deprecation } = warningsAbout(log, version);
    const takedown = takedownOfRelease(log, version);
    const isAvoided = takedown !== null || (policy === 'pass over' && advisories.length > 0);
    const standing = isAvoided ? 'passed over' : deprecation !== null ? 'taken last' : 'taken';
    return { version, advisories, takedown, verdict: state.status === 'yanked' ? 'yanked' : standing };
  });
}

/** As `semver.satisfies`, with the range read once. Nothing asked for means what is stable. */
function rangeTest(
  range: string | null,
  readVersion: (version: VersionText) => semver.SemVer | null,
): (version: VersionText) => boolean {
  if (range === null) return isStable;
  const wanted = rangeOf(range);
  return (version) => {
    const read = readVersion(version);
    return read !== null && wanted !== null && wanted.test(read);
  };
}

/** `null` for what npm's rules do not read. */
function rangeOf(text: string): semver.Range | null {
  try {
    return new semver.Range(text);
  } catch {
    return null;
  }
}

/** Nothing asked for means what is stable. */
export function isInRange(version: VersionText, range: string | null): boolean {
  return range === null ? isStable(version) : semver.satisfies(version, range);
}

/** What a resolver that chooses for many at once may do with one package. */
export interface ResolvablePackage {
  readonly log: ResolvableLog;
  readonly policy: AdvisoryPolicy;
  /** Releases that a lock file names: they come first, also where one has been yanked or an advisory came since. */
  readonly locked: ReadonlySet<VersionText>;
}

/**
 * The releases of a package, under the same rules as {@link resolveRelease}. Throws `governance/unrooted`.
 */
export function releasesOf({ log, policy, locked }: ResolvablePackage): PackageReleases {
  requireRooted(log);
  const judged = judgedReleases(log, policy);
  const rank = ({ version, verdict }: JudgedRelease): number =>
    locked.has(version) ? 0 : verdict === 'taken' ? 1 : verdict === 'taken last' ? 2 : 3;
  const versions = judged.toSorted((a, b) => rank(a) - rank(b));
  // A package that many need is asked about many ranges.
  const read = new Map(versions.map(({ version }) => [version, semver.parse(version)]));
  const takes = (range: string | null): VersionText[] => {
    const isExact = range !== null && isVersion(range);
    const isInRange = rangeTest(range, (version) => read.get(version) ?? null);
    const taken = versions.filter((release) => {
      if (isExact) return release.version === range && release.takedown === null;
      const isWelcome = release.verdict === 'taken' || release.verdict === 'taken last' || locked.has(release.version);
      return isWelcome && release.takedown === null && isInRange(release.version);
    });
    return taken.map(({ version }) => version);
  };
  const whyNone = (range: string | null): string => refusalText(log, { name: log.name, version: range }, policy);
  return { versions: versions.map(({ version }) => version), takes, whyNone };
}

function refusalText(log: ResolvableLog, requirement: Requirement, policy: AdvisoryPolicy): string {
  try {
    return `${resolveRelease(log, requirement, policy).release.version} cannot be taken`;
  } catch (failure) {
    return messageOf(failure);
  }
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

function resolved(log: ResolvableLog, version: VersionText, passedOver: readonly PassedOver[]): ResolvedRelease {
  return { ...releaseOf(log.state, version), ...warningsAbout(log, version), passedOver };
}

/** What is said of a version. */
export function warningsAbout({ annotations }: Pick<ResolvableLog, 'annotations'>, version: VersionText): Warnings {
  return {
    deprecation: annotations.deprecationOf(version),
    advisories: annotations.advisoriesOf(version, isAffected),
  };
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
export function advisoryText({ body: { id, severity, message, fixed } }: Pick<Statement<Advisory>, 'body'>): string {
  const what = message === null || message === '' ? '' : `: ${message}`;
  return `${id} (${severity})${what}${fixed === null ? '' : `, fixed in ${fixed.join(', ')}`}`;
}
