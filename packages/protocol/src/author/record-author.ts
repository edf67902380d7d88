import { RegistryError } from '../errors.ts';
import { RECORD_ALGORITHM_NAMES } from '../jose/algorithms.ts';
import { formatJosePrivateKey, type JosePrivateKey } from '../jose/private-key.ts';
import type { JosePublicKey } from '../jose/public-key.ts';
import { localSigner, type Signer } from '../jose/signer.ts';
import { parsePrivateKey, type PrivateKey } from '../names/key.ts';
import { timestampFromMs, type Timestamp } from '../names/timestamp.ts';
import type { AnnotationBook } from '../record-log/annotations/annotation-book.ts';
import {
  judgeAnnotations,
  type AnnotationRefusal,
  type JudgedAnnotation,
} from '../record-log/annotations/annotation-judge.ts';
import type { AnnotationDraft } from '../record-log/annotations/annotation.ts';
import type { GrantId } from '../record-log/authority/grant.ts';
import { holderOf, type Holder } from '../record-log/authority/holder.ts';
import { annotatePermission } from '../record-log/authority/permission.ts';
import { findRefusal, REFUSAL_WORDS, type Actor, type Refusal } from '../record-log/authority/verdict.ts';
import { tryEntry } from '../record-log/entry-trial.ts';
import type { LogHead, LogHome } from '../record-log/log-state.ts';
import { judgeRecord } from '../record-log/machine.ts';
import { PACKAGE_LOG, type PackageEntry, type PackageState } from '../record-log/package-log.ts';
import { timeAfter } from '../record-log/record-time.ts';
import {
  draftRecordJointly,
  signRecord,
  signRecordJointly,
  type JointDraft,
  type RecordDraft,
  type SignedRecord,
} from '../record-log/signed-record.ts';
import { claimedKindOf } from '../content/kind.ts';
import { encodeDraft, unknownType } from './annotation-draft.ts';

/** Who signs a record: all of `signers` one of version 1; one of version 0 the first alone, which must be of P-256. */
export interface Author {
  readonly signers: readonly [Signer, ...Signer[]];
  /** `null` where the first signer cannot sign records of version 0. */
  readonly wargKey: PrivateKey | null;
}

/** The author who has these keys at hand. Throws `usage/invalid` for a key that records cannot be signed with. */
export function authorOf([first, ...others]: readonly [JosePrivateKey, ...JosePrivateKey[]]): Author {
  const useless = [first, ...others].find(({ publicKey }) => !RECORD_ALGORITHM_NAMES.includes(publicKey.algorithm));
  if (useless !== undefined) {
    throw new RegistryError(
      'usage/invalid',
      `a key of ${useless.publicKey.algorithm} signs files, but no records: not every reader could verify them; see waybill key new --help`,
    );
  }
  const isWarg = first.publicKey.algorithm === 'ES256';
  return {
    signers: [localSigner(first), ...others.map(localSigner)],
    wargKey: isWarg ? parsePrivateKey(formatJosePrivateKey(first)) : null,
  };
}

export interface RecordParts {
  readonly author: Author;
  readonly home: LogHome;
  /** Unix milliseconds. */
  readonly clock: () => number;
  /** Cryptographically random bytes. */
  readonly random: (length: number) => Uint8Array;
}

/** {@link RecordParts} of a record that others are to sign. */
export interface DraftParts extends Omit<RecordParts, 'author'> {
  /** Of all who are to sign it. */
  readonly keys: readonly JosePublicKey[];
}

const NANOS_BELOW_MS = 1_000_000;

/** What a record is to say. */
export interface RecordSpeech {
  readonly entries: readonly PackageEntry[];
  readonly annotations: readonly AnnotationDraft[];
}

/** The log that a record is to follow. */
export interface RecordPlace {
  readonly state: PackageState;
  readonly book: AnnotationBook;
}

/**
 * Signs the next record of a log, of version 1 where the log is of version 1, is asked to become so, or is new and its
 * author has no key of version 0 or a release says what kind its content is. Entries and annotations that name no grant are put under one that allows them. Throws the
 * `record/…` code of a rule that the record would break, `record/unauthorized` also for an annotation that would mean nothing,
 * and `usage/invalid` for one that nobody could read.
 */
export async function makeRecord(
  speech: RecordSpeech,
  place: RecordPlace,
  parts: RecordParts,
): Promise<SignedRecord<PackageEntry>> {
  const record = await signNext(speech, place.state, parts);
  requireObeyed(record, place);
  return record;
}

/**
 * The same for whoever judges the record elsewhere, against a state that may move on while it is signed: nothing of `state` is
 * looked at after the first `await`.
 */
