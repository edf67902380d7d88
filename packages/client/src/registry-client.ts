import {
  AnnotationBook,
  checkAbsence,
  checkContinuation,
  checkFreshness,
  checkHeads,
  checkOperatorPin,
  checkPlaces,
  equalBytes,
  GOVERNANCE_LOG,
  governanceLogId,
  isRegistryError,
  lengthThatTells,
  messageOf,
  namespaceOf,
  needsConsistencyProof,
  openCheckpoint,
  OPERATOR_LOG,
  OPERATOR_LOG_ID,
  operatorInitKey,
  PACKAGE_LOG,
  packageLogId,
  recordIdOf,
  RegistryError,
  registryOrigin,
  reopenCheckpoint,
  standsAt,
  type ClaimedHead,
  type Digest,
  type ErrorCode,
  type LogHead,
  type LogId,
  type LogKind,
  type Namespace,
  type OperatorState,
  type PackageName,
  type SignedCheckpoint,
  type VerifiedCheckpoint,
  type wargApi,
} from '@waybill/protocol';
import {
  judgeGovernance,
  placesToProve,
  type GovernedLogs,
  type GovernedView,
  type ReplayedGovernance,
  type ReplayedPackage,
  type VerifiedGovernance,
} from './governance-view.ts';
import { fetchLogs, type FetchedLogs } from './log-fetch.ts';
import { replayServed } from './log-replay.ts';
import type { LogCache, TrustRevision, TrustStore } from './ports.ts';
import type { RegistryApi } from './registry-api.ts';

export interface RegistryClientParts {
  readonly api: RegistryApi;
  readonly trust: TrustStore;
  readonly logs: LogCache;
  /** Asked once, at first use: is this the operator's key? Later it is pinned. */
  readonly confirmOperator: (keyId: Digest) => Promise<boolean>;
  /** The operator key that the user named, if any; it must be the pinned one. */
  readonly expectedOperator: Digest | null;
  /** Unix milliseconds. */
  readonly clock: () => number;
  /** How old the newest checkpoint may be, in seconds; Infinity for a registry known to stand still. */
  readonly checkpointAgeSecondsMax: number;
}

/** What a client believes without being told otherwise: a day. */
export const CHECKPOINT_AGE_SECONDS_MAX = 86_400;

/** One head, and everything that was proven under it. */
export interface VerifiedView extends GovernedView {
  readonly checkpoint: VerifiedCheckpoint;
  readonly operator: OperatorState;
  readonly operatorRecords: readonly wargApi.PublishedRecord[];
  /** Packages the registry does not have: proven, or only said by a registry that cannot prove it. */
  readonly absent: ReadonlyMap<PackageName, 'proven' | 'not proven'>;
}

/** One governance log, and the head under which it was proven. */
export interface GovernanceLook extends VerifiedGovernance {
  readonly checkpoint: VerifiedCheckpoint;
  readonly operator: OperatorState;
}

/** What a view asks for besides the operator log. */
interface ViewQuestion {
  readonly packages: ReadonlyMap<LogId, PackageName>;
  /** By namespace; the registry's is `null`. */
  readonly governance: ReadonlyMap<LogId, Namespace | null>;
}

/** What is asked, and answered, while it is compared with what was shown before. */
interface ShownUnder {
  readonly question: ViewQuestion;
  readonly operator: OperatorState;
  readonly checkpoint: VerifiedCheckpoint;
}

/** Times a view is fetched anew because another process or a publisher was faster. */
const ATTEMPTS_MAX = 8;

/** Codes that mean: the registry, or somebody before it, shows what cannot be true. */
const EVIDENCE_CODES: readonly ErrorCode[] = [
  'checkpoint/fork',
  'checkpoint/rollback',
  'checkpoint/signature',
  'checkpoint/signer',
  'log/foreign',
  'log/incomplete',
  'log/invalid',
  'operator/changed',
  'proof/malformed',
  'proof/mismatch',
  'proof/root',
  'registry/protocol',
  'content/digest',
];

/** What a registry may say to a publisher, but to nobody who only reads. */
const REFUSALS: readonly ErrorCode[] = [
  'namespace/imported',
  'namespace/undefined',
  'publish/conflict',
  'registry/refused',
  'request/cursor',
];

/** Believes nothing of a registry but what verifies, and remembers what it has believed. */
export class RegistryClient {
  readonly api: RegistryApi;
  readonly #parts: RegistryClientParts;

  constructor(parts: RegistryClientParts) {
    this.api = parts.api;
    this.#parts = parts;
  }

