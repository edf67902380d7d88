const CONTINUES = 0x80;
/** Digits of 7 bits that a number holds exactly; a greater value is split as a bigint. */
const NUMBER_LIMIT = 2 ** 49;

/** Minimal unsigned LEB128 of an integer in 0..2^64-1 (spec/encodings.md, "unsigned"). Throws RangeError outside. */
export function encodeUleb128(value: number | bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  if (typeof rest !== 'number' || !(rest < NUMBER_LIMIT)) rest = takeLongDigits(BigInt(rest), bytes);
  if (rest < 0 || !Number.isInteger(rest)) throw new RangeError(`${value} is not an unsigned 64-bit integer`);
  while (rest >= CONTINUES) {
    bytes.push((rest % CONTINUES) + CONTINUES);
    rest = Math.floor(rest / CONTINUES);
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

/** Moves digits to `bytes` until a number holds the rest. */
function takeLongDigits(value: bigint, bytes: number[]): number {
  if (value >= 1n << 64n) throw new RangeError(`${value} is not an unsigned 64-bit integer`);
  let rest = value;
  while (rest >= NUMBER_LIMIT) {
    bytes.push(Number(rest & 0x7fn) + CONTINUES);
    rest >>= 7n;
  }
  return Number(rest);
}
