import { encodeUleb128 } from '../../bytes/uleb128.ts';

/** An index where a primitive type could stand: the signed LEB128 of a number that is not negative. */
export function signedIndex(index: number): Uint8Array {
  const unsigned = encodeUleb128(index);
  const last = unsigned.at(-1) ?? 0;
  // The sixth bit of the last byte is the sign.
  if (last < 0x40) return unsigned;
  const bytes = new Uint8Array(unsigned.length + 1);
  bytes.set(unsigned);
  bytes[unsigned.length - 1] = last + 0x80;
  return bytes;
}
