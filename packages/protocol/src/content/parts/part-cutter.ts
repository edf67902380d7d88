import { concatBytes, utf8 } from '../../bytes/byte-array.ts';
import { sha256 } from '../../crypto/hash.ts';
import type { PartSizes } from './part-sizes.ts';

/** Bytes that the rolling hash of 32 bits remembers. */
const WINDOW_BYTES = 32;
const GEAR_LABEL = utf8('WAYBILL-PARTS-GEAR-V1:');

/** A random number for each byte (spec/parts.md 3.1); made when first needed. */
let gear: Int32Array | null = null;

function makeGear(): Int32Array {
  return Int32Array.from({ length: 256 }, (_, byte) => {
    const hash = sha256(concatBytes(GEAR_LABEL, Uint8Array.of(byte)));
    return new DataView(hash.buffer, hash.byteOffset).getInt32(0, true);
  });
}

/** Ends parts by what their last bytes are, so that the same bytes fall into the same parts wherever they stand. */
export class PartCutter {
  readonly #gear: Int32Array = (gear ??= makeGear());
  #hash = 0;
  #length = 0;

  /** Bytes of the part so far. */
  get length(): number {
    return this.#length;
  }

  /** The next byte starts a part. */
  restart(): void {
    this.#hash = 0;
    this.#length = 0;
  }

  /**
   * Takes bytes up to the end of a part or to `to`. Gives where it stopped, negative (bitwise complement) at the end of a part.
   */
  advance(bytes: Uint8Array, { from, to }: { readonly from: number; readonly to: number }, sizes: PartSizes): number {
    const start = from - this.#length;
    const limit = Math.min(to, start + sizes.max);
    let at = Math.max(from, Math.min(limit, start + sizes.min - WINDOW_BYTES));
    at = this.#roll(bytes, { from: at, to: Math.min(limit, start + sizes.min - 1) }, -1);
    if (at >= 0) at = this.#roll(bytes, { from: at, to: Math.min(limit, start + sizes.target - 1) }, sizes.strictBits);
    if (at >= 0) at = this.#roll(bytes, { from: at, to: limit }, sizes.looseBits);
    const stopped = at < 0 ? ~at : at;
    this.#length = stopped - start;
    return this.#length === sizes.max ? ~stopped : at;
  }

  /** Stops after a byte where the `zeroBits` leading bits of the hash are zero; negative bits: never. */
  #roll(bytes: Uint8Array, { from, to }: { readonly from: number; readonly to: number }, zeroBits: number): number {
    const table = this.#gear;
    const mask = zeroBits < 0 ? 0 : -1 << (32 - zeroBits);
    const wanted = zeroBits < 0 ? 1 : 0;
    let hash = this.#hash;
    for (let at = from; at < to; at++) {
      hash = ((hash << 1) + (table[bytes[at] ?? 0] ?? 0)) | 0;
      if ((hash & mask) === wanted) {
        this.#hash = hash;
        return ~(at + 1);
      }
    }
    this.#hash = hash;
    return Math.max(from, to);
  }
}
