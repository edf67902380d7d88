import {
  AnnotationBook,
  annotationIdOf,
  emptyLogState,
  isDigest,
  isRegistryError,
  namespaceOf,
  judgeRecord,
  PACKAGE_LOG,
  packageLogId,
  parseRecordId,
  readAnnotations,
  RegistryError,
  rootednessOf,
  rootednessOfStarters,
  verifyRecordSignatures,
  type AnnotationDraft,
  type AnnotationId,
  type Digest,
  type GovernanceStates,
  type JosePublicKey,
  type LogHome,
  type LogId,
  type PackageEntry,
  type PackageName,
  type PackageState,
  type RecordId,
  type Rootedness,
  type SignedRecord,
  type wargApi,
} from '@waybill/protocol';
import {
  draftRecord,
  makeRecord,
  requireObeyed,
  starterIds,
  type Author,
  type RecordPlace,
} from '@waybill/protocol/author';
import type { CarriedEntries, CarriedKind, CarriedRecord } from './carried-record.ts';
import { takenDownError, unrootedError } from './governance-refusal.ts';
import { standingTakedown, statesFor } from './governance-view.ts';
import type { Clock, Random } from './ports.ts';
import { findRecord, requireSent } from './record-sending.ts';
import { forEachAtOnce } from './at-once.ts';
import { isTreeClaim } from './tree-fetch.ts';
import { originOf, type RegistryClient } from './registry-client.ts';

/** What to append, in one record. What a new log begins with is added by itself. */
export interface PublishPlan {
  readonly name: PackageName;
  /** Made for the state the record will follow; called again after every rebase. */
  readonly entries: (state: PackageState) => readonly PackageEntry[];
  readonly annotations: readonly AnnotationDraft[];
  /** The bytes of content that entries and annotations name. */
  readonly contents: ReadonlyMap<Digest, () => Promise<Blob>>;
  /** Locking everybody out of a permission for ever is meant. */
  readonly final: boolean;
}

export interface PublishParts {
  readonly client: RegistryClient;
  readonly author: Author;
  readonly clock: Clock;
  readonly random: Random;
  /** Told what is being done, for a person who waits. */
  readonly onStep: (step: string) => void;
}

export interface PublishedPlan {
  readonly recordId: RecordId;
  readonly registryIndex: number;
  /** True when this record started the log. */
  readonly started: boolean;
  /** What the record says, also what was added by itself. */
  readonly entries: readonly PackageEntry[];
  readonly annotations: readonly AnnotationId[];
}

/** Publishers that were first, in a row, before this one gives up. */
const REBASES_MAX = 20;
/** Indexes, then files; once more for what another record has taken away meanwhile. */
const SOURCING_ROUNDS_MAX = 3;
/** Fewer than a registry lets one record have. */
const UPLOADS_AT_ONCE = 4;
const POLL_MS_FIRST = 50;
const POLL_MS_MAX = 1_000;
/** The Rust server shows the record that was first only under its next checkpoint, up to 5 s later. */
const LOST_RACE_PAUSE_MS = 1_000;
/** A record that is neither published nor rejected for this long is left to the next run. */
const PUBLISH_MS_MAX = 120_000;

/**
 * Signs and publishes a record, and verifies that it stands in the log. When another publisher is first, the record is made
 * and signed anew on the new head. Throws before anything is sent: the `record/…` code of a rule that the record would break,
 * `governance/unrooted` for a package that would be, `content/taken-down`.
 */
export async function publish(plan: PublishPlan, parts: PublishParts): Promise<PublishedPlan> {
  for (let rebases = 0; ; rebases++) {
    const outcome = await attemptPublish(plan, parts).catch((failure: unknown) =>
      waitForOther(plan.name, parts, failure),
    );
    if (outcome !== null) return verifyPublished(plan.name, outcome, parts);
    if (rebases === REBASES_MAX)
      throw new RegistryError('publish/conflict', 'other publishers were first, again and again');
    parts.onStep('another publisher was first; signing again on the new head');
  }
}

interface Attempt {
  readonly record: SignedRecord<PackageEntry>;
  readonly started: boolean;
}

async function attemptPublish(plan: PublishPlan, parts: PublishParts): Promise<Attempt> {
  parts.onStep('checking the package log');
  const { home, ...place } = await placeOf(plan.name, parts.client);
  const said = { entries: plan.entries(place.state), annotations: plan.annotations };
  const starters = starterIds(said.entries, parts.author);
  if (place.state.length === 0) requireRooted(plan.name, rootednessOfStarters(place.governance, starters));
  requireServed(plan.name, place.governance, [...contentOf(said.entries), ...plan.contents.keys()]);
  const record = await makeRecord(said, place, { ...parts, home });
  await publishRecord(plan, record, parts);
  return { record, started: place.state.length === 0 };
}

