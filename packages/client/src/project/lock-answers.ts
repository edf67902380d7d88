import { parsePackageName, RegistryError, type PackageName, type VersionText } from '@waybill/protocol';
import { releasesOf } from '../requirement.ts';
import {
  needText,
  releaseText,
  type PackageNeed,
  type PackageReleases,
  type ReleaseId,
} from '../resolve/package-source.ts';
import type { VerifiedView } from '../registry-client.ts';
import { LOCK_FILE, type ProjectLock } from './lock-file.ts';

/** Who asks, for what, and what a lock says that it gets. */
export interface LockAnswer {
  /** For messages. */
  readonly who: string;
  readonly needs: readonly PackageNeed[];
  readonly dependencies: readonly ReleaseId[];
  readonly hosts: readonly string[];
}

/**
 * Holds what a lock says of who needs what against what is asked: whoever can write a lock can write its hash, and each release
 * in it may be a true one that nobody wants (SECURITY.md U5). The function that it gives throws `lock/invalid`.
 */
export function answersIn({
  lock,
  view,
}: {
  readonly lock: ProjectLock;
  readonly view: VerifiedView;
}): (answer: LockAnswer) => void {
  const releases = new Map<PackageName, PackageReleases>();
  for (const name of new Set(lock.releases.map((each) => each.name))) {
    const log = view.packages.get(name);
    if (log === undefined) continue;
    const locked = new Set<VersionText>(lock.releases.filter((each) => each.name === name).map((each) => each.version));
    releases.set(name, releasesOf({ log, policy: 'allow', locked }));
  }
  const isFor = (need: PackageNeed, release: ReleaseId): boolean =>
    need.name === release.name && releases.get(need.name)?.takes(need.range).includes(release.version) === true;
  return (answer) => {
    requireAnswered(answer, isFor);
    for (const need of answer.needs) if (isLeft(answer, need)) requireHosts(answer.who, need, { lock, view });
  };
}

/** The packages that a lock leaves to a host: whoever holds it against a registry asks for these, too. */
export function hostPackages({ hosts, releases }: Pick<ProjectLock, 'hosts' | 'releases'>): PackageName[] {
  const texts = [...hosts, ...releases.flatMap((release) => release.hosts)];
  return texts.flatMap((text) => {
    try {
      return [parsePackageName(text.split(' ')[0] ?? '')];
    } catch {
      // Such a text answers no need, and is refused for that.
      return [];
    }
  });
}

function isLeft({ hosts }: LockAnswer, need: PackageNeed): boolean {
  return need.mayBeHosts && hosts.includes(needText(need));
}

/**
 * Only what the registry did not have when the lock was made is the host's: else whoever forges a lock could keep a package away
 * from those that ask for it. One that was begun later changes no lock.
 */
function requireHosts(
  who: string,
  need: PackageNeed,
  { lock, view }: { readonly lock: ProjectLock; readonly view: VerifiedView },
): void {
  const begun = view.packages.get(need.name)?.records[0]?.registryIndex;
  if (begun === undefined && !view.absent.has(need.name)) throw new TypeError(`${need.name} was not asked for`);
  if (begun === undefined || begun >= lock.checkpoint.contents.logLength) return;
  const what = `${needText(need)} to the host of ${who}`;
  throw contradicted(`it leaves ${what}, and the registry had that package when the lock was made`);
}

function requireAnswered(answer: LockAnswer, isFor: (need: PackageNeed, release: ReleaseId) => boolean): void {
  const { who, needs, dependencies, hosts } = answer;
  const unmet = needs.find((need) => !isLeft(answer, need) && !dependencies.some((release) => isFor(need, release)));
  if (unmet !== undefined) throw contradicted(`${who} needs ${needText(unmet)}, and it gives nothing of the kind`);
  const extra = dependencies.find((release) => !needs.some((need) => isFor(need, release)));
  if (extra !== undefined) throw contradicted(`it gives ${who} ${releaseText(extra)}, which is not what that needs`);
  const unasked = hosts.find((text) => !needs.some((need) => need.mayBeHosts && needText(need) === text));
  if (unasked !== undefined) throw contradicted(`it leaves ${unasked} to the host of ${who}, which does not need it`);
}

function contradicted(what: string): RegistryError {
  return new RegistryError('lock/invalid', `${LOCK_FILE}: ${what}`, { file: LOCK_FILE });
}
