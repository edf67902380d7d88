import { ProtoWriter, type ProtoMessage } from '../../bytes/protobuf.ts';
import { RegistryError } from '../../errors.ts';
import { JOSE_ALGORITHMS } from '../../jose/algorithms.ts';
import { parseJosePublicKey, type JosePublicKey } from '../../jose/public-key.ts';
import { isAscending } from '../../wire/record.ts';

/** spec/version1.md 2.4. */
export const HOLDER_KEYS_MAX = 16;

/** Who holds something: a key, or any `threshold` of several keys. */
export interface Holder {
  /** In ascending order of their ids. */
  readonly keys: readonly JosePublicKey[];
  readonly threshold: number;
}

/** The holder that is one key. */
export function holderOfKey(key: JosePublicKey): Holder {
  return { keys: [key], threshold: 1 };
}

/** A holder of some keys, in whatever order. Throws `wire/shape` where {@link readHolder} would. */
export function holderOf(keys: readonly JosePublicKey[], threshold: number): Holder {
  const holder = { keys: keys.toSorted((a, b) => (a.id < b.id ? -1 : 1)), threshold };
  checkHolder(holder);
  return holder;
}

/** spec/version1.md 2.4. Throws `wire/shape`, `wire/protobuf`, `text/key`. */
export function readHolder(message: ProtoMessage): Holder {
  // Twenty thousand keys have room in one record, and each that is looked at costs as much as a signature.
  checkKeyCount(holderKeyCount(message), HOLDER_KEYS_MAX);
  const holder = { keys: message.repeatedStrings(1).map(parseJosePublicKey), threshold: message.uint32(2) || 1 };
  checkHolder(holder);
  return holder;
}

/** How many keys a holder has, before any is looked at; none where there is no holder. Throws `wire/protobuf`. */
export function holderKeyCount(message: ProtoMessage | null): number {
  return message?.count(1) ?? 0;
}

/** Before the keys are looked at. Throws `wire/shape`. */
export function checkKeyCount(count: number, countMax: number): void {
  if (count === 0 || count > countMax) throw malformed(`not 1 to ${countMax} keys`);
}

function checkHolder({ keys, threshold }: Holder): void {
  checkRecordKeys(keys, HOLDER_KEYS_MAX);
  if (!Number.isInteger(threshold) || threshold < 1 || threshold > keys.length) {
    throw malformed(`a threshold of ${threshold} for ${keys.length} keys`);
  }
  // One person's RSA key under PS256 and RS256 would count for two.
  if (new Set(keys.map(materialOf)).size < keys.length) throw malformed('two of the keys are one key');
}

/** A list of keys that can sign records, in the one order that it may have. Throws `wire/shape`. */
export function checkRecordKeys(keys: readonly JosePublicKey[], countMax: number): void {
  checkKeyCount(keys.length, countMax);
  if (!isAscending(keys.map(({ id }) => id))) throw malformed('keys not in ascending order of their ids, each once');
  const unusable = keys.find(({ algorithm }) => !JOSE_ALGORITHMS[algorithm].isEverywhere);
  if (unusable !== undefined) throw malformed(`no record can be signed by a key of ${unusable.algorithm}`);
}

/** What RFC 7638 hashes: the key without what it is used for. */
function materialOf({ members }: JosePublicKey): string {
  return JSON.stringify(Object.entries(members).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

export function writeHolder({ keys, threshold }: Holder): Uint8Array {
  const texts = keys.map(({ text }) => text);
  return new ProtoWriter()
    .strings(1, texts)
    .varint(2, threshold === 1 ? 0 : threshold)
    .finish();
}

/** True when enough of the holder's keys are among the signers. */
export function isSignedFor({ keys, threshold }: Holder, signers: ReadonlySet<string>): boolean {
  let count = 0;
  for (const { id } of keys) if (signers.has(id)) count++;
  return count >= threshold;
}

function malformed(why: string): RegistryError {
  return new RegistryError('wire/shape', `malformed list of keys: ${why}`);
}