interface PackagePlace extends RecordPlace {
  readonly home: LogHome;
  readonly records: readonly wargApi.PublishedRecord[];
  readonly governance: GovernanceStates;
}

/** The end of a package's log, verified; that of an empty one where there is none. */
async function placeOf(name: PackageName, client: RegistryClient): Promise<PackagePlace> {
  const view = await client.view([name]);
  const home = { log: packageLogId(name), origin: originOf(view.operator, namespaceOf(name)) };
  const found = view.packages.get(name);
  return {
    home,
    state: found?.state ?? emptyLogState(home),
    book: found?.annotations ?? new AnnotationBook(),
    records: found?.records ?? [],
    governance: statesFor(view.governance, namespaceOf(name)),
  };
}

/** What a registry that obeys its governance logs would refuse. */
function requireRooted(name: PackageName, rootedness: Rootedness): void {
  if (rootedness.verdict === 'unrooted') throw unrootedError(name, rootedness);
}

function requireServed(name: PackageName, governance: GovernanceStates, digests: readonly Digest[]): void {
  for (const digest of new Set(digests)) {
    const takedown = standingTakedown(governance, digest);
    if (takedown !== null) throw takenDownError(name, 'what is to be published', takedown);
  }
}

function contentOf(entries: readonly CarriedEntries[CarriedKind][]): Digest[] {
  return entries.flatMap((entry) => (entry.type === 'release' && isDigest(entry.content) ? entry.content : []));
}

/** The content that goes with a record, by its entries and its annotations: whoever sends it has the files. */
export function contentNamedBy(record: SignedRecord<CarriedEntries[CarriedKind]>): readonly Digest[] {
  const said = readAnnotations(record).flatMap((read) =>
    'why' in read ? [] : (read.annotation.content?.digest ?? []),
  );
  return [...contentOf(record.entries), ...said];
}

/** Makes the next record of a package for others to sign; `keysFor` gives their keys, ascending. Throws as {@link draftRecord}. */
export async function draftPublish(
  plan: Pick<PublishPlan, 'name' | 'entries' | 'annotations'>,
  keysFor: (state: PackageState, entries: readonly PackageEntry[]) => readonly JosePublicKey[],
  parts: Omit<PublishParts, 'author'>,
): Promise<CarriedRecord<'package'>> {
  const { name, annotations } = plan;
  parts.onStep('checking the package log');
  const { home, ...place } = await placeOf(name, parts.client);
  const entries = plan.entries(place.state);
  const signers = keysFor(place.state, entries);
  const record = draftRecord({ entries, annotations }, place, { ...parts, home, keys: signers });
  requireGoverned(name, record, place.governance);
  return { kind: 'package', log: name, contents: record.envelope.contents, signers, signatures: [] };
}

function requireGoverned(name: PackageName, record: SignedRecord<PackageEntry>, governance: GovernanceStates): void {
  if (record.prev === null) requireRooted(name, rootednessOf(governance, record));
  requireServed(name, governance, contentNamedBy(record));
}

/** A record that is signed by all who were to sign it. */
export interface SignedPlan extends Pick<PublishPlan, 'name' | 'contents' | 'final'> {
  readonly record: SignedRecord<PackageEntry>;
}

/**
 * Publishes a record that was signed elsewhere, and verifies that it stands in the log. It is never made anew: throws
 * `publish/conflict` where another record came first, and `record/…` for one that the log would not take, before it is sent.
 */
export async function publishSigned(plan: SignedPlan, parts: SendParts): Promise<PublishedPlan> {
  const { record, name } = plan;
  parts.onStep('checking the package log');
  const { state, book, records, governance } = await placeOf(name, parts.client);
  const attempt = { record, started: record.prev === null };
  if (findRecord(records, record) !== null) return verifyPublished(name, attempt, parts);
  if ((state.head?.id ?? null) !== record.prev) {
    const message = `the log of ${name} has moved on since the record was drafted: draft it again`;
    throw new RegistryError('publish/conflict', message, { recordId: state.head?.id ?? '' });
  }
  requireObeyed(record, { state, book });
  requireGoverned(name, record, governance);
  requireServed(name, governance, [...plan.contents.keys()]);
  await verifyRecordSignatures(PACKAGE_LOG, record, judgeRecord(PACKAGE_LOG, state, record).owed);
  await publishRecord(plan, record, parts);
  return verifyPublished(name, attempt, parts);
}

