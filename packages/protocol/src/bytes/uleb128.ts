const CONTINUES = 0x80n;

/** Minimal unsigned LEB128 of an integer in 0..2^64-1 (spec/encodings.md, "unsigned"). Throws RangeError outside. */
export function encodeUleb128(value: number | bigint): Uint8Array {
  let rest = BigInt(value);
  if (rest < 0n || rest >= 1n << 64n) throw new RangeError(`${value} is not an unsigned 64-bit integer`);
  const bytes: number[] = [];
  while (rest >= CONTINUES) {
    bytes.push(Number((rest & 0x7fn) | CONTINUES));
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}