export async function signNext(
  speech: RecordSpeech,
  state: PackageState,
  { author, ...parts }: RecordParts,
): Promise<SignedRecord<PackageEntry>> {
  const keys = author.signers.map(({ publicKey }) => publicKey);
  const beginsVersion1 = author.wargKey === null || saysKind(speech.entries);
  const isVersion1 = isOfVersion1(speech, state) || (state.length === 0 && beginsVersion1);
  if (!isVersion1 && saysKind(speech.entries)) {
    throw new RegistryError(
      'usage/invalid',
      'the package is of version 0, whose releases cannot say what they are: upgrade it first, see waybill upgrade --help',
    );
  }
  return isVersion1
    ? signRecordJointly(PACKAGE_LOG, jointDraft(speech, state, { ...parts, keys }), author.signers)
    : signRecord(PACKAGE_LOG, wargDraft(speech, state, { ...parts, author, keys }), wargKeyOf(author));
}

/**
 * The next record of a log as {@link makeRecord} makes it, for others to sign: those keys, each of them, and it is of version 1.
 * A log that would not be, for it has records of version 0, is refused with `usage/invalid`.
 */
export function draftRecord(speech: RecordSpeech, place: RecordPlace, parts: DraftParts): SignedRecord<PackageEntry> {
  const { state } = place;
  if (!isOfVersion1(speech, state) && state.length > 0) {
    throw new RegistryError(
      'usage/invalid',
      'the package is of version 0, whose records have one signer: see waybill upgrade --help',
    );
  }
  const ids = parts.keys.map(({ id }) => id);
  const record = draftRecordJointly(PACKAGE_LOG, jointDraft(speech, state, parts), ids);
  requireObeyed(record, place);
  return record;
}

/** Throws `record/…` for a record that the log would not take, or for an annotation in it that would mean nothing. */
export function requireObeyed(record: SignedRecord<PackageEntry>, { state, book }: RecordPlace): void {
  const { draft } = judgeRecord(PACKAGE_LOG, state, record);
  for (const judged of judgeAnnotations(record, { before: state, after: draft }, book.findTarget)) requireMeant(judged);
}

/** A reader of version 0 takes content for one WebAssembly file: anything more particular has to be said. */
function saysKind(entries: readonly PackageEntry[]): boolean {
  return entries.some((entry) => {
    const claim = entry.type === 'release' ? (entry.claim ?? null) : null;
    return claim !== null && !['wasm', 'other'].includes(claimedKindOf(claim.mediaType));
  });
}

function isOfVersion1({ entries }: RecordSpeech, { root }: PackageState): boolean {
  return root !== null || entries[0]?.type === 'root';
}

function jointDraft(speech: RecordSpeech, state: PackageState, parts: DraftParts): JointDraft<PackageEntry> {
  const granted = { ...parts, time: recordTime(state.head, parts) };
  return {
    prev: state.head?.id ?? null,
    time: granted.time,
    entries: grantedEntriesOf(speech.entries, state, granted),
    annotations: speech.annotations.map((draft) => encodeDraft(placed(draft, state, granted))),
    home: parts.home,
  };
}

function wargDraft(
  { entries, annotations }: RecordSpeech,
  state: PackageState,
  parts: DraftParts & Pick<RecordParts, 'author'>,
): RecordDraft<PackageEntry> {
  return {
    prev: state.head?.id ?? null,
    time: recordTime(state.head, parts),
    entries: state.length > 0 ? entries : [{ type: 'init', key: wargKeyOf(parts.author).publicKey }, ...entries],
    annotations: annotations.map((draft) => encodeDraft(draft)),
  };
}

function requireMeant(judged: JudgedAnnotation): void {
  if (judged.verdict === 'authorized') return;
  if (judged.verdict === 'unreadable') throw new RegistryError('usage/invalid', judged.why);
  const { type } = judged.annotation;
  if (!('reason' in judged)) throw unknownType(type);
  const { reason } = judged;
  const words = type === 'withdrawal' ? WITHDRAWAL_WORDS.get(reason) : undefined;
  const why = words ?? 'its signers may not make it; in version 0 it takes release or yank';
  const message = `the annotation of type ${type} would mean nothing: ${why}`;
  throw new RegistryError('record/unauthorized', message, { reason, grant: '' });
}

const WITHDRAWAL_WORDS: ReadonlyMap<AnnotationRefusal, string> = new Map([
  ['target', 'no annotation with that id stands in the log that could be withdrawn'],
  ['holder', 'whoever signed the other one withdraws it, or the root'],
]);

/** The key ids by which a new log that begins with these entries is judged: spec/governance.md 6.2. */
export function starterIds(entries: readonly PackageEntry[], { signers, wargKey }: Author): readonly string[] {
  const keyIds = signers.map(({ publicKey }) => publicKey.id);
  const [first] = entries;
  if (first?.type === 'root') return keyIds.filter((id) => first.holder.keys.some((key) => key.id === id));
  return wargKey === null || saysKind(entries) ? keyIds : keyIds.slice(0, 1);
}

