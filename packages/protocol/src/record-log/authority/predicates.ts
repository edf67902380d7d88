import { ProtoWriter, type ProtoMessage } from '../../bytes/protobuf.ts';
import { RegistryError } from '../../errors.ts';
import { comparePrecedence, parseVersion, type VersionText } from '../../names/version.ts';
import { isAscending } from '../../wire/record.ts';
import type { Act } from './act.ts';
import { isAnnotationType } from './permission.ts';
import { isMediaType } from './media-type.ts';

/** spec/version1.md 2.5. */
const LIST_MAX = 32;
/** Each act under a grant reads them again. */
const VERSION_CHARACTERS_MAX = 256;
const SIZE_MAX = BigInt(Number.MAX_SAFE_INTEGER);

/** What narrows a grant; `null` and empty lists restrict nothing. */
export interface Predicates {
  /** Lowest version, itself included. */
  readonly versionMin: VersionText | null;
  /** The version below which all must be. */
  readonly versionMax: VersionText | null;
  /** Unix seconds; the last at which anything may be done. */
  readonly notAfter: bigint | null;
  /** Ascending. */
  readonly mediaTypes: readonly string[];
  /** Bytes. */
  readonly sizeMax: number | null;
  /** Ascending. */
  readonly annotationTypes: readonly string[];
}

export const NO_PREDICATES: Predicates = {
  versionMin: null,
  versionMax: null,
  notAfter: null,
  mediaTypes: [],
  sizeMax: null,
  annotationTypes: [],
};

export type PredicateReason = 'expired' | 'version' | 'media-type' | 'size' | 'annotation-type';

interface PredicateRow {
  readonly reason: PredicateReason;
  readonly holds: (predicates: Predicates, act: Act) => boolean;
}

/** In the order in which they are checked: spec/version1.md 5. */
const ROWS: readonly PredicateRow[] = [
  { reason: 'expired', holds: ({ notAfter }, { time }) => notAfter === null || time.seconds <= notAfter },
  { reason: 'version', holds: isVersionWithin },
  {
    reason: 'media-type',
    holds: ({ mediaTypes }, { claim }) =>
      mediaTypes.length === 0 || claim === undefined || (claim !== null && mediaTypes.includes(claim.mediaType)),
  },
  {
    reason: 'size',
    holds: ({ sizeMax }, { claim }) =>
      sizeMax === null || claim === undefined || (claim !== null && claim.size <= sizeMax),
  },
  {
    reason: 'annotation-type',
    holds: ({ annotationTypes }, { annotationType }) =>
      annotationTypes.length === 0 || annotationType === undefined || annotationTypes.includes(annotationType),
  },
];

function isVersionWithin({ versionMin, versionMax }: Predicates, { version }: Act): boolean {
  if ((versionMin === null && versionMax === null) || version === undefined) return true;
  if (version === null) return false;
  if (versionMin !== null && comparePrecedence(version, versionMin) < 0) return false;
  return versionMax === null || comparePrecedence(version, versionMax) < 0;
}

/** The first predicate that does not hold for the act; `null` when all do. */
export function failingPredicate(predicates: Predicates, act: Act): PredicateReason | null {
  if (predicates === NO_PREDICATES) return null;
  return ROWS.find(({ holds }) => !holds(predicates, act))?.reason ?? null;
}

/** True when no act can ever satisfy them: of the grant itself, and of what it stands under. */
export function canNeverHold(chain: readonly Predicates[], time: Act['time']): boolean {
  const mins = chain.flatMap(({ versionMin }) => versionMin ?? []);
  const maxs = chain.flatMap(({ versionMax }) => versionMax ?? []);
  if (mins.some((min) => maxs.some((max) => comparePrecedence(min, max) >= 0))) return true;
  if (chain.some(({ notAfter }) => notAfter !== null && notAfter < time.seconds)) return true;
  return isDisjoint(chain.map(({ mediaTypes }) => mediaTypes)) || isDisjoint(chain.map((one) => one.annotationTypes));
}

function isDisjoint(lists: readonly (readonly string[])[]): boolean {
  const [first, ...others] = lists.filter((list) => list.length > 0);
  return first !== undefined && !first.some((text) => others.every((list) => list.includes(text)));
}

/** spec/version1.md 2.5. Throws `wire/shape`, `wire/protobuf`, `text/version`. */
export function readPredicates(message: ProtoMessage | null): Predicates {
  if (message === null) return NO_PREDICATES;
  const notAfter = message.int64(3);
  const sizeMax = message.uint64(5);
  const mediaTypes = message.repeatedStrings(4);
  const annotationTypes = message.repeatedStrings(6);
  if (notAfter < 0n) throw malformed('not_after is negative');
  if (sizeMax > SIZE_MAX) throw malformed('size_max is over 2^53 - 1');
  if (!mediaTypes.every(isMediaType) || !annotationTypes.every(isAnnotationType))
    throw malformed('a type that is none');
  for (const list of [mediaTypes, annotationTypes]) {
    if (list.length > LIST_MAX || !isAscending(list)) throw malformed('a list that is too long or not ascending');
  }
  return {
    versionMin: versionIn(message, 1),
    versionMax: versionIn(message, 2),
    notAfter: notAfter === 0n ? null : notAfter,
    mediaTypes,
    sizeMax: sizeMax === 0n ? null : Number(sizeMax),
    annotationTypes,
  };
}

function versionIn(message: ProtoMessage, field: number): VersionText | null {
  const text = message.string(field);
  if (text.length > VERSION_CHARACTERS_MAX) throw malformed(`a version of over ${VERSION_CHARACTERS_MAX} characters`);
  return text === '' ? null : parseVersion(text);
}

/** `null` when nothing is restricted: the message is left out then. */
export function writePredicates(predicates: Predicates): Uint8Array | null {
  const { versionMin, versionMax, notAfter, mediaTypes, sizeMax, annotationTypes } = predicates;
  const bytes = new ProtoWriter()
    .string(1, versionMin ?? '')
    .string(2, versionMax ?? '')
    .varint(3, notAfter ?? 0)
    .strings(4, mediaTypes)
    .varint(5, sizeMax ?? 0)
    .strings(6, annotationTypes)
    .finish();
  return bytes.length === 0 ? null : bytes;
}

function malformed(why: string): RegistryError {
  return new RegistryError('wire/shape', `malformed predicates: ${why}`);
}