type SendParts = Pick<PublishParts, 'client' | 'clock' | 'onStep'>;

async function publishRecord(
  plan: Pick<PublishPlan, 'name' | 'contents' | 'final'>,
  record: SignedRecord<PackageEntry>,
  parts: SendParts,
): Promise<void> {
  const logId = packageLogId(plan.name);
  for (let round = 0; ; round++) {
    parts.onStep('publishing the record');
    const status = await parts.client.api.publish(logId, plan.name, record.envelope, plan.final);
    if (status.state !== 'sourcing') break;
    if (round === SOURCING_ROUNDS_MAX) {
      throw new RegistryError('registry/protocol', 'the registry wants content again and again that it has been sent');
    }
    await uploadMissing(plan, status.missingContent, parts);
    // Posting again tells what the indexes that went up name: spec/http.md 5.8. Nobody else is asked twice.
    if (!namesTree(record)) break;
  }
  await waitUntilPublished(logId, record.id, parts);
}

function namesTree({ entries }: SignedRecord<PackageEntry>): boolean {
  return entries.some((entry) => entry.type === 'release' && isTreeClaim(entry.claim ?? null));
}

async function uploadMissing(
  plan: Pick<PublishPlan, 'contents'>,
  missing: ReadonlyMap<string, readonly wargApi.UploadEndpoint[]>,
  { client, onStep }: SendParts,
): Promise<void> {
  const contents: ReadonlyMap<string, () => Promise<Blob>> = plan.contents;
  let done = 0;
  await forEachAtOnce(UPLOADS_AT_ONCE, [...missing], async ([digest, [endpoint]]) => {
    const content = contents.get(digest);
    if (content === undefined || endpoint === undefined) {
      throw new RegistryError(
        'registry/protocol',
        `the registry wants content ${digest}, which this record does not carry`,
      );
    }
    done++;
    onStep(missing.size === 1 ? `uploading ${digest}` : `uploading ${done} of ${missing.size} files`);
    await client.api.upload(endpoint, await content());
  });
}

async function waitUntilPublished(
  logId: LogId,
  recordId: RecordId,
  { client, clock, onStep }: SendParts,
): Promise<void> {
  const giveUpAtMs = clock() + PUBLISH_MS_MAX;
  for (let pollMs = POLL_MS_FIRST; ; pollMs = Math.min(pollMs * 2, POLL_MS_MAX)) {
    const status = await client.api.recordStatus(logId, recordId);
    if (status.state === 'published') return;
    if (status.state === 'rejected')
      throw new RegistryError('registry/refused', `the registry rejected the record: ${status.reason}`);
    if (clock() > giveUpAtMs) {
      throw new RegistryError('registry/unreachable', `record ${recordId} is still not published; look again later`);
    }
    onStep('waiting until it is published');
    await sleep(pollMs);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/** For a conflict, waits until the other record is decided and gives `null`; anything else is thrown on. */
async function waitForOther(name: PackageName, parts: PublishParts, failure: unknown): Promise<null> {
  if (isLostRace(failure)) {
    await sleep(LOST_RACE_PAUSE_MS);
    return null;
  }
  if (!isRegistryError(failure, 'publish/conflict')) throw failure;
  const logId = packageLogId(name);
  const other = parseRecordId(String(failure.detail['recordId']));
  const giveUpAtMs = parts.clock() + PUBLISH_MS_MAX;
  for (let pollMs = POLL_MS_FIRST; parts.clock() < giveUpAtMs; pollMs = Math.min(pollMs * 2, POLL_MS_MAX)) {
    const status = await parts.client.api.recordStatus(logId, other).catch(() => null);
    if (status?.state !== 'processing' && status?.state !== 'sourcing') return null;
    await sleep(pollMs);
  }
  throw failure;
}

/** The Rust server has no conflict answer: it takes both records and rejects the one whose turn comes second. */
function isLostRace(failure: unknown): boolean {
  return (
    isRegistryError(failure, 'registry/refused') &&
    /previous hash|does not match|not the first|already initialized|beginning/i.test(failure.message)
  );
}

async function verifyPublished(
  name: PackageName,
  { record, started }: Attempt,
  { client, onStep }: SendParts,
): Promise<PublishedPlan> {
  onStep('verifying that it stands in the log');
  const view = await client.view([name]);
  const { registryIndex } = requireSent(view.packages.get(name)?.records ?? [], record);
  return {
    recordId: record.id,
    registryIndex,
    started,
    entries: record.entries,
    annotations: record.annotations.map((_, index) => annotationIdOf(record.id, index)),
  };
}
