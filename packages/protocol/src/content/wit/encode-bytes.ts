import { utf8 } from '../../bytes/byte-array.ts';
import { encodeUleb128 } from '../../bytes/uleb128.ts';
import { witRefusal } from './parse-source.ts';

/** A package in its binary form; an interface says all that it uses from others again. */
export const WIT_BINARY_BYTES_MAX = 64 * 1024 * 1024;

/** Bytes in the making. */
export class ByteSink {
  #bytes = new Uint8Array(256);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  byte(...values: readonly number[]): this {
    return this.raw(Uint8Array.from(values));
  }

  /** Throws `content/wit` where it would be more than a binary package may have. */
  raw(bytes: Uint8Array): this {
    const length = this.#length + bytes.length;
    if (length > WIT_BINARY_BYTES_MAX)
      throw witRefusal(`its binary form has more than ${WIT_BINARY_BYTES_MAX} bytes: split the package`);
    if (length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(length, 2 * this.#bytes.length));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, this.#length);
    this.#length = length;
    return this;
  }

  u32(value: number): this {
    return this.raw(encodeUleb128(value));
  }

  /** A number of a type where primitives, which are negative, may stand too: the sign needs a bit. */
  typeIndex(index: number): this {
    let rest = index;
    for (; rest >= 0x40; rest = Math.floor(rest / 0x80)) this.byte((rest % 0x80) + 0x80);
    return this.byte(rest);
  }

  text(value: string): this {
    return this.sized(utf8(value));
  }

  /** With its length in front. */
  sized(bytes: Uint8Array): this {
    return this.u32(bytes.length).raw(bytes);
  }

  bytes(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }
}
