import { RegistryError, type PackageName, type VersionText } from '@waybill/protocol';
import { trackOf } from '@waybill/protocol/content';
import type { Clock, ContentCache } from '../ports.ts';
import type { RegistryClient } from '../registry-client.ts';
import type { AdvisoryPolicy } from '../requirement.ts';
import { releaseText, type ReleaseId } from '../resolve/package-source.ts';
import { resolveProject } from '../resolve/resolution.ts';
import type { LockedRelease, ProjectLock } from './lock-file.ts';
import { makeLock, type ProvenLock } from './project-lock.ts';
import { askedFor, projectNeeds, type ProjectWishes } from './project-needs.ts';
import { ProjectSource, type ContentReader } from './project-source.ts';
import { WKG_LOCK_FILE, type WkgLocked } from './wkg-files.ts';

export interface ChoiceParts {
  readonly client: RegistryClient;
  readonly cache: ContentCache;
  readonly reader: ContentReader;
  readonly clock: Clock;
  readonly policy: AdvisoryPolicy;
  readonly onStep: (what: string) => void;
}

/** What a project wants, and what it had. */
export interface ProjectChoice {
  readonly wishes: ProjectWishes;
  /** Taken again wherever it fits. */
  readonly kept: readonly ReleaseId[];
  /** What was locked before, be it kept or not. */
  readonly previous: ProjectLock | null;
}

/**
 * Chooses releases for a project, and proves them. Throws `resolution/…`, `release/…`, and what {@link RegistryClient.view} and
 * fetching throw.
 */
export async function chooseReleases(
  { wishes, kept, previous }: ProjectChoice,
  parts: ChoiceParts,
): Promise<ProvenLock> {
  const source = new ProjectSource({ ...parts, locked: byPackage(kept), overrides: wishes.overrides });
  const resolution = await resolveProject(projectNeeds(wishes), { source, clock: parts.clock });
  parts.onStep('verifying the log');
  const sizeOf = source.sizeOf.bind(source);
  return makeLock({ client: parts.client, asked: askedFor(wishes), resolution, sizeOf, previous });
}

function byPackage(releases: readonly ReleaseId[]): Map<PackageName, Set<VersionText>> {
  const versions = new Map<PackageName, Set<VersionText>>();
  for (const { name, version } of releases) versions.set(name, (versions.get(name) ?? new Set()).add(version));
  return versions;
}

/** Whether a lock answers what a project asks for now. */
export function isUpToDate(lock: ProjectLock, wishes: ProjectWishes): boolean {
  const asked = askedFor(wishes);
  return asked.length === lock.needs.length && asked.every((need, i) => need === lock.needs[i]);
}

/** What wkg has locked is the same here, or one of the two registries lies. Throws `lock/invalid`. */
export function requireAgreement(lock: ProjectLock, wkg: readonly WkgLocked[]): void {
  for (const { name, version, digest } of wkg) {
    const found = lock.releases.find((release) => release.name === name && release.version === version);
    if (found === undefined || found.digest === digest) continue;
    const message = `${WKG_LOCK_FILE} says ${digest} of ${releaseText(found)}, and the log ${found.digest}`;
    throw new RegistryError('lock/invalid', message, { file: WKG_LOCK_FILE });
  }
}

/** What one lock has and another has not. */
export interface LockChanges {
  readonly added: readonly LockedRelease[];
  readonly removed: readonly LockedRelease[];
  /** Of one track, where there is one that both have. */
  readonly changed: readonly { readonly from: LockedRelease; readonly to: LockedRelease }[];
  /** What a release asks for, of the host or of others, and the one in its place did not: SECURITY wants it seen. */
  readonly asksAnew: readonly { readonly release: LockedRelease; readonly what: readonly string[] }[];
}

/** From nothing where there was no lock before. */
export function lockChanges(before: ProjectLock | null, after: ProjectLock): LockChanges {
  const old = before?.releases ?? [];
  const isIn = (releases: readonly LockedRelease[], one: LockedRelease): boolean =>
    releases.some(({ name, version }) => name === one.name && version === one.version);
  const gone = old.filter((release) => !isIn(after.releases, release));
  const come = after.releases.filter((release) => !isIn(old, release));
  const changed = come.flatMap((to) => {
    const from = predecessorOf(to, { gone, come });
    return from === undefined ? [] : [{ from, to }];
  });
  const asksAnew = changed.flatMap(({ from, to }) => {
    const known = new Set(askedOf(from));
    const what = askedOf(to).filter((name) => !known.has(name));
    return what.length === 0 ? [] : [{ release: to, what }];
  });
  return {
    added: come.filter((release) => !changed.some(({ to }) => to === release)),
    removed: gone.filter((release) => !changed.some(({ from }) => from === release)),
    changed,
    asksAnew,
  };
}

/** What a release is held against is what it takes the place of: one of another track may have asked for more. */
function predecessorOf(
  release: LockedRelease,
  { gone, come }: Readonly<Record<'gone' | 'come', readonly LockedRelease[]>>,
): LockedRelease | undefined {
  const isOfTrack = (a: LockedRelease, b: LockedRelease): boolean =>
    a.name === b.name && trackOf(a.version) === trackOf(b.version);
  const isTaken = (one: LockedRelease): boolean => come.some((other) => isOfTrack(one, other));
  return gone.find((one) => isOfTrack(one, release)) ?? gone.find((one) => one.name === release.name && !isTaken(one));
}

/** Names alone: another version of what it has asked for before is no news. */
function askedOf({ dependencies, hosts }: LockedRelease): string[] {
  return [...dependencies.map(({ name }) => String(name)), ...hosts.map((text) => text.split(' ')[0] ?? '')];
}

/** How the project comes to a release: the shortest way, the project's own dependency first; empty where there is none. */
export function wayTo(lock: ProjectLock, release: ReleaseId): ReleaseId[] {
  const byText = new Map(lock.releases.map((each) => [releaseText(each), each]));
  const from = new Map<string, ReleaseId | null>(lock.dependencies.map((each) => [releaseText(each), null]));
  const reached = [...lock.dependencies];
  for (const at of reached) {
    for (const next of byText.get(releaseText(at))?.dependencies ?? []) {
      if (from.has(releaseText(next))) continue;
      from.set(releaseText(next), at);
      reached.push(next);
    }
  }
  const way: ReleaseId[] = [];
  if (!from.has(releaseText(release))) return way;
  for (let at: ReleaseId | null = release; at !== null; at = from.get(releaseText(at)) ?? null) way.unshift(at);
  return way;
}
