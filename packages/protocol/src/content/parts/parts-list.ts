import { equalBytes, joinBytes } from '../../bytes/byte-array.ts';
import { encodeUleb128 } from '../../bytes/uleb128.ts';
import { HASH_BYTES } from '../../crypto/hash.ts';
import { RegistryError } from '../../errors.ts';
import { digestBytes, formatDigest } from '../../names/digest.ts';
import type { ContentPart } from './content-splitter.ts';
import { PART_BYTES_MAX, PARTS_MAX } from './part-sizes.ts';

/** Of the encoded list. */
export const PARTS_LIST_MEDIA_TYPE = 'application/vnd.waybill.parts.v1';

/** "wbp", version 1. */
const MAGIC = Uint8Array.of(0x77, 0x62, 0x70, 0x01);
/** Digits of 7 bits of the largest number in a list, which the largest parts fill. */
const NUMBER_BYTES_MAX = 5;
/** The same of the length of a part. */
const LENGTH_BYTES_MAX = 3;

/** Bytes of the longest list. */
export const PARTS_LIST_BYTES_MAX = MAGIC.length + 2 * NUMBER_BYTES_MAX + PARTS_MAX * (HASH_BYTES + LENGTH_BYTES_MAX);

/** The list in its one form (spec/parts.md 4). */
export function encodePartsList(parts: readonly ContentPart[]): Uint8Array {
  const total = parts.reduce((sum, { length }) => sum + length, 0);
  const head = joinBytes([MAGIC, encodeUleb128(total), encodeUleb128(parts.length)]);
  const list = new Uint8Array(head.length + parts.length * (HASH_BYTES + LENGTH_BYTES_MAX));
  list.set(head);
  let at = head.length;
  for (const { digest, length } of parts) {
    const encodedLength = encodeUleb128(length);
    list.set(digestBytes(digest), at);
    list.set(encodedLength, at + HASH_BYTES);
    at += HASH_BYTES + encodedLength.length;
  }
  return list.slice(0, at);
}

/** What is listed adds up to what the list says of itself; whether it is true of content only the content tells. Throws `content/parts`. */
export function decodePartsListUnverified(bytes: Uint8Array): readonly ContentPart[] {
  const parts: ContentPart[] = [];
  readList(bytes, (at, length) => parts.push({ digest: formatDigest(bytes.subarray(at, at + HASH_BYTES)), length }));
  return parts;
}

/** The lengths of the parts alone, for a small part of the time. Throws as {@link decodePartsListUnverified}, for the same lists. */
export function partLengthsUnverified(bytes: Uint8Array): Uint32Array {
  const lengths: number[] = [];
  readList(bytes, (_, length) => lengths.push(length));
  return Uint32Array.from(lengths);
}

/** Parts to look for among others: what a digest is told by, in place of its text, and the lengths. */
export interface PartKeys {
  /** The 32 bytes of each digest as 16 characters: the text of it takes ten times as long to make and to look up. */
  readonly keys: readonly string[];
  readonly lengths: Uint32Array;
}

/** Throws as {@link decodePartsListUnverified}, for the same lists. */
export function partKeysUnverified(bytes: Uint8Array): PartKeys {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const keys: string[] = [];
  const lengths: number[] = [];
  readList(bytes, (at, length) => {
    keys.push(keyAt(view, at));
    lengths.push(length);
  });
  return { keys, lengths: Uint32Array.from(lengths) };
}

/** Written out: arguments from an array or a loop take three times as long, and a list has up to 131,072 parts. */
function keyAt(view: DataView, at: number): string {
  return String.fromCharCode(
    view.getUint16(at),
    view.getUint16(at + 2),
    view.getUint16(at + 4),
    view.getUint16(at + 6),
    view.getUint16(at + 8),
    view.getUint16(at + 10),
    view.getUint16(at + 12),
    view.getUint16(at + 14),
    view.getUint16(at + 16),
    view.getUint16(at + 18),
    view.getUint16(at + 20),
    view.getUint16(at + 22),
    view.getUint16(at + 24),
    view.getUint16(at + 26),
    view.getUint16(at + 28),
    view.getUint16(at + 30),
  );
}

function readList(bytes: Uint8Array, onPart: (digestAt: number, length: number) => void): void {
  if (bytes.length > PARTS_LIST_BYTES_MAX) throw refused(`it is over ${PARTS_LIST_BYTES_MAX} bytes`);
  const reader = new ListReader(bytes);
  if (!equalBytes(bytes.subarray(0, reader.skip(MAGIC.length)), MAGIC)) throw refused('it does not start as one');
  const total = reader.number();
  const count = reader.number();
  if (count > PARTS_MAX) throw refused(`it names over ${PARTS_MAX} parts`);
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const digestAt = reader.skip(HASH_BYTES) - HASH_BYTES;
    const length = reader.number();
    if (length < 1 || length > PART_BYTES_MAX) throw refused(`part ${i} has ${length} bytes`);
    sum += length;
    onPart(digestAt, length);
  }
  if (!reader.isAtEnd) throw refused('bytes follow the last part');
  if (sum !== total) throw refused(`its parts have ${sum} bytes, and it says ${total}`);
}

class ListReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** Gives where it is then. */
  skip(count: number): number {
    this.#at += count;
    if (this.#at > this.#bytes.length) throw refused('it is cut off');
    return this.#at;
  }

  /** Minimal unsigned LEB128. */
  number(): number {
    let value = 0;
    for (let digits = 0; digits < NUMBER_BYTES_MAX; digits++) {
      const byte = this.#bytes[this.skip(1) - 1] ?? 0;
      value += (byte % 128) * 2 ** (7 * digits);
      if (byte >= 128) continue;
      if (byte === 0 && digits > 0) throw refused('a number is longer than it has to be');
      return value;
    }
    throw refused(`a number has over ${NUMBER_BYTES_MAX} bytes`);
  }
}

function refused(why: string): RegistryError {
  return new RegistryError('content/parts', `this is no list of parts: ${why}`);
}
