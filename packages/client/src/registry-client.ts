import {
  AnnotationBook,
  checkAbsence,
  checkContinuation,
  checkFreshness,
  checkHeads,
  checkOperatorPin,
  emptyLogState,
  equalBytes,
  isRegistryError,
  messageOf,
  namespaceOf,
  needsConsistencyProof,
  openCheckpoint,
  OPERATOR_LOG,
  OPERATOR_LOG_ID,
  operatorInitKey,
  PACKAGE_LOG,
  packageLogId,
  RegistryError,
  registryOrigin,
  reopenCheckpoint,
  replayLog,
  type ClaimedHead,
  type Digest,
  type ErrorCode,
  type LogDialect,
  type LogHome,
  type LogId,
  type LogState,
  type OperatorState,
  type PackageName,
  type PackageState,
  type ReplayStep,
  type SignedRecord,
  type VerifiedCheckpoint,
  type wargApi,
} from '@waybill/protocol';
import { fetchLogs, type FetchedLogs } from './log-fetch.ts';
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

/** A package log replayed and proven complete under a head, with its records for whoever wants to see them. */
export interface VerifiedPackage {
  readonly name: PackageName;
  readonly logId: LogId;
  readonly state: PackageState;
  readonly annotations: AnnotationBook;
  readonly records: readonly wargApi.PublishedRecord[];
}

