import {
  GOVERNANCE_LOG,
  isVoid,
  namespaceOf,
  OPERATOR_LOG,
  OPERATOR_LOG_ID,
  placesOfRootedness,
  placesOfStart,
  servedRootedness,
  takedownInForce,
  takedownOf,
  type AnnotationBook,
  type ClaimedHead,
  type ClaimedPlace,
  type Digest,
  type GovernanceLogs,
  type GovernanceState,
  type GovernanceStates,
  type Governor,
  type LogHome,
  type LogId,
  type Namespace,
  type PackageName,
  type PackageState,
  type Rootedness,
  type ServedGovernanceLog,
  type Takedown,
  type wargApi,
} from '@waybill/protocol';

/** A package log that was replayed. */
export interface ReplayedPackage {
  readonly name: PackageName;
  readonly logId: LogId;
  readonly state: PackageState;
  readonly annotations: AnnotationBook;
  readonly records: readonly wargApi.PublishedRecord[];
}

/** A governance log that was replayed; a log that is not there has no records. */
export interface ReplayedGovernance {
  readonly logId: LogId;
  readonly home: LogHome;
  readonly state: GovernanceState;
  readonly records: readonly wargApi.PublishedRecord[];
}

/** A takedown that holds for a package, and whose log says so. */
export interface TakedownInForce extends Takedown {
  readonly by: Governor;
}

/** A package log replayed and proven complete under a head, with its records for whoever wants to see them. */
export interface VerifiedPackage extends ReplayedPackage {
  readonly rootedness: Rootedness;
  /** As they stand at the head. */
  readonly governance: GovernanceStates;
  /** Of these logs those that are void; the registry's is `null`. */
  readonly voidGovernance: readonly (Namespace | null)[];
  /** Whether content of the package is taken down, by the registry or its namespace. */
  readonly takedownOf: (digest: Digest) => TakedownInForce | null;
}

/** A governance log proven complete under a head. */
export interface VerifiedGovernance {
  readonly home: LogHome;
  /** `null` where there is no such log, or it is void. */
  readonly state: GovernanceState | null;
  readonly records: readonly wargApi.PublishedRecord[];
  /** Those who began it might not: it decides nothing, and no other can take its place (spec/governance.md 4.2). */
  readonly isVoid: boolean;
}

/** Logs that were replayed, and whose order decides. */
export interface GovernedLogs {
  readonly operator: readonly wargApi.PublishedRecord[];
  readonly packages: readonly ReplayedPackage[];
  /** By namespace; the registry's under `null`. */
  readonly governance: ReadonlyMap<Namespace | null, ReplayedGovernance>;
}

/** The places that {@link judgeGovernance} rests on, each once, without those that are proven as heads. */
export function placesToProve(logs: GovernedLogs, heads: readonly ClaimedHead[]): ClaimedPlace[] {
  const starts = [...logs.governance.values()].flatMap((log) =>
    log.records.length === 0 ? [] : placesOfStart(servedLog(log), servedOperatorLog(logs)),
  );
  const verdicts = logs.packages.flatMap((log) => placesOfRootedness(log, governanceLogsOf(logs.governance, log.name)));
  const proven = new Set(heads.map(placeKey));
  const open = new Map([...starts, ...verdicts].map((place) => [placeKey(place), place]));
  return [...open].flatMap(([key, place]) => (proven.has(key) ? [] : [place]));
}

/** With the log, for records of version 0 do not name theirs: the same bytes in two logs are one record id and two leaves. */
function placeKey({ logId, registryIndex, recordId }: ClaimedPlace): string {
  return `${registryIndex} ${logId} ${recordId}`;
}

export interface GovernedView {
  readonly governance: ReadonlyMap<Namespace | null, VerifiedGovernance>;
  readonly packages: ReadonlyMap<PackageName, VerifiedPackage>;
}

/** What governance logs decide, once the heads of all logs and {@link placesToProve} are proven. */
export function judgeGovernance(logs: GovernedLogs): GovernedView {
  const standing = new Map<Namespace | null, ReplayedGovernance>();
  const governance = new Map<Namespace | null, VerifiedGovernance>();
  for (const [namespace, log] of logs.governance) {
    const { home, records } = log;
    const isThere = records.length > 0;
    const startedVoid = isThere && isVoid(servedLog(log), servedOperatorLog(logs));
    const isStanding = isThere && !startedVoid;
    if (isStanding) standing.set(namespace, log);
    governance.set(namespace, { home, records, state: isStanding ? log.state : null, isVoid: startedVoid });
  }
  const packages = logs.packages.map((log) => [log.name, judgePackage(log, governance, standing)] as const);
  return { governance, packages: new Map(packages) };
}

function judgePackage(
  log: ReplayedPackage,
  verified: ReadonlyMap<Namespace | null, VerifiedGovernance>,
  standing: ReadonlyMap<Namespace | null, ReplayedGovernance>,
): VerifiedPackage {
  const states = statesFor(verified, namespaceOf(log.name));
  return {
    ...log,
    governance: states,
    voidGovernance: [namespaceOf(log.name), null].filter((namespace) => verified.get(namespace)?.isVoid === true),
    rootedness: servedRootedness(log, governanceLogsOf(standing, log.name)),
    takedownOf: (digest) => standingTakedown(states, digest),
  };
}

/** What governs a namespace at the head. */
export function statesFor(
  governance: ReadonlyMap<Namespace | null, VerifiedGovernance>,
  namespace: Namespace,
): GovernanceStates {
  return { namespace: governance.get(namespace)?.state ?? null, registry: governance.get(null)?.state ?? null };
}

/** The takedown of a digest that holds in a namespace, and whose log says so. */
export function standingTakedown(states: GovernanceStates, digest: Digest): TakedownInForce | null {
  const takedown = takedownInForce(states, digest);
  if (takedown === null) return null;
  const isRegistrys = states.registry !== null && takedownOf(states.registry, digest) !== null;
  return { ...takedown, by: isRegistrys ? 'registry' : 'namespace' };
}

function governanceLogsOf(logs: ReadonlyMap<Namespace | null, ReplayedGovernance>, name: PackageName): GovernanceLogs {
  const logOf = (namespace: Namespace | null): ServedGovernanceLog | null => {
    const log = logs.get(namespace);
    return log === undefined || log.records.length === 0 ? null : servedLog(log);
  };
  return { namespace: logOf(namespaceOf(name)), registry: logOf(null) };
}

function servedLog({ logId, home, records }: ReplayedGovernance): ServedGovernanceLog {
  return { dialect: GOVERNANCE_LOG, logId, home, records };
}

function servedOperatorLog({ operator }: GovernedLogs): Parameters<typeof isVoid>[1] {
  return { dialect: OPERATOR_LOG, logId: OPERATOR_LOG_ID, home: null, records: operator };
}