function wargKeyOf({ wargKey, signers: [first] }: Author): PrivateKey {
  if (wargKey !== null) return wargKey;
  throw new RegistryError(
    'usage/invalid',
    `a key of ${first.publicKey.algorithm} signs records of version 1 alone: have a holder upgrade the log with waybill upgrade`,
  );
}

/** Random below the millisecond, so that two packages never share an init record (spec/admission.md 5.2). */
function recordTime(head: LogHead | null, { clock, random }: Pick<DraftParts, 'clock' | 'random'>): Timestamp {
  const [a = 0, b = 0, c = 0] = random(3);
  const now = timestampFromMs(clock(), (a * 65_536 + b * 256 + c) % NANOS_BELOW_MS);
  return timeAfter(head, now);
}

interface GrantedParts extends DraftParts {
  readonly time: Timestamp;
}

function grantedEntriesOf(
  entries: readonly PackageEntry[],
  state: PackageState,
  parts: GrantedParts,
): readonly PackageEntry[] {
  const { keys } = parts;
  // Whoever begins version 1 holds the root, and does the rest of the record under it.
  if (entries[0]?.type === 'root') return entries;
  if (state.root === null) {
    return [{ type: 'root', holder: holderOf(keys, keys.length) }, ...entries];
  }
  return entries.map((entry) => {
    if ('under' in entry || entry.type === 'transfer') return entry;
    const { time } = parts;
    const deed = {
      what: entry.type,
      refuse: (actor: Actor) => tryEntry(PACKAGE_LOG, state, { entry, actor, time }),
    };
    const under = findUnder(state, deed, parts);
    return under === null ? entry : { ...entry, under };
  });
}

/** An annotation under a grant that allows it, where the log has grants and it takes one. */
function placed(draft: AnnotationDraft, state: PackageState, parts: GrantedParts): AnnotationDraft {
  const { type, version = null, under } = draft;
  if (state.root === null || under !== undefined || type === 'withdrawal') return draft;
  const act = { permission: annotatePermission(type), time: parts.time, version, annotationType: type };
  const deed = { what: act.permission, refuse: (actor: Actor) => findRefusal(state, actor, act) };
  return { ...draft, under: findUnder(state, deed, parts) };
}

/** Something to be done under the root or a grant. */
interface Deed {
  /** For a person. */
  readonly what: string;
  readonly refuse: (actor: Actor) => Refusal | null;
}

/** The root if the signers hold it, else the first grant that allows the deed. Throws `record/unauthorized`. */
function findUnder(state: PackageState, { what, refuse }: Deed, { keys }: GrantedParts): GrantId | null {
  const signers = new Set(keys.map(({ id }) => id));
  const near: Refusal[] = [];
  for (const candidate of [null, ...state.grants.values()]) {
    if (!isPartOf(candidate === null ? state.root : candidate.holder, signers)) continue;
    const under = candidate === null ? null : candidate.id;
    const refusal = refuse({ signers, under });
    if (refusal === null) return under;
    near.push(refusal);
  }
  throw nothingAllows(what, { state, signers, near });
}

function isPartOf(holder: Holder | null, signers: ReadonlySet<string>): boolean {
  return holder !== null && holder.keys.some(({ id }) => signers.has(id));
}

interface NothingAllows {
  readonly state: PackageState;
  readonly signers: ReadonlySet<string>;
  /** What stands in the way under whatever the signers have a part in. */
  readonly near: readonly Refusal[];
}

/** Tells the refusal that came furthest: whoever has two grants thinks of the one that nearly allows it. */
function nothingAllows(what: string, { state, signers, near }: NothingAllows): RegistryError {
  const isEarly = ({ reason }: Refusal): boolean => reason === 'holder' || reason === 'permission';
  const told =
    near.findLast((one) => !isEarly(one)) ?? near.findLast(({ reason }) => reason === 'permission') ?? near[0];
  const why = told === undefined ? '' : `: ${refusalWords(state, told)}`;
  const message = `nothing that ${[...signers].join(', ')} holds allows ${what} here${why}`;
  return new RegistryError('record/unauthorized', message, {
    reason: told?.reason ?? 'holder',
    grant: told?.grant ?? '',
  });
}

function refusalWords(state: PackageState, { reason, grant: id }: Refusal): string {
  const holder = id === null ? state.root : state.grant(id)?.holder;
  const isShort = reason === 'holder' && holder && holder.threshold > 1;
  const words = isShort ? `it takes ${holder.threshold} of its ${holder.keys.length} keys` : wordsOf(reason);
  return id === null ? `of the root, ${words}` : `of grant ${id}, ${words}`;
}

function wordsOf(reason: Refusal['reason']): string {
  return reason === 'grant-unknown' ? 'there is none' : REFUSAL_WORDS[reason];
}
