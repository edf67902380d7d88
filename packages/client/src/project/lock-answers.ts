import { RegistryError, type PackageName, type VersionText } from '@waybill/protocol';
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
  for (const [name, log] of view.packages) {
    const locked = new Set<VersionText>(lock.releases.filter((each) => each.name === name).map((each) => each.version));
    releases.set(name, releasesOf({ log, policy: 'allow', locked }));
  }
  const isFor = (need: PackageNeed, release: ReleaseId): boolean =>
    need.name === release.name && releases.get(need.name)?.takes(need.range).includes(release.version) === true;
  return (answer) => requireAnswered(answer, isFor);
}

function requireAnswered(
  { who, needs, dependencies, hosts }: LockAnswer,
  isFor: (need: PackageNeed, release: ReleaseId) => boolean,
): void {
  const isHosts = (need: PackageNeed): boolean => need.mayBeHosts && hosts.includes(needText(need));
  const unmet = needs.find((need) => !isHosts(need) && !dependencies.some((release) => isFor(need, release)));
  if (unmet !== undefined) throw contradicted(`${who} needs ${needText(unmet)}, and it gives nothing of the kind`);
  const extra = dependencies.find((release) => !needs.some((need) => isFor(need, release)));
  if (extra !== undefined) throw contradicted(`it gives ${who} ${releaseText(extra)}, which is not what that needs`);
  const unasked = hosts.find((text) => !needs.some((need) => need.mayBeHosts && needText(need) === text));
  if (unasked !== undefined) throw contradicted(`it leaves ${unasked} to the host of ${who}, which does not need it`);
}

function contradicted(what: string): RegistryError {
  return new RegistryError('lock/invalid', `${LOCK_FILE}: ${what}`, { file: LOCK_FILE });
}