  /**
   * Fetches and verifies the newest head with the logs of the given packages, and the governance logs of their namespaces and
   * of the registry. One head serves the whole view.
   * Throws `checkpoint/…`, `proof/…`, `log/…`, `operator/…` for a registry that is caught, with `detail.evidence`;
   * `registry/unreachable` also for one that answers with a refusal, which no question of a reader deserves.
   */
  async view(names: readonly PackageName[]): Promise<VerifiedView> {
    return this.reading(() => this.#view(questionOf(names, [...names.map(namespaceOf), null])));
  }

  /** The governance log of a namespace, or, for `null`, of the registry. Throws as {@link RegistryClient.view}. */
  async governance(namespace: Namespace | null): Promise<GovernanceLook> {
    const view = await this.reading(() => this.#view(questionOf([], [namespace])));
    const found = view.governance.get(namespace);
    if (found === undefined) throw new TypeError('a view without the log that it was asked for');
    return { ...found, checkpoint: view.checkpoint, operator: view.operator };
  }

  async #view(question: ViewQuestion): Promise<VerifiedView> {
    let { logs } = this.#parts;
    for (let attempt = 1; ; attempt++) {
      const view = await this.#attemptView(question, logs).catch(async (failure: unknown) => {
        await this.#requireAnotherTry(question, attempt, failure);
        logs = emptied(logs);
        return null;
      });
      if (view !== null) return view;
      if (attempt === ATTEMPTS_MAX)
        throw new RegistryError('storage/busy', 'other processes keep changing the memory of this registry');
    }
  }

  /** What was read from the cache may be at fault: once, everything is fetched afresh before the registry is blamed. */
  async #requireAnotherTry({ packages, governance }: ViewQuestion, attempt: number, failure: unknown): Promise<void> {
    // A cursor of another registry's log is refused: what stands at this address now is looked at without it.
    if (attempt > 1 || !isRegistryError(failure, ...EVIDENCE_CODES, 'registry/refused')) throw failure;
    // Two signed checkpoints that contradict each other do: the evidence must not be lost to a second, honest answer.
    if (isRegistryError(failure, 'checkpoint/fork', 'checkpoint/rollback')) throw failure;
    for (const logId of [OPERATOR_LOG_ID, ...packages.keys(), ...governance.keys()]) {
      if (((await this.#parts.logs.read(logId))?.length ?? 0) > 0) return;
    }
    throw failure;
  }

  /** Runs `work`, which only reads: {@link withEvidence}, and no refusal. Throws `registry/unreachable` for one. */
  async reading<T>(work: () => Promise<T>): Promise<T> {
    return this.withEvidence(() => work().catch(unanswered));
  }

  /** Runs `work`; when it catches the registry at something impossible, what was exchanged is kept beside the error. */
  async withEvidence<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (failure) {
      if (!isRegistryError(failure, ...EVIDENCE_CODES) || 'evidence' in failure.detail) throw failure;
      const evidence = await this.#parts.trust.keepEvidence(await this.#evidenceOf(failure));
      throw new RegistryError(failure.code, failure.message, { ...failure.detail, evidence }, { cause: failure });
    }
  }

  async #evidenceOf(failure: RegistryError): Promise<string> {
    const { baseUrl, exchanges } = this.api.transport;
    const remembered = await this.#parts.trust.read().catch(() => null);
    const { code, message, detail } = failure;
    return JSON.stringify(
      { registry: baseUrl.href, code, message, detail, remembered: remembered?.remembered, exchanges },
      null,
      2,
    );
  }

  /** `null` when another process replaced the remembered head meanwhile. */
  async #attemptView(question: ViewQuestion, cache: LogCache): Promise<VerifiedView | null> {
    const { api, trust, logs } = this.#parts;
    const previous = await trust.read();
    const signed = await api.checkpoint();
    const wanted = { packages: [...question.packages.keys()], governance: [...question.governance.keys()] };
    const fetched = await fetchLogs(api, cache, signed.contents.logLength, wanted);
    const operator = await replayServed(OPERATOR_LOG, { logId: OPERATOR_LOG_ID, home: null }, fetched.operator);
    const operatorKeyId = await this.#checkOperator(operator, previous);
    const checkpoint = await this.#open(signed, operator);
    const replayed = await replayOthers(question, fetched, operator);
    const heads = headsOf(replayed, operator);
    const [absent] = await Promise.all([
      this.#verifyAbsence(checkpoint, fetched.missing, { question, operator }),
      this.#verifyHeads(checkpoint, heads),
      this.#verifyOrder(checkpoint, replayed, heads),
    ]);
    const isNews = previous === null || (await this.#continues(previous, checkpoint, operator));
    if (cache !== logs && previous !== null) {
      await this.#requireShown(previous, fetched, { question, operator, checkpoint });
    }
    if (isNews && !(await trust.replace(previous, { operatorKeyId, checkpoint }))) return null;
    await cache.write(OPERATOR_LOG_ID, fetched.operator);
    for (const { logId, records } of othersOf(replayed)) await cache.write(logId, records);
    return { checkpoint, operator, operatorRecords: fetched.operator, absent, ...judgeGovernance(replayed) };
  }

  /**
   * What has stood under a head that was verified stands for ever: a map that passes over it is signed like any other, and only
   * whoever has kept the records can tell (SECURITY.md L4). So is a second leaf of a record. Records that do not hold were no
   * registry's: the cache was at fault.
   */
  async #requireShown(
    { remembered }: TrustRevision,
    fetched: FetchedLogs,
    { question, operator, checkpoint }: ShownUnder,
  ): Promise<void> {
    const { logLength } = remembered.checkpoint.contents;
    for (const log of replaysOf(question, operator)) {
      const cached = (await this.#parts.logs.read(log.logId)) ?? [];
      const shown = cached.filter(({ registryIndex }) => registryIndex < logLength);
      const served = log.logId === OPERATOR_LOG_ID ? fetched.operator : (fetched.others.get(log.logId) ?? []);
      if (isContinued(shown, served)) {
        await this.#requireUnmoved(log, { shown, served }, checkpoint);
        continue;
      }
      const stands = await log.replay(shown).then(() => true, isNoLog);
      if (stands) throw withdrawn(log.title, log.logId);
    }
  }

  /**
   * A record has one place. Its first one that differs from the cache tells: what stands there is the record itself, which the
   * registry has given a second leaf, or another one, and then the cache was at fault.
   */
  async #requireUnmoved(
    { logId, title, kind }: LogReplay,
    { shown, served }: Readonly<Record<'shown' | 'served', readonly wargApi.PublishedRecord[]>>,
    checkpoint: VerifiedCheckpoint,
  ): Promise<void> {
    const moved = shown.find(({ registryIndex }, i) => registryIndex !== served[i]?.registryIndex);
    if (moved === undefined) return;
    const { registryIndex, envelope } = moved;
    const place = { logId, recordId: recordIdOf(kind, envelope.contents), registryIndex };
    const proof = this.api.consistency(lengthThatTells(place), checkpoint.contents.logLength);
    const what = `which record stands at index ${registryIndex}, where it has shown one of ${title}, which it now serves elsewhere`;
    if (!standsAt(checkpoint, place, await owed(proof, what))) return;
    const message = `the registry serves record ${place.recordId} of ${title} at another place than it has shown it, index ${registryIndex}`;
    throw new RegistryError('log/incomplete', message, { logId, recordId: place.recordId });
  }

  async #checkOperator(operator: OperatorState, previous: TrustRevision | null): Promise<Digest> {
    const { expectedOperator, confirmOperator } = this.#parts;
    const { id } = operatorInitKey(operator);
    if (expectedOperator !== null) checkOperatorPin(operator, expectedOperator);
    if (previous !== null) checkOperatorPin(operator, previous.remembered.operatorKeyId);
    else if (expectedOperator === null && !(await confirmOperator(id))) {
      throw new RegistryError('operator/unpinned', `the operator key ${id} is not pinned: give --operator-key`, {
        found: id,
      });
    }
    return id;
  }

  async #open(signed: SignedCheckpoint, operator: OperatorState): Promise<VerifiedCheckpoint> {
    const { clock, checkpointAgeSecondsMax } = this.#parts;
    const checkpoint = await openCheckpoint(signed, operator);
    checkFreshness(checkpoint, clock() / 1000, checkpointAgeSecondsMax);
    return checkpoint;
  }

  async #verifyHeads(checkpoint: VerifiedCheckpoint, heads: readonly ClaimedHead[]): Promise<void> {
    const indexes = heads.map(({ registryIndex }) => registryIndex);
    const proof = await owed(this.api.inclusion(checkpoint.contents.logLength, indexes), 'the logs it has served');
    checkHeads(checkpoint, heads, proof);
  }

  /** What is no head has an index that is only claimed, until here: spec/verification.md 2.12. */
  async #verifyOrder(
    checkpoint: VerifiedCheckpoint,
    replayed: GovernedLogs,
    heads: readonly ClaimedHead[],
  ): Promise<void> {
    const places = placesToProve(replayed, heads);
    if (places.length === 0) return;
    const indexes = places.map(({ registryIndex }) => registryIndex);
    const bundle = await owed(this.api.leaves(checkpoint.contents.logLength, indexes), 'the order of its records');
    checkPlaces(checkpoint, places, bundle);
  }

  async #verifyAbsence(
    checkpoint: VerifiedCheckpoint,
    missing: readonly LogId[],
    { question, operator }: { readonly question: ViewQuestion; readonly operator: OperatorState },
  ): Promise<Map<PackageName, 'proven' | 'not proven'>> {
    const absent = new Map<PackageName, 'proven' | 'not proven'>();
    const asked = missing.filter((logId) => {
      const namespace = question.governance.get(logId);
      return namespace === undefined || mayBeGoverned(operator, namespace);
    });
    if (asked.length === 0) return absent;
    const proof = await owed(this.api.absence(checkpoint.contents.logLength, asked), 'that it has no record of a log');
    if (proof !== null) checkAbsence(checkpoint, asked, proof);
    else if (asked.some((logId) => question.governance.has(logId))) {
      throw new RegistryError('log/incomplete', 'the registry does not prove that it has no governance log');
    }
    for (const logId of asked) {
      const name = question.packages.get(logId);
      if (name !== undefined) absent.set(name, proof === null ? 'not proven' : 'proven');
    }
    return absent;
  }

  /** Compares with what was believed before. False when it says nothing new. */
  async #continues(
    { remembered }: TrustRevision,
    checkpoint: VerifiedCheckpoint,
    operator: OperatorState,
  ): Promise<boolean> {
    const earlier = await reopenCheckpoint(remembered.checkpoint, operator);
    const [from, to] = [earlier.contents.logLength, checkpoint.contents.logLength];
    const proof = needsConsistencyProof(earlier, checkpoint) && from < to ? await this.api.consistency(from, to) : null;
    checkContinuation(earlier, checkpoint, proof);
    return from !== to || earlier.contents.timestamp < checkpoint.contents.timestamp;
  }
}

