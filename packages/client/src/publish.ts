import {
  AnnotationBook,
  annotationIdOf,
  emptyLogState,
  isDigest,
  isRegistryError,
  namespaceOf,
  packageLogId,
  parseRecordId,
  RegistryError,
  rootednessOfStarters,
  type AnnotationDraft,
  type AnnotationId,
  type Digest,
  type LogId,
  type PackageEntry,
  type PackageName,
  type PackageState,
  type RecordId,
  type SignedRecord,
  type wargApi,
} from '@waybill/protocol';
import { takenDownError, unrootedError } from './governance-refusal.ts';
import { standingTakedown, statesFor } from './governance-view.ts';
import type { Clock, Random } from './ports.ts';
import { makeRecord, starterIds, type Author } from './record-author.ts';
import { originOf, type RegistryClient, type VerifiedView } from './registry-client.ts';

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
  const { client, onStep } = parts;
  onStep('checking the package log');
  const logId = packageLogId(plan.name);
  const view = await client.view([plan.name]);
  const home = { log: logId, origin: originOf(view.operator, namespaceOf(plan.name)) };
  const state: PackageState = view.packages.get(plan.name)?.state ?? emptyLogState(home);
  const said = { entries: plan.entries(state), annotations: plan.annotations };
  requireGoverned({ plan, view, entries: said.entries }, parts.author);
  const book = view.packages.get(plan.name)?.annotations ?? new AnnotationBook();
  const record = await makeRecord(said, { state, book }, { ...parts, home });
  onStep('publishing the record');
  const status = await client.api.publish(logId, plan.name, record.envelope, plan.final);
  if (status.state === 'sourcing') await uploadMissing(plan, status.missingContent, parts);
  await waitUntilPublished(logId, record.id, parts);
  return { record, started: state.length === 0 };
}

interface GovernedAttempt {
  readonly plan: PublishPlan;
  readonly view: VerifiedView;
  readonly entries: readonly PackageEntry[];
}

/** What a registry that obeys its governance logs would refuse, found before anything is signed. */
function requireGoverned({ plan: { name, contents }, view, entries }: GovernedAttempt, author: Author): void {
  const states = statesFor(view.governance, namespaceOf(name));
  if (!view.packages.has(name)) {
    const rootedness = rootednessOfStarters(states, starterIds(entries, author));
    if (rootedness.verdict === 'unrooted') throw unrootedError(name, rootedness);
  }
  const released = entries.flatMap((entry) =>
    entry.type === 'release' && isDigest(entry.content) ? entry.content : [],
  );
  for (const digest of new Set([...released, ...contents.keys()])) {
    const takedown = standingTakedown(states, digest);
    if (takedown !== null) throw takenDownError(name, 'what is to be published', takedown);
  }
}

async function uploadMissing(
  plan: PublishPlan,
  missing: ReadonlyMap<string, readonly wargApi.UploadEndpoint[]>,
  { client, onStep }: PublishParts,
): Promise<void> {
  for (const [digest, endpoints] of missing) {
    const content = [...plan.contents].find(([known]) => known === digest)?.[1];
    const [endpoint] = endpoints;
    if (content === undefined || endpoint === undefined) {
      throw new RegistryError(
        'registry/protocol',
        `the registry wants content ${digest}, which this record does not carry`,
      );
    }
    onStep(`uploading ${digest}`);
    await client.api.upload(endpoint, await content());
  }
}

async function waitUntilPublished(
  logId: LogId,
  recordId: RecordId,
  { client, clock, onStep }: PublishParts,
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
  { client, onStep }: PublishParts,
): Promise<PublishedPlan> {
  onStep('verifying that it stands in the log');
  const view = await client.view([name]);
  for (const { registryIndex, envelope } of view.packages.get(name)?.records ?? []) {
    if (sameContents(envelope.contents, record.envelope.contents))
      return {
        recordId: record.id,
        registryIndex,
        started,
        entries: record.entries,
        annotations: record.annotations.map((_, index) => annotationIdOf(record.id, index)),
      };
  }
  throw new RegistryError(
    'log/incomplete',
    `the registry says record ${record.id} is published, but its log does not hold it`,
  );
}

function sameContents(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
