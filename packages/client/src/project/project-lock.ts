import {
  checkContinuation,
  checkOperatorPin,
  checkPlaces,
  isRegistryError,
  needsConsistencyProof,
  operatorInitKey,
  PACKAGE_LOG,
  packageLogId,
  recordIdOf,
  RegistryError,
  registryOrigin,
  releaseOf,
  reopenCheckpoint,
  type ClaimedPlace,
  type Digest,
  type RecordId,
} from '@waybill/protocol';
import { requireRooted, requireStanding } from '../governance-refusal.ts';
import type { VerifiedPackage } from '../governance-view.ts';
import type { RegistryClient, VerifiedView } from '../registry-client.ts';
import { needText, releaseText, type PackageNeed, type ReleaseId } from '../resolve/package-source.ts';
import type { Resolution } from '../resolve/resolution.ts';
import { isTreeClaim } from '../tree-fetch.ts';
import { answersIn, hostPackages } from './lock-answers.ts';
import { LOCK_FILE, type LockedKind, type LockedRelease, type ProjectLock } from './lock-file.ts';

/** What a lock is made of. */
export interface LockParts {
  readonly client: RegistryClient;
  /** What the project asks for, as {@link askedFor} has it. */
  readonly asked: readonly string[];
  readonly resolution: Resolution;
  readonly sizeOf: (content: Digest) => number;
  /** The lock before, whose history has to go on; `null` where there was none. */
  readonly previous: ProjectLock | null;
}

/** A lock, and the view under which the log was seen to say the same. */
export interface ProvenLock {
  readonly lock: ProjectLock;
  readonly view: VerifiedView;
}

/** Holds a resolution fast under one head, proven as {@link verifyLock} proves it. */
export async function makeLock({ client, asked, resolution, sizeOf, previous }: LockParts): Promise<ProvenLock> {
  const left = [...resolution.hosts, ...resolution.releases.flatMap((release) => release.hosts)];
  const view = await client.view([...new Set([...resolution.releases, ...left].map(({ name }) => name))]);
  if (previous !== null) await requireContinued(client, view, previous);
  const releases = resolution.releases.map((chosen): LockedRelease => {
    const { name, version, dependencies, hosts } = chosen;
    const { kind, digest, recordId, registryIndex } = releaseUnder(view, chosen);
    const size = sizeOf(digest);
    return { name, version, kind, digest, size, recordId, registryIndex, dependencies, hosts: hosts.map(needText) };
  });
  const lock: ProjectLock = {
    origin: registryOrigin(view.operator),
    operatorKeyId: operatorInitKey(view.operator).id,
    checkpoint: view.checkpoint,
    needs: asked,
    dependencies: resolution.dependencies,
    hosts: resolution.hosts.map(needText),
    releases,
  };
  await provePlaces(client, view, lock);
  return { lock, view };
}

/**
 * Holds a lock against the registry: the same operator and origin, a history that continues the one of the lock, each
 * release where and what the lock says, and those of the project what `needs` asks for. What the others need stands in their
 * content: {@link answersIn}.
 * Throws `lock/invalid` where the log says something else, `checkpoint/…`, `operator/changed`, `governance/unrooted`,
 * `content/taken-down`, and what {@link RegistryClient.view} throws.
 */
export async function verifyLock(
  client: RegistryClient,
  lock: ProjectLock,
  needs: readonly PackageNeed[],
): Promise<ProvenLock> {
  const view = await client.view([...new Set([...lock.releases.map(({ name }) => name), ...hostPackages(lock)])]);
  await requireContinued(client, view, lock);
  for (const locked of lock.releases) requireSame(view, locked);
  answersIn({ lock, view })({ who: 'the project', needs, dependencies: lock.dependencies, hosts: lock.hosts });
  await provePlaces(client, view, lock);
  return { lock, view };
}

/** The lock carries a head of its own: to a machine that has never seen the registry, no other history can be shown. */
async function requireContinued(client: RegistryClient, view: VerifiedView, lock: ProjectLock): Promise<void> {
  checkOperatorPin(view.operator, lock.operatorKeyId);
  const origin = registryOrigin(view.operator);
  if (origin !== lock.origin) throw contradicted(`it is of the registry ${lock.origin}, and this one is ${origin}`);
  await client.withEvidence(async () => {
    const earlier = await reopenCheckpoint(lock.checkpoint, view.operator);
    const [from, to] = [earlier.contents.logLength, view.checkpoint.contents.logLength];
    const isLonger = needsConsistencyProof(earlier, view.checkpoint) && from < to;
    checkContinuation(earlier, view.checkpoint, isLonger ? await client.api.consistency(from, to) : null);
  });
}

function requireSame(view: VerifiedView, locked: LockedRelease): void {
  const found = releaseUnder(view, locked);
  for (const key of ['kind', 'digest', 'recordId', 'registryIndex'] as const) {
    if (found[key] === locked[key]) continue;
    throw contradicted(`it says ${key} ${locked[key]} of ${releaseText(locked)}, and the log ${found[key]}`);
  }
}

interface FoundRelease {
  readonly kind: LockedKind;
  readonly digest: Digest;
  readonly recordId: RecordId;
  readonly registryIndex: number;
}

function releaseUnder(view: VerifiedView, { name, version }: ReleaseId): FoundRelease {
  const log = packageUnder(view, name);
  requireRooted(log);
  const { release, content } = lockedRelease(log, { name, version });
  requireStanding(log, content, releaseText({ name, version }));
  const record = log.records.find(
    ({ envelope }) => recordIdOf(PACKAGE_LOG.kind, envelope.contents) === release.recordId,
  );
  if (record === undefined) throw new TypeError('a release without its record');
  const kind = isTreeClaim(release.claim) ? 'tree' : 'file';
  return { kind, digest: content, recordId: release.recordId, registryIndex: record.registryIndex };
}

function packageUnder({ packages }: VerifiedView, name: ReleaseId['name']): VerifiedPackage {
  const log = packages.get(name);
  if (log !== undefined) return log;
  throw contradicted(`it holds ${name}, and the registry has no such package`);
}

function lockedRelease(log: VerifiedPackage, release: ReleaseId): ReturnType<typeof releaseOf> {
  try {
    return releaseOf(log.state, release.version);
  } catch (cause) {
    if (!isRegistryError(cause, 'release/not-found')) throw cause;
    throw contradicted(`it holds ${releaseText(release)}, and the log has no such release`, cause);
  }
}

/** An index that no head proves is one that the registry only claims. */
async function provePlaces(client: RegistryClient, view: VerifiedView, lock: ProjectLock): Promise<void> {
  const places = new Map<number, ClaimedPlace>();
  for (const { name, recordId, registryIndex } of lock.releases) {
    places.set(registryIndex, { logId: packageLogId(name), recordId, registryIndex });
  }
  // That the package was begun after the lock was made, too.
  for (const name of hostPackages(lock)) {
    const [first] = view.packages.get(name)?.records ?? [];
    if (first === undefined) continue;
    const recordId = recordIdOf(PACKAGE_LOG.kind, first.envelope.contents);
    places.set(first.registryIndex, { logId: packageLogId(name), recordId, registryIndex: first.registryIndex });
  }
  if (places.size === 0) return;
  const bundle = await client.reading(() => client.api.leaves(view.checkpoint.contents.logLength, [...places.keys()]));
  await client.withEvidence(async () => checkPlaces(view.checkpoint, [...places.values()], bundle));
}

function contradicted(what: string, cause?: unknown): RegistryError {
  return new RegistryError('lock/invalid', `${LOCK_FILE}: ${what}`, { file: LOCK_FILE }, { cause });
}