/** Forgets nothing: what is read from it is left out, so that what the cache had can be compared. */
function emptied(cache: LogCache): LogCache {
  return { read: () => Promise.resolve(null), write: (logId, records) => cache.write(logId, records) };
}

/** By contents alone: nothing signed says that the cache has the right indexes, and where they differ a proof is asked for. */
function isContinued(
  earlier: readonly wargApi.PublishedRecord[],
  records: readonly wargApi.PublishedRecord[],
): boolean {
  return earlier.every(({ envelope }, i) => {
    const now = records[i];
    return now !== undefined && equalBytes(now.envelope.contents, envelope.contents);
  });
}

function isNoLog(failure: unknown): false {
  if (isRegistryError(failure, 'log/invalid')) return false;
  throw failure;
}

function withdrawn(title: string, logId: LogId): RegistryError {
  const message = `the registry leaves out records of ${title} that it has shown under an earlier head`;
  return new RegistryError('log/incomplete', message, { logId });
}

function unanswered(cause: unknown): never {
  // RFC 7725: content may be withheld from a reader whom no log tells why, and who must be told what was said.
  if (!isRegistryError(cause, ...REFUSALS) || cause.detail['status'] === 451) throw cause;
  throw new RegistryError('registry/unreachable', cause.message, cause.detail, { cause });
}

