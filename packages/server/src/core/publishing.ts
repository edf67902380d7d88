import {
  isRegistryError,
  decodeSignedRecord,
  judgeRecord,
  messageOf,
  namespaceOf,
  PACKAGE_LOG,
  packageLogId,
  RegistryError,
  verifyRecordSignatures,
  type Digest,
  type Envelope,
  type LogId,
  type PackageEntry,
  type PackageName,
  type RecordId,
  type SignedRecord,
  type wargApi,
} from '@waybill/protocol';
import type { KindDemand } from '@waybill/protocol/content';
import { admitPackageRecord, refuseManyParts } from './admission.ts';
import type { ContentPolicy } from './content.ts';
import type { ContentSpaces } from './content-spaces.ts';
import { settledWithin } from './deadline.ts';
import { GovernanceGate, isGateRefusal } from './governance-gate.ts';
import { InterfaceSteps } from './interface-steps.ts';
import { COMMIT_WAIT_MS, PACKAGE_NAME_LENGTH_MAX, SOURCING_IDLE_MS } from './limits.ts';
import { requireDefined } from './namespace-check.ts';
import { owedSignatures } from './owed-signatures.ts';
import type { Clock, ContentStore, PendingWriter, RegistryReader } from './ports.ts';
import { publishConflict } from './publish-conflict.ts';
import { checkPublisher, type Publishers } from './publishers.ts';
import { Rejections } from './rejections.ts';
import { Reservations, type Reservation } from './reservations.ts';
import type { Sequencer } from './sequencer.ts';
import { Sourcing, type Wanted } from './sourcing.ts';
import type { PackageStates, StateCaches } from './state-caches.ts';
import { TreeFiles } from './tree-files.ts';

export interface PublishingParts {
  readonly store: RegistryReader & PendingWriter;
  readonly content: ContentStore;
  readonly states: StateCaches;
  readonly sequencer: Sequencer;
  readonly publishers: Publishers;
  readonly contentPolicy: ContentPolicy;
  readonly spaces: Pick<ContentSpaces, 'isOpenTo'>;
  readonly clock: Clock;
}

/** What a publisher asks for. */
export interface PublishCommand {
  readonly logId: LogId;
  readonly name: PackageName;
  readonly envelope: Envelope;
  readonly final: boolean;
}

/** Takes records and their content from publishers: admit, validate, source content, sequence (spec/http.md 5). */
export class Publishing {
  readonly #parts: PublishingParts;
  readonly #packages: PackageStates;
  readonly #gate: GovernanceGate;
  readonly #steps: InterfaceSteps;
  readonly #reservations = new Reservations();
  readonly #rejections = new Rejections();
  readonly #sourcing: Sourcing;

  constructor(parts: PublishingParts) {
    const { states, content, contentPolicy, spaces } = parts;
    this.#parts = parts;
    this.#packages = states.packages;
    this.#gate = new GovernanceGate(states.governance);
    const reservations = this.#reservations;
    this.#sourcing = new Sourcing({ content, contentPolicy, spaces, gate: this.#gate, reservations });
    const noteDamage = (digest: Digest): void => this.#sourcing.noteDamage(digest);
    this.#steps = new InterfaceSteps({ content, gate: this.#gate, packages: this.#packages, noteDamage });
  }

  /** Content that was found damaged is taken anew from whoever publishes it again. */
  noteDamage(digest: Digest): void {
    this.#sourcing.noteDamage(digest);
  }

  /** What was pushed and looked at need not be read again: see {@link Sourcing.noteJudged}. */
  noteJudged(digest: Digest, demands: readonly KindDemand[]): void {
    this.#sourcing.noteJudged(digest, demands);
  }

