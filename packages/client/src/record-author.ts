import {
  annotatePermission,
  compareTimestamps,
  findRefusal,
  formatJosePrivateKey,
  holderOf,
  judgeAnnotations,
  judgeRecord,
  localSigner,
  PACKAGE_LOG,
  parsePrivateKey,
  RECORD_ALGORITHM_NAMES,
  REFUSAL_WORDS,
  RegistryError,
  signRecord,
  signRecordJointly,
  timestampFromMs,
  tryEntry,
  type Actor,
  type AnnotationBook,
  type AnnotationDraft,
  type AnnotationRefusal,
  type GrantId,
  type Holder,
  type JosePrivateKey,
  type JudgedAnnotation,
  type LogHead,
  type LogHome,
  type PackageEntry,
  type PackageState,
  type PrivateKey,
  type Refusal,
  type SignedRecord,
  type Signer,
  type Timestamp,
} from '@waybill/protocol';
import { encodeDraft, unknownType } from './annotation-draft.ts';
import type { Clock, Random } from './ports.ts';

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
  readonly clock: Clock;
  readonly random: Random;
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
 * author has no key of version 0. Entries and annotations that name no grant are put under one that allows them. Throws the
 * `record/…` code of a rule that the record would break, `record/unauthorized` also for an annotation that would mean nothing,
 * and `usage/invalid` for one that nobody could read.
 */
export async function makeRecord(
  { entries, annotations: drafts }: RecordSpeech,
  { state, book }: RecordPlace,
  parts: RecordParts,
): Promise<SignedRecord<PackageEntry>> {
  const time = recordTime(state.head, parts);
  const prev = state.head?.id ?? null;
  const annotations = drafts.map((draft) => encodeDraft(placed(draft, state, { ...parts, time })));
  const isVersion1 = state.root !== null || entries[0]?.type === 'root' || isNewWithoutWargKey(state, parts.author);
  const record = isVersion1
    ? await signRecordJointly(
        PACKAGE_LOG,
        { prev, time, entries: grantedEntriesOf(entries, state, { ...parts, time }), annotations, home: parts.home },
        parts.author.signers,
      )
    : await signRecord(
        PACKAGE_LOG,
        { prev, time, entries: withInit(entries, state, parts), annotations },
        wargKeyOf(parts.author),
      );
  const { draft } = judgeRecord(PACKAGE_LOG, state, record);
  for (const judged of judgeAnnotations(record, { before: state, after: draft }, book.findTarget)) requireMeant(judged);
  return record;
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
  return wargKey === null ? keyIds : keyIds.slice(0, 1);
}

function isNewWithoutWargKey(state: PackageState, { wargKey }: Author): boolean {
  return state.length === 0 && wargKey === null;
}

function wargKeyOf({ wargKey, signers: [first] }: Author): PrivateKey {
  if (wargKey !== null) return wargKey;
  throw new RegistryError(
    'usage/invalid',
    `a key of ${first.publicKey.algorithm} signs records of version 1 alone: have a holder upgrade the log with waybill upgrade`,
  );
}

function withInit(
  entries: readonly PackageEntry[],
  state: PackageState,
  { author }: RecordParts,
): readonly PackageEntry[] {
  return state.length > 0 ? entries : [{ type: 'init', key: wargKeyOf(author).publicKey }, ...entries];
}

/** Random below the millisecond, so that two packages never share an init record (spec/admission.md 5.2). */
function recordTime(head: LogHead | null, { clock, random }: RecordParts): Timestamp {
  const [a = 0, b = 0, c = 0] = random(3);
  const now = timestampFromMs(clock(), (a * 65_536 + b * 256 + c) % NANOS_BELOW_MS);
  return head !== null && compareTimestamps(head.time, now) > 0 ? head.time : now;
}

interface GrantedParts extends RecordParts {
  readonly time: Timestamp;
}

function grantedEntriesOf(
  entries: readonly PackageEntry[],
  state: PackageState,
  parts: GrantedParts,
): readonly PackageEntry[] {
  const { signers } = parts.author;
  // Whoever begins version 1 holds the root, and does the rest of the record under it.
  if (entries[0]?.type === 'root') return entries;
  if (state.root === null) {
    const holder = holderOf(
      signers.map(({ publicKey }) => publicKey),
      signers.length,
    );
    return [{ type: 'root', holder }, ...entries];
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
function findUnder(state: PackageState, { what, refuse }: Deed, { author }: GrantedParts): GrantId | null {
  const signers = new Set(author.signers.map(({ publicKey }) => publicKey.id));
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