/** A proof that no honest registry refuses: records were withheld, or made up. Throws `log/incomplete` for a refusal. */
async function owed<T>(proof: Promise<T>, what: string): Promise<T> {
  try {
    return await proof;
  } catch (cause) {
    if (!isRegistryError(cause, 'registry/refused')) throw cause;
    const message = `the registry will not prove ${what}: ${messageOf(cause)}`;
    throw new RegistryError('log/incomplete', message, {}, { cause });
  }
}

function questionOf(names: readonly PackageName[], namespaces: readonly (Namespace | null)[]): ViewQuestion {
  return {
    packages: new Map(names.map((name) => [packageLogId(name), name])),
    governance: new Map(namespaces.map((namespace) => [governanceLogId(namespace), namespace])),
  };
}

/** Elsewhere there is no governance log, whatever is served: spec/governance.md 1.6. */
function mayBeGoverned({ origin, bindings }: OperatorState, namespace: Namespace | null): boolean {
  return origin !== null && (namespace === null || bindings.get(namespace)?.status === 'defined');
}

async function replayOthers(
  { packages, governance }: ViewQuestion,
  { operator: records, others }: FetchedLogs,
  operator: OperatorState,
): Promise<GovernedLogs> {
  const foreign = [...others.keys()].find((logId) => !packages.has(logId) && !governance.has(logId));
  if (foreign !== undefined) throw new RegistryError('log/foreign', `log ${foreign} was not asked for`);
  const replayed: ReplayedPackage[] = [];
  for (const [logId, name] of packages) {
    const served = others.get(logId);
    if (served !== undefined) replayed.push(await replayPackage({ logId, name, operator }, served));
  }
  const governing = new Map<Namespace | null, ReplayedGovernance>();
  for (const [logId, namespace] of governance) {
    const served = mayBeGoverned(operator, namespace) ? (others.get(logId) ?? []) : [];
    governing.set(namespace, await replayGovernance({ logId, namespace, operator }, served));
  }
  return { operator: records, packages: replayed, governance: governing };
}