  /** Takes up the records that waited for content when the server last stopped, with a fresh time to upload. */
  async resume(): Promise<void> {
    for (const pending of await this.#parts.store.listPending()) {
      if (pending.rejection !== null) {
        this.#rejections.add(pending.recordId, pending.updatedAtMs, pending.envelope.contents.length);
        continue;
      }
      if ((await this.#parts.store.readRecord(pending.recordId)) !== null) {
        // It was published after it had been written here: nothing waits any more.
        await this.#parts.store.deletePending(pending.recordId);
        continue;
      }
      const record = decodeSignedRecord(PACKAGE_LOG, pending.envelope);
      const first = this.#reservations.get(pending.logId);
      if (first !== undefined) {
        // Two processes have each accepted a record for this package.
        await this.#storePending({ ...pending, record }, `another record came first: ${first.record.id}`);
        this.#rejections.add(pending.recordId, this.#parts.clock(), pending.envelope.contents.length);
        continue;
      }
      const reservation = this.#reserve({ ...pending, record });
      reservation.durable = Promise.resolve();
      reservation.sourcing = this.#sourcing.findMissing(reservation);
      await reservation.sourcing.catch((failure: unknown) => this.#rejectUnusable(reservation, failure));
    }
    await this.sweep();
  }

  /** Its content has come meanwhile, perhaps by another package's record, and is not what the record says; or cannot be read. */
  async #rejectUnusable(reservation: Reservation, failure: unknown): Promise<void> {
    if (!isUnusable(failure) && !isRegistryError(failure, 'request/too-many', 'storage/damaged')) throw failure;
    reservation.sourcing = Promise.resolve();
    await this.#rejectWaiting(reservation, messageOf(failure));
  }

  /**
   * Accepts a record, in the order of checks of spec/http.md. Posting the same bytes again gives the state they have come
   * to. Throws what the client is told.
   */
  async publish(command: PublishCommand): Promise<wargApi.RecordStatus> {
    const { logId, name, envelope } = command;
    if (packageLogId(name) !== logId) throw new RegistryError('request/invalid', `${logId} is not the log of ${name}`);
    refuseManyParts(PACKAGE_LOG, envelope.contents);
    const record = decodeSignedRecord(PACKAGE_LOG, envelope);
    await this.#checkNamespace(name);
    const known = (await this.#comesNext(logId, record)) ? null : await this.#knownStatus(logId, record.id);
    if (known?.state === 'processing') return this.status(logId, record.id);
    if (known !== null && known.state !== 'rejected') return known;
    checkPublisher(this.#parts.publishers, { name, namespace: namespaceOf(name) }, record);
    await this.#verifySignatures(logId, record);
    const reservation = await this.#reserveJudged(command, record);
    if (reservation !== null) return this.#accept(reservation);
    return (await this.#knownStatus(logId, record.id)) ?? this.#statusOrMissing(logId, record.id);
  }

  /** What names the head as the record before it cannot stand in the log: the store need not be asked. */
  #comesNext(logId: LogId, { id, prev }: SignedRecord<PackageEntry>): Promise<boolean> {
    if (this.#reservationOf(logId, id) !== null) return Promise.resolve(false);
    return this.#packages.read(logId, ({ head }) => prev === (head?.id ?? null));
  }

  async #checkNamespace(name: PackageName): Promise<void> {
    if (name.length > PACKAGE_NAME_LENGTH_MAX) {
      throw new RegistryError('request/invalid', `a package name is longer than ${PACKAGE_NAME_LENGTH_MAX} characters`);
    }
    await requireDefined(this.#parts.states.operator, namespaceOf(name));
  }

  async #verifySignatures(logId: LogId, record: SignedRecord<PackageEntry>): Promise<void> {
    const owed = await this.#packages.read(logId, (state) => owedSignatures(state, record));
    await verifyRecordSignatures(PACKAGE_LOG, record, owed).catch((cause: unknown) => {
      if (!isRegistryError(cause, 'record/signature')) throw cause;
      const { signature } = record.envelope;
      throw new RegistryError('admission/unknown-key', `signature ${signature} verification failed`, {}, { cause });
    });
  }

  /** From the look-up of the state to the reservation there is no `await`: what is judged here cannot move on meanwhile. */
  async #reserveJudged(command: PublishCommand, record: SignedRecord<PackageEntry>): Promise<Reservation | null> {
    const { logId, name, final } = command;
    await this.#packages.load(logId);
    if (!this.#gate.isReady(name)) await this.#gate.load(name);
    const state = this.#packages.cached(logId);
    if (state === null || !this.#gate.isReady(name)) return this.#reserveJudged(command, record);
    const standing = this.#reservations.get(logId);
    if (standing?.record.id === record.id) return null;
    if (standing !== undefined) throw publishConflict(standing.record.id);
    // Checked once more: the same bytes may have been published while the signature was verified.
    if (state.head?.id === record.id) return null;
    if (state.head !== null && record.prev !== state.head.id) throw publishConflict(state.head.id);
    const judged = judgeRecord(PACKAGE_LOG, state, record);
    admitPackageRecord(PACKAGE_LOG, record, { state, judged, nowMs: this.#parts.clock(), final });
    this.#gate.check(name, record);
    if (this.#reservations.hasRecord(record.id)) throw foreignId();
    if (this.#reservations.full) {
      throw new RegistryError('request/too-many', 'too many records wait for content: try again');
    }
    return this.#reserve({ logId, name, record });
  }

  #reserve({ logId, name, record }: Pick<Reservation, 'logId' | 'name' | 'record'>): Reservation {
    const reservation = {
      logId,
      name,
      record,
      missing: new Set<Digest>(),
      trees: new TreeFiles(),
      heldBytes: 0,
      lastProgressMs: this.#parts.clock(),
      durable: null,
      row: Promise.resolve(),
      sourcing: Promise.resolve(),
      sequencing: null,
      registryIndex: null,
    };
    this.#reservations.add(reservation);
    return reservation;
  }

  async #accept(reservation: Reservation): Promise<wargApi.RecordStatus> {
    const { logId, record } = reservation;
    reservation.sourcing = this.#startSourcing(reservation);
    await reservation.sourcing;
    if (reservation.missing.size > 0) return sourcing(reservation);
    const failure = await this.#sequenceWithin(reservation, COMMIT_WAIT_MS);
    if (failure !== null) throw failure;
    const { registryIndex } = reservation;
    if (registryIndex !== null) return { recordId: record.id, state: 'published', registryIndex };
    // "processing" is a promise too: it is not made before a row can keep it.
    if (this.#reservations.has(reservation)) await this.#makeDurable(reservation);
    return this.#statusOrMissing(logId, record.id);
  }

  /** Content may prove to be damaged when the record is sequenced. */
  async #statusOrMissing(logId: LogId, recordId: RecordId): Promise<wargApi.RecordStatus> {
    const status = await this.status(logId, recordId);
    const reservation = this.#reservationOf(logId, recordId);
    return reservation !== null && reservation.missing.size > 0 ? sourcing(reservation) : status;
  }

  async #startSourcing(reservation: Reservation): Promise<void> {
    try {
      await this.#refuseForeignId(reservation);
      await this.#sourcing.findMissing(reservation);
      if (reservation.missing.size > 0) await this.#makeDurable(reservation);
    } catch (failure) {
      this.#reservations.remove(reservation);
      throw failure;
    }
  }

  /** At once, not when it is written: a commit that fails before that must not drop the record. */
  #makeDurable(reservation: Reservation): Promise<void> {
    reservation.durable ??= this.#writeRow(reservation, null).catch((failure: unknown) => {
      reservation.durable = null;
      if (reservation.sequencing === null) this.#waitOn(reservation);
      throw failure;
    });
    return reservation.durable;
  }

  #writeRow(reservation: Reservation, rejection: string | null): Promise<void> {
    const written = reservation.row.then(() => this.#storePending(reservation, rejection));
    reservation.row = written.catch(() => undefined);
    return written;
  }

  /**
   * Record bytes do not name their package; the same bytes in two logs would share one id. Asked after the
   * reservation: two posts under two names cannot pass each other.
   */
  async #refuseForeignId({ logId, record }: Reservation): Promise<void> {
    const stored = await this.#parts.store.readRecord(record.id);
    if (stored === null || stored.logId === logId) return;
    throw foreignId();
  }

