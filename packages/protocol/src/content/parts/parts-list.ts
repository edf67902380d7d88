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

/** Bytes of the longest list. */
export const PARTS_LIST_BYTES_MAX = MAGIC.length + 2 * NUMBER_BYTES_MAX + PARTS_MAX * (HASH_BYTES + 3);

/** The list in its one form (spec/parts.md 4). */
export function encodePartsList(parts: readonly ContentPart[]): Uint8Array {
  const total = parts.reduce((sum, { length }) => sum + length, 0);
  return joinBytes([
    MAGIC,
    encodeUleb128(total),
    encodeUleb128(parts.length),
    ...parts.flatMap(({ digest, length }) => [digestBytes(digest), encodeUleb128(length)]),
  ]);
}

/** What is listed adds up to what the list says of itself; whether it is true of content only the content tells. Throws `content/parts`. */
export function decodePartsListUnverified(bytes: Uint8Array): readonly ContentPart[] {
  const parts: ContentPart[] = [];
  readList(bytes, (digest, length) => parts.push({ digest: formatDigest(digest), length }));
  return parts;
}

/** The lengths of the parts alone, for a fiftieth of the time. Throws as {@link decodePartsListUnverified}, for the same lists. */
export function partLengthsUnverified(bytes: Uint8Array): Uint32Array {
  const lengths: number[] = [];
  readList(bytes, (_, length) => lengths.push(length));
  return Uint32Array.from(lengths);
}

function readList(bytes: Uint8Array, onPart: (digest: Uint8Array, length: number) => void): void {
  if (bytes.length > PARTS_LIST_BYTES_MAX) throw refused(`it is over ${PARTS_LIST_BYTES_MAX} bytes`);
  const reader = new ListReader(bytes);
  if (!equalBytes(reader.take(MAGIC.length), MAGIC)) throw refused('it does not start as one');
  const total = reader.number();
  const count = reader.number();
  if (count > PARTS_MAX) throw refused(`it names over ${PARTS_MAX} parts`);
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const digest = reader.take(HASH_BYTES);
    const length = reader.number();
    if (length < 1 || length > PART_BYTES_MAX) throw refused(`part ${i} has ${length} bytes`);
    sum += length;
    onPart(digest, length);
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

  take(count: number): Uint8Array {
    const end = this.#at + count;
    if (end > this.#bytes.length) throw refused('it is cut off');
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  /** Minimal unsigned LEB128. */
  number(): number {
    let value = 0;
    for (let digits = 0; digits < NUMBER_BYTES_MAX; digits++) {
      const byte = this.take(1)[0] ?? 0;
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