interface PackagePlace {
  readonly logId: LogId;
  readonly name: PackageName;
  readonly operator: OperatorState;
}

async function replayPackage(
  { logId, name, operator }: PackagePlace,
  records: readonly wargApi.PublishedRecord[],
): Promise<ReplayedPackage> {
  const annotations = new AnnotationBook();
  const home = { log: logId, origin: originOf(operator, namespaceOf(name)) };
  const state = await replayServed(PACKAGE_LOG, { logId, home }, records, annotations.add);
  return { name, logId, state, annotations, records };
}

interface GovernancePlace {
  readonly logId: LogId;
  readonly namespace: Namespace | null;
  readonly operator: OperatorState;
}

async function replayGovernance(
  { logId, namespace, operator }: GovernancePlace,
  records: readonly wargApi.PublishedRecord[],
): Promise<ReplayedGovernance> {
  const home = { log: logId, origin: originOf(operator, namespace) };
  return { logId, home, records, state: await replayServed(GOVERNANCE_LOG, { logId, home }, records) };
}

/** A log that was asked for, for whoever has records that may be its. */
interface LogReplay {
  readonly kind: LogKind;
  readonly logId: LogId;
  readonly title: string;
  readonly replay: (records: readonly wargApi.PublishedRecord[]) => Promise<unknown>;
}

function replaysOf({ packages, governance }: ViewQuestion, operator: OperatorState): LogReplay[] {
  const ofPackages = [...packages].map(([logId, name]): LogReplay => {
    const kind = PACKAGE_LOG.kind;
    return { kind, logId, title: name, replay: (records) => replayPackage({ logId, name, operator }, records) };
  });
  const governing = [...governance].filter(([, namespace]) => mayBeGoverned(operator, namespace));
  const ofGovernance = governing.map(([logId, namespace]): LogReplay => {
    const title = `the governance log of ${namespace === null ? 'the registry' : `namespace ${namespace}`}`;
    const kind = GOVERNANCE_LOG.kind;
    return { kind, logId, title, replay: (records) => replayGovernance({ logId, namespace, operator }, records) };
  });
  const ofOperator: LogReplay = {
    kind: OPERATOR_LOG.kind,
    logId: OPERATOR_LOG_ID,
    title: 'the operator log',
    replay: (records) => replayServed(OPERATOR_LOG, { logId: OPERATOR_LOG_ID, home: null }, records),
  };
  return [ofOperator, ...ofPackages, ...ofGovernance];
}

/** The logs besides the operator's that have a record. */
function othersOf({ packages, governance }: GovernedLogs): (ReplayedPackage | ReplayedGovernance)[] {
  return [...packages, ...[...governance.values()].filter(({ records }) => records.length > 0)];
}

function headsOf(replayed: GovernedLogs, operator: OperatorState): ClaimedHead[] {
  const others = othersOf(replayed).map(({ logId, state, records }) => claimedHead(logId, state, records));
  return [claimedHead(OPERATOR_LOG_ID, operator, replayed.operator), ...others];
}

function claimedHead(
  logId: LogId,
  { head }: { readonly head: LogHead | null },
  records: readonly wargApi.PublishedRecord[],
): ClaimedHead {
  const last = records.at(-1);
  if (head === null || last === undefined) {
    throw new RegistryError('log/incomplete', `log ${logId} is empty, though the registry does not say it is unknown`);
  }
  return { logId, recordId: head.id, registryIndex: last.registryIndex };
}

/** Where the logs of a namespace, or of the registry, must have been made for: spec/version1.md 1.3, spec/governance.md 1.4. */
export function originOf(operator: OperatorState, namespace: Namespace | null): string {
  const binding = namespace === null ? undefined : operator.bindings.get(namespace);
  return binding?.status === 'imported' ? binding.registry : registryOrigin(operator);
}
