import {
  isRegistryError,
  namespaceLogId,
  namespaceOf,
  policyInForce,
  readAnnotations,
  REGISTRY_LOG_ID,
  RegistryError,
  rootednessOf,
  takedownInForce,
  type Digest,
  type ErrorCode,
  type GovernanceState,
  type GovernanceStates,
  type LogId,
  type Namespace,
  type PackageEntry,
  type PackageName,
  type Policy,
  type SignedRecord,
  type Takedown,
} from '@waybill/protocol';
import { namedContents } from './named-content.ts';
import type { GovernanceLogStates } from './state-caches.ts';

const REFUSALS: readonly ErrorCode[] = ['governance/unrooted', 'content/taken-down', 'oci/gateway'];

/** True for what the gate threw: no other try of the same record will fare better. */
export function isGateRefusal(thrown: unknown): boolean {
  return isRegistryError(thrown, ...REFUSALS);
}

/** What the governance logs let into packages, as these logs stand: spec/governance.md 5.3 and 6.4. */
export class GovernanceGate {
  readonly #states: GovernanceLogStates;
  /** Of namespaces that are defined, or were asked for as such. */
  readonly #logIds = new Map<Namespace, LogId>();

  constructor(states: GovernanceLogStates) {
    this.#states = states;
  }

  /** {@link check}, whatever has to be loaded for it. */
  async admit(name: PackageName, record: SignedRecord<PackageEntry>): Promise<void> {
    while (!this.isReady(name)) await this.load(name);
    this.check(name, record);
  }

  /** True when the checks have an answer at once. It may be otherwise after the next `await`. */
  isReady(name: PackageName): boolean {
    return this.#standing(name) !== null;
  }

  /** To be called until {@link isReady}. Throws `storage/damaged`. */
  async load(name: PackageName): Promise<void> {
    await this.#states.load(REGISTRY_LOG_ID);
    await this.#states.load(this.#logIdOf(name));
  }

  /**
   * For a record that comes next in the log of the package. Throws `governance/unrooted`, `content/taken-down`, and `oci/gateway`
   * for a release on behalf of somebody where the policy has come to refuse that.
   */
  check(name: PackageName, record: SignedRecord<PackageEntry>): void {
    const before = this.#required(name);
    if (before.namespace === null && before.registry === null) return;
    if (record.prev === null) requireRooted(before, name, record);
    if (policyInForce(before)?.gateway === 'refused') refuseOnBehalf(name, record);
    for (const { digest } of namedContents(record)) requireStanding(before, digest);
  }

  /** Throws `content/taken-down`. */
  async admitContent(name: PackageName, digest: Digest): Promise<void> {
    while (!this.isReady(name)) await this.load(name);
    requireStanding(this.#required(name), digest);
  }

  /** The policy in force for the package; `null` without one. */
  async policyFor(name: PackageName): Promise<Policy | null> {
    while (!this.isReady(name)) await this.load(name);
    return policyInForce(this.#required(name));
  }

  #required(name: PackageName): GovernanceStates {
    const standing = this.#standing(name);
    if (standing === null) throw new TypeError('the governance logs are not in memory');
    return standing;
  }

  #standing(name: PackageName): GovernanceStates | null {
    const [namespace, registry] = [this.#states.cached(this.#logIdOf(name)), this.#states.cached(REGISTRY_LOG_ID)];
    return namespace && registry && { namespace: begun(namespace), registry: begun(registry) };
  }

  #logIdOf(name: PackageName): LogId {
    const namespace = namespaceOf(name);
    const known = this.#logIds.get(namespace);
    if (known !== undefined) return known;
    const logId = namespaceLogId(namespace);
    this.#logIds.set(namespace, logId);
    return logId;
  }
}

function begun(state: GovernanceState): GovernanceState | null {
  return state.length === 0 ? null : state;
}

function requireRooted(before: GovernanceStates, name: PackageName, first: SignedRecord<PackageEntry>): void {
  const rootedness = rootednessOf(before, first);
  if (rootedness.verdict === 'rooted') return;
  const { reason } = rootedness;
  const namespace = namespaceOf(name);
  const why =
    reason === 'abandoned'
      ? `namespace ${namespace} is abandoned, and no package begins there any more`
      : `the policy for namespace ${namespace} lists other keys: begin it with one of those, or have its owners list yours`;
  throw new RegistryError('governance/unrooted', `${name} may not begin: ${why}`, { namespace, reason });
}

/** By what the record says of itself: nothing signed says which key is a gateway's. */
function refuseOnBehalf(name: PackageName, record: SignedRecord<PackageEntry>): void {
  if (!record.entries.some(({ type }) => type === 'release')) return;
  const isOnBehalf = readAnnotations(record).some(
    (read) => 'annotation' in read && read.annotation.type === 'on-behalf',
  );
  if (!isOnBehalf) return;
  const why = `the owners of namespace ${namespaceOf(name)} let no registry sign for others`;
  throw new RegistryError('oci/gateway', `${why}: publish ${name} with waybill publish`, { package: name });
}

function requireStanding(before: GovernanceStates, digest: Digest): void {
  const takedown = takedownInForce(before, digest);
  if (takedown !== null) throw takenDown(takedown);
}

/** Whoever asks is told what the log says of it. */
export function takenDown({ digest, code, reason, recordId }: Takedown): RegistryError {
  const why = reason === '' ? code : `${code}: ${reason}`;
  const message = `content ${digest} is taken down by record ${recordId} (${why})`;
  return new RegistryError('content/taken-down', message, { digest, code, reason, recordId });
}