/** One head, and everything that was proven under it. */
export interface VerifiedView {
  readonly checkpoint: VerifiedCheckpoint;
  readonly operator: OperatorState;
  readonly packages: ReadonlyMap<PackageName, VerifiedPackage>;
  /** Packages the registry does not have: proven, or only said by a registry that cannot prove it. */
  readonly absent: ReadonlyMap<PackageName, 'proven' | 'not proven'>;
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
   * Fetches and verifies the newest head with the logs of the given packages. One head serves the whole view.
   * Throws `checkpoint/…`, `proof/…`, `log/…`, `operator/…` for a registry that is caught, with `detail.evidence`;
   * `registry/unreachable` also for one that answers with a refusal, which no question of a reader deserves.
   */
  async view(names: readonly PackageName[]): Promise<VerifiedView> {
    return this.reading(() => this.#view(names));
  }

  async #view(names: readonly PackageName[]): Promise<VerifiedView> {
    let { logs } = this.#parts;
    for (let attempt = 1; ; attempt++) {
      const view = await this.#attemptView(names, logs).catch(async (failure: unknown) => {
        await this.#requireAnotherTry(names, attempt, failure);
        logs = emptied(logs);
        return null;
      });
      if (view !== null) return view;
      if (attempt === ATTEMPTS_MAX)
        throw new RegistryError('storage/busy', 'other processes keep changing the memory of this registry');
    }
  }

  /** What was read from the cache may be at fault: once, everything is fetched afresh before the registry is blamed. */
  async #requireAnotherTry(names: readonly PackageName[], attempt: number, failure: unknown): Promise<void> {
    // A cursor of another registry's log is refused: what stands at this address now is looked at without it.
    if (attempt > 1 || !isRegistryError(failure, ...EVIDENCE_CODES, 'registry/refused')) throw failure;
    // Two signed checkpoints that contradict each other do: the evidence must not be lost to a second, honest answer.
    if (isRegistryError(failure, 'checkpoint/fork', 'checkpoint/rollback')) throw failure;
    for (const logId of [OPERATOR_LOG_ID, ...names.map(packageLogId)]) {
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
  async #attemptView(names: readonly PackageName[], cache: LogCache): Promise<VerifiedView | null> {
    const { api, trust } = this.#parts;
    const previous = await trust.read();
    const signed = await api.checkpoint();
    const byLog = new Map(names.map((name) => [packageLogId(name), name]));
    const fetched = await fetchLogs(api, cache, signed.contents.logLength, [...byLog.keys()]);
    const operator = await this.#replay(OPERATOR_LOG, { logId: OPERATOR_LOG_ID, home: null }, fetched.operator);
    const operatorKeyId = await this.#checkOperator(operator, previous);
    const checkpoint = await openCheckpoint(signed, operator);
    const { clock, checkpointAgeSecondsMax } = this.#parts;
    checkFreshness(checkpoint, clock() / 1000, checkpointAgeSecondsMax);
    const packages = await this.#verifyPackages(checkpoint, fetched, byLog, operator);
    const absent = await this.#verifyAbsence(checkpoint, fetched.missing, byLog);
    const isNews = previous === null || (await this.#continues(previous, checkpoint, operator));
    if (cache !== this.#parts.logs && previous !== null)
      await this.#requireShown(previous, fetched, { byLog, operator });
    if (isNews && !(await trust.replace(previous, { operatorKeyId, checkpoint }))) return null;
    await cache.write(OPERATOR_LOG_ID, fetched.operator);
    for (const { logId, records } of packages.values()) await cache.write(logId, records);
    return { checkpoint, operator, packages, absent };
  }

  /**
   * What has stood under a head that was verified stands for ever: a map that passes over it is signed like any other, and only
   * whoever has kept the records can tell (SECURITY.md L4). Records that do not hold were no registry's: the cache was at fault.
   */
  async #requireShown(
    { remembered }: TrustRevision,
    fetched: FetchedLogs,
    { byLog, operator }: { readonly byLog: ReadonlyMap<LogId, PackageName>; readonly operator: OperatorState },
  ): Promise<void> {
    const { logLength } = remembered.checkpoint.contents;
    for (const [logId, name] of byLog) {
      const cached = (await this.#parts.logs.read(logId)) ?? [];
      const shown = cached.filter(({ registryIndex }) => registryIndex < logLength);
      if (isContinued(shown, fetched.packages.get(logId) ?? [])) continue;
      const home = { log: logId, origin: originOf(operator, name) };
      const stands = await this.#replay(PACKAGE_LOG, { logId, home }, shown).then(() => true, isNoLog);
      if (stands) throw withdrawn(name, logId);
    }
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

  async #verifyPackages(
    checkpoint: VerifiedCheckpoint,
    fetched: FetchedLogs,
    byLog: ReadonlyMap<LogId, PackageName>,
    operator: OperatorState,
  ): Promise<Map<PackageName, VerifiedPackage>> {
    const packages = new Map<PackageName, VerifiedPackage>();
    for (const [logId, records] of fetched.packages) {
      const name = byLog.get(logId);
      if (name === undefined) throw new RegistryError('log/foreign', `log ${logId} was not asked for`);
      const home = { log: logId, origin: originOf(operator, name) };
      const annotations = new AnnotationBook();
      const state = await this.#replay(PACKAGE_LOG, { logId, home }, records, annotations.add);
      packages.set(name, { name, logId, records, state, annotations });
    }
    const claims = [...packages.values()].map(({ logId, state, records }) => claimedHead(logId, state, records));
    const heads = [claimedHead(OPERATOR_LOG_ID, operator, fetched.operator), ...claims];
    const proof = await this.#inclusionOf(heads, checkpoint.contents.logLength);
    checkHeads(checkpoint, heads, proof);
    return packages;
  }

  async #inclusionOf(heads: readonly ClaimedHead[], logLength: number): Promise<wargApi.InclusionResponse> {
    const indexes = heads.map(({ registryIndex }) => registryIndex);
    return owed(this.api.inclusion(logLength, indexes), 'the logs it has served');
  }

  /** Replays every rule and signature, also of what came from the cache. Throws `log/invalid`. */
  async #replay<E extends { readonly type: string }, P extends string, B>(
    dialect: LogDialect<E, P, B>,
    { logId, home }: { readonly logId: LogId; readonly home: LogHome | null },
    records: readonly wargApi.PublishedRecord[],
    onRecord?: (record: SignedRecord<E>, step: ReplayStep<P, B>) => void,
  ): Promise<LogState<P, B>> {
    try {
      return await replayLog(
        dialect,
        emptyLogState<P, B>(home),
        records.map(({ envelope }) => envelope),
        onRecord,
      );
    } catch (cause) {
      if (!isRegistryError(cause)) throw cause;
      throw new RegistryError(
        'log/invalid',
        `log ${logId} breaks the rules: ${messageOf(cause)}`,
        { ...cause.detail, rule: cause.code },
        { cause },
      );
    }
  }

  async #verifyAbsence(
    checkpoint: VerifiedCheckpoint,
    missing: readonly LogId[],
    byLog: ReadonlyMap<LogId, PackageName>,
  ): Promise<Map<PackageName, 'proven' | 'not proven'>> {
    const absent = new Map<PackageName, 'proven' | 'not proven'>();
    if (missing.length === 0) return absent;
    const proof = await owed(
      this.api.absence(checkpoint.contents.logLength, missing),
      'that it has no record of a log',
    );
    if (proof !== null) checkAbsence(checkpoint, missing, proof);
    for (const logId of missing) {
      const name = byLog.get(logId);
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

function isContinued(
  earlier: readonly wargApi.PublishedRecord[],
  records: readonly wargApi.PublishedRecord[],
): boolean {
  return earlier.every(({ envelope, registryIndex }, i) => {
    const now = records[i];
    return now?.registryIndex === registryIndex && equalBytes(now.envelope.contents, envelope.contents);
  });
}

function isNoLog(failure: unknown): false {
  if (isRegistryError(failure, 'log/invalid')) return false;
  throw failure;
}

function withdrawn(name: PackageName, logId: LogId): RegistryError {
  const message = `the registry leaves out records of ${name} that it has shown under an earlier head`;
  return new RegistryError('log/incomplete', message, { logId });
}

function unanswered(cause: unknown): never {
  if (!isRegistryError(cause, ...REFUSALS)) throw cause;
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

function claimedHead<P extends string, B>(
  logId: LogId,
  state: LogState<P, B>,
  records: readonly wargApi.PublishedRecord[],
): ClaimedHead {
  const last = records.at(-1);
  if (state.head === null || last === undefined) {
    throw new RegistryError('log/incomplete', `log ${logId} is empty, though the registry does not say it is unknown`);
  }
  return { logId, recordId: state.head.id, registryIndex: last.registryIndex };
}

/** Where the log of a package must have been made for: spec/version1.md 1.3. */
export function originOf(operator: OperatorState, name: PackageName): string {
  const binding = operator.bindings.get(namespaceOf(name));
  return binding?.status === 'imported' ? binding.registry : registryOrigin(operator);
}