  #storePending(
    { logId, name, record }: Pick<Reservation, 'logId' | 'name' | 'record'>,
    rejection: string | null,
  ): Promise<void> {
    const { store, clock } = this.#parts;
    return store.putPending({
      recordId: record.id,
      logId,
      name,
      envelope: record.envelope,
      rejection,
      updatedAtMs: clock(),
    });
  }

  /** Waits for the sequencing at most `ms`; `null` when it succeeded or is still under way. */
  async #sequenceWithin(reservation: Reservation, ms: number): Promise<unknown> {
    let failure: unknown = null;
    reservation.sequencing ??= this.#sequence(reservation);
    const outcome = reservation.sequencing.catch((thrown: unknown) => {
      failure = thrown;
    });
    await settledWithin(outcome, ms);
    return failure;
  }

  async #sequence(reservation: Reservation): Promise<void> {
    const { logId, name, record, durable } = reservation;
    try {
      await this.#sourcing.requireFilesStanding(reservation);
      const damaged = await this.#steps.require(reservation);
      if (damaged.length > 0) {
        this.#wantAgain(reservation, damaged);
        return;
      }
      reservation.registryIndex = await this.#parts.sequencer.sequence({ kind: 'package', logId, name, record });
      this.#reservations.remove(reservation);
      if (reservation.durable !== durable) void this.#deleteLateRow(reservation);
    } catch (failure) {
      // An infrastructure fault never rejects a record; it is tried again by sweep(), or after the next start.
      if (isRefusal(failure)) {
        await this.#reject(reservation, messageOf(failure));
      } else this.#waitOn(reservation);
      throw failure;
    }
  }

  /** Whoever posts the record again is asked for it; a row keeps what waits, as for all content. */
  #wantAgain(reservation: Reservation, damaged: readonly Digest[]): void {
    for (const digest of damaged) reservation.missing.add(digest);
    reservation.lastProgressMs = this.#parts.clock();
    reservation.sequencing = null;
  }

  /** The commit has settled the rows that it found; this one was written for "processing" while it went on. */
  async #deleteLateRow({ row, record }: Reservation): Promise<void> {
    await row;
    // A start would do it too.
    await this.#parts.store.deletePending(record.id).catch(() => undefined);
  }

  /** For another try; a record of which nothing is stored is the publisher's to send again. */
  #waitOn(reservation: Reservation): void {
    reservation.sequencing = null;
    if (reservation.durable === null) this.#reservations.remove(reservation);
  }

  /** Rejects what is not being sequenced, so that nothing is while the rejection is written. */
  #rejectWaiting(reservation: Reservation, why: string): Promise<void> {
    reservation.sequencing = this.#reject(reservation, why);
    return reservation.sequencing;
  }

  /** The package is free only once the row says so: a start would take the record up again, beside the one after it. */
  async #reject(reservation: Reservation, why: string): Promise<void> {
    const { record } = reservation;
    const written = this.#writeRow(reservation, why);
    // Nobody else writes the row now: it would say again that the record waits.
    reservation.durable ??= written;
    try {
      await written;
    } catch (failure) {
      if (reservation.durable === written) reservation.durable = null;
      this.#waitOn(reservation);
      throw failure;
    }
    this.#reservations.remove(reservation);
    this.#rejections.add(record.id, this.#parts.clock(), record.envelope.contents.length);
  }

  /** How far a record has come; waits for a commit under way. Throws `log/not-found`, `request/record`. */
  async status(logId: LogId, recordId: RecordId): Promise<wargApi.RecordStatus> {
    await this.#reservationOf(logId, recordId)?.sourcing.catch(() => undefined);
    const { sequencing } = this.#reservationOf(logId, recordId) ?? {};
    if (sequencing) await settledWithin(sequencing, COMMIT_WAIT_MS);
    const reservation = this.#reservationOf(logId, recordId);
    if (reservation !== null) {
      await this.#makeDurable(reservation);
      return { recordId, state: 'processing' };
    }
    const known = await this.#knownStatus(logId, recordId);
    if (known !== null) return known;
    const [first] = await this.#parts.store.readLog(logId, {
      fromPosition: 0,
      belowIndex: this.#parts.sequencer.length,
      limit: 1,
    });
    if (first === undefined) throw new RegistryError('log/not-found', `there is no log ${logId}`, { logId });
    throw new RegistryError('request/record', `there is no record ${recordId} in that log`, { recordId });
  }

  #reservationOf(logId: LogId, recordId: RecordId): Reservation | null {
    const reservation = this.#reservations.get(logId);
    return reservation?.record.id === recordId ? reservation : null;
  }

  /** `sourcing` with what is missing, for the publisher who posts again; `null` for a record not seen here. */
  async #knownStatus(logId: LogId, recordId: RecordId): Promise<wargApi.RecordStatus | null> {
    const reservation = this.#reservationOf(logId, recordId);
    await reservation?.sourcing;
    if (reservation !== null && reservation.missing.size > 0) return sourcing(reservation);
    const stored = await this.#parts.store.readRecord(recordId);
    if (stored?.logId === logId) {
      const { registryIndex } = stored;
      // It may be durable already under a head that is not served yet: nobody could check what would be said.
      if (registryIndex >= this.#parts.sequencer.length) return { recordId, state: 'processing' };
      return { recordId, state: 'published', registryIndex };
    }
    // On its way again: a row that says it was rejected is from before, and not written anew where the disk was full.
    if (reservation !== null) return null;
    const pending = await this.#parts.store.readPending(recordId);
    if (pending?.logId !== logId || pending.rejection === null) return null;
    return { recordId, state: 'rejected', reason: pending.rejection };
  }

  /**
   * Receives one content of a record that waits for it; the last one sequences the record and waits for the commit.
   * Throws `log/not-found`, `request/record`, `publish/not-sourcing`, `publish/not-wanted`, `content/…`,
   * and what the sequencer throws.
   */
  async upload(logId: LogId, recordId: RecordId, digest: Digest, body: AsyncIterable<Uint8Array>): Promise<void> {
    const reservation = this.#reservationOf(logId, recordId);
    await reservation?.sourcing;
    if (reservation === null || reservation.sequencing !== null) {
      await this.status(logId, recordId);
      throw new RegistryError('publish/not-sourcing', `record ${recordId} does not wait for content`);
    }
    const wanted = this.#sourcing.wanted(reservation, digest);
    if (wanted === null) {
      throw new RegistryError('publish/not-wanted', `record ${recordId} does not want content ${digest}`);
    }
    await this.#refuseTakenDown(reservation, digest);
    await this.#receive(reservation, wanted, body);
    await this.#settle(reservation, wanted);
    if (reservation.missing.size > 0 || !this.#reservations.has(reservation)) return;
    const failure = await this.#sequenceWithin(reservation, COMMIT_WAIT_MS);
    if (failure !== null) throw failure;
    const [again] = reservation.missing;
    if (again === undefined) return;
    const next = 'publish the same record again, which asks for it';
    throw new RegistryError('storage/damaged', `the registry's copy of ${again}, which it had, is damaged: ${next}`);
  }

  /** It was taken down while the record waited, which can never be published then. */
  async #refuseTakenDown(reservation: Reservation, digest: Digest): Promise<void> {
    try {
      await this.#gate.admitContent(reservation.name, digest);
    } catch (failure) {
      await this.#rejectFor(reservation, failure, messageOf(failure));
      throw failure;
    }
  }

  /** The content may be right and the record wrong: it can never be published then. */
  async #settle(reservation: Reservation, wanted: Wanted): Promise<void> {
    try {
      await this.#sourcing.settle(reservation, wanted);
    } catch (failure) {
      await this.#rejectFor(reservation, failure, messageOf(failure));
      throw failure;
    }
  }

  async #receive(reservation: Reservation, wanted: Wanted, body: AsyncIterable<Uint8Array>): Promise<void> {
    const { clock } = this.#parts;
    const onProgress = (): void => {
      reservation.lastProgressMs = clock();
    };
    onProgress();
    try {
      await this.#sourcing.receive(reservation, wanted, { body, onProgress });
    } catch (failure) {
      const why = `content with digest ${wanted.digest} was rejected by policy: ${messageOf(failure)}`;
      await this.#rejectFor(reservation, failure, why);
      throw failure;
    }
  }

  /** Rejects a record that no other content can save, once: several of its uploads may find that out. */
  async #rejectFor(reservation: Reservation, failure: unknown, why: string): Promise<void> {
    const waits = reservation.sequencing === null && this.#reservations.has(reservation);
    if (waits && isUnusable(failure)) await this.#rejectWaiting(reservation, why);
  }

  /** Rejects records whose uploads have stopped, and forgets rejections that nobody will ask for any more. */
  async sweep(): Promise<void> {
    const { clock } = this.#parts;
    for (const reservation of this.#reservations.values()) {
      // Before that, nothing missing means nothing known: the record would be published without its content.
      await reservation.sourcing.catch(() => undefined);
      if (reservation.sequencing !== null || !this.#reservations.has(reservation)) continue;
      if (reservation.missing.size === 0) void this.#sequenceWithin(reservation, 0);
      else if (clock() - reservation.lastProgressMs > SOURCING_IDLE_MS) {
        await this.#rejectWaiting(reservation, 'its content was not uploaded in time');
      }
    }
    await this.#forgetRejections();
  }

  async #forgetRejections(): Promise<void> {
    const { clock, store } = this.#parts;
    for (const recordId of this.#rejections.takeDue(clock())) {
      const pending = await store.readPending(recordId);
      // The same record may have been posted again: the row is its own now, also where it is not written yet.
      if (pending === null || this.#reservationOf(pending.logId, recordId) !== null) continue;
      if (pending.rejection !== null) await store.deletePending(recordId);
    }
  }
}

/** What no other bytes can mend: the record names what it may not. */
function isUnusable(failure: unknown): boolean {
  return isGateRefusal(failure) || isRegistryError(failure, 'admission/policy', 'content/policy', 'content/tree');
}

/** What was refused for what the record says, as against what failed about the server. */
function isRefusal(failure: unknown): boolean {
  if (isGateRefusal(failure) || isRegistryError(failure, 'release/step', 'admission/policy')) return true;
  return isRegistryError(failure) && failure.code.startsWith('record/');
}

function foreignId(): RegistryError {
  return new RegistryError('admission/policy', 'the same record stands in the log of another package: sign a new one');
}

function sourcing({ logId, record, missing }: Reservation): wargApi.RecordStatus {
  const endpoint = (digest: Digest): wargApi.UploadEndpoint => ({
    type: 'http',
    method: 'POST',
    // Relative to the base URL and usable without headers, which the Rust client sends wrongly (spec/http.md 3).
    url: `v1/package/${logId}/record/${record.id}/content/${digest}`,
    headers: {},
  });
  const missingContent = new Map([...missing].map((digest) => [digest, [endpoint(digest)]] as const));
  return { recordId: record.id, state: 'sourcing', missingContent };
}
