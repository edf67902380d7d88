import { createHash } from 'node:crypto';

/* spec/parts.md once more, over whole content at once and with nothing of the code under test. */

/** A place where a part may end; `always`: whatever its length. */
interface Place {
  readonly at: number;
  readonly always: boolean;
}

interface Reading {
  readonly places: Place[];
  readonly fine: [number, number][];
}

/** Whatever follows has no seams: it is not well formed, or it has ended. */
class NoMoreSeams extends Error {}

const GEAR = Array.from({ length: 256 }, (_, byte) =>
  createHash('sha256').update('WAYBILL-PARTS-GEAR-V1:').update(Uint8Array.of(byte)).digest().readUInt32LE(0),
);

/** Lengths of the parts. */
export function plainLengths(content: Uint8Array): number[] {
  const { places, fine } = readWhole(content);
  const lengths: number[] = [];
  let start = 0;
  for (let at = 1; at <= content.length; at++) {
    const isFine = fine.some(([from, to]) => at - 1 >= from && at - 1 < to);
    const ends =
      at === content.length ||
      endsAfter(content, start, at, isFine) ||
      places.some((place) => place.at === at && (place.always || at - start >= 1_024));
    if (!ends) continue;
    lengths.push(at - start);
    start = at;
  }
  return lengths;
}

function endsAfter(content: Uint8Array, start: number, at: number, isFine: boolean): boolean {
  const [min, target, max, strict, loose] = isFine ? [256, 768, 8_192, 11, 8] : [4_096, 16_384, 65_536, 16, 12];
  const length = at - start;
  if (length === max) return true;
  if (length < min) return false;
  const hash = content
    .subarray(at - 32, at)
    .toReversed()
    .reduce((sum, byte, k) => {
      // Each term by itself: beyond 2^53 a sum would be rounded.
      const term = ((GEAR[byte] ?? 0) * 2 ** k) % 2 ** 32;
      return (sum + term) % 2 ** 32;
    }, 0);
  return hash < 2 ** (32 - (length < target ? strict : loose));
}

function readWhole(content: Uint8Array): Reading {
  const reading: Reading = { places: [], fine: [] };
  try {
    readWasm(content, { from: 0, to: Number.POSITIVE_INFINITY, level: 1 }, reading);
  } catch (failure) {
    if (!(failure instanceof NoMoreSeams)) throw failure;
  }
  return reading;
}

function readWasm(
  content: Uint8Array,
  { from, to, level }: { readonly from: number; readonly to: number; readonly level: number },
  reading: Reading,
): void {
  if (to - from < 8) throw new NoMoreSeams();
  const preamble = content.subarray(from, Math.min(from + 8, content.length));
  if (preamble.some((byte, i) => i < 4 && byte !== [0, 0x61, 0x73, 0x6d][i])) throw new NoMoreSeams();
  if (preamble.length < 8) return;
  const layer = (preamble[6] ?? 0) + 256 * (preamble[7] ?? 0);
  if (layer > 1) throw new NoMoreSeams();
  for (let at = from + 8; at < Math.min(to, content.length);) {
    reading.places.push({ at, always: false });
    const id = content[at];
    const { value: size, end: start } = readLength(content, at + 1);
    if (start > content.length) throw new NoMoreSeams();
    const end = start + size;
    if (end > to) throw new NoMoreSeams();
    if (layer === 1 && (id === 1 || id === 4) && level < 32) {
      readWasm(content, { from: start, to: end, level: level + 1 }, reading);
    } else if (layer === 0 && id === 11 && size >= 4_096 && size <= 16_777_216) {
      reading.places.push({ at: start, always: true }, { at: end, always: true });
      reading.fine.push([start, end]);
    }
    at = end;
  }
  if (to <= content.length) reading.places.push({ at: to, always: false });
}

/** `end` is beyond the content where the length is cut off. */
function readLength(content: Uint8Array, at: number): { readonly value: number; readonly end: number } {
  const bytes = content.subarray(at, at + 5);
  const last = bytes.findIndex((byte) => byte < 128);
  if (last < 0 && bytes.length === 5) throw new NoMoreSeams();
  if (last < 0) return { value: 0, end: content.length + 1 };
  const value = bytes.subarray(0, last + 1).reduce((sum, byte, i) => sum + (byte % 128) * 128 ** i, 0);
  if (value >= 2 ** 32) throw new NoMoreSeams();
  return { value, end: at + last + 1 };
}
