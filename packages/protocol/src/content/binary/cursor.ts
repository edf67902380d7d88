import { utf8Text } from '../../bytes/byte-array.ts';
import { RegistryError } from '../../errors.ts';
import { WASM_LIMITS } from './limits.ts';

/** Up to here a name is cheaper by hand than through a decoder; one that grows longer is a chain of pieces to engines. */
const SHORT_NAME_BYTES = 12;
const U32_BYTES_MAX = 5;
const U32_MAX = 0xffff_ffff;

/** Reads forward in a part of some bytes and never beyond its end. Every method throws `content/malformed` there. */
export class Cursor {
  readonly bytes: Uint8Array;
  readonly end: number;
  offset: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.bytes = bytes;
    this.offset = start;
    this.end = end;
  }

  get atEnd(): boolean {
    return this.offset >= this.end;
  }

  byte(): number {
    if (this.offset >= this.end) throw malformed('it ends too early', this.offset);
    return this.bytes[this.offset++] ?? 0;
  }

  /** The next byte, without reading it. */
  peek(): number {
    if (this.offset >= this.end) throw malformed('it ends too early', this.offset);
    return this.bytes[this.offset] ?? 0;
  }

  /** Unsigned LEB128 of at most 32 bits. */
  u32(): number {
    const first = this.byte();
    return first < 0x80 ? first : this.#longVarint(first, U32_BYTES_MAX, U32_MAX);
  }

  /** Unsigned LEB128 of up to 64 bits; beyond 2^53 the value is not exact. */
  u64(): number {
    const first = this.byte();
    return first < 0x80 ? first : this.#longVarint(first, 10, 2 ** 64);
  }

  #longVarint(first: number, bytesMax: number, max: number): number {
    const start = this.offset - 1;
    let value = first - 0x80;
    let scale = 0x80;
    for (let count = 1; count < bytesMax; count++) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      scale *= 0x80;
      if (byte >= 0x80) continue;
      if (value > max) break;
      return value;
    }
    throw malformed('a number is too large', start);
  }

  /** The number of things that follow, each of at least `bytesMin` bytes: a count cannot promise more than there is. */
  count(bytesMin: number): number {
    const start = this.offset;
    const count = this.u32();
    if (count * bytesMin > this.end - this.offset) {
      throw malformed(`a count of ${count} does not fit into what is left`, start);
    }
    return count;
  }

  /** As {@link Cursor.count} for what belongs to one type. */
  memberCount(bytesMin: number): number {
    const count = this.count(bytesMin);
    if (count > WASM_LIMITS.members) throw overLimit(`${count} members of one type`, WASM_LIMITS.members);
    return count;
  }

  skip(length: number): void {
    if (length > this.end - this.offset) throw malformed(`a length of ${length} is beyond the end`, this.offset);
    this.offset += length;
  }

  /** A length, and as many bytes of UTF-8. */
  name(): string {
    const length = this.#nameLength();
    const start = this.offset;
    this.skip(length);
    return textAt(this.bytes, start, start + length);
  }

  skipName(): void {
    this.skip(this.#nameLength());
  }

  #nameLength(): number {
    const length = this.u32();
    if (length > WASM_LIMITS.nameBytes) throw overLimit(`a name of ${length} bytes`, WASM_LIMITS.nameBytes);
    return length;
  }

  /** The next `length` bytes by themselves; this cursor goes on after them. */
  part(length: number): Cursor {
    const start = this.offset;
    this.skip(length);
    return new Cursor(this.bytes, start, this.offset);
  }
}

/** UTF-8 as text. Throws `content/malformed`. */
export function textAt(bytes: Uint8Array, start: number, end: number): string {
  const short = end - start <= SHORT_NAME_BYTES ? asciiText(bytes, start, end) : null;
  const text = short ?? utf8Text(bytes.subarray(start, end));
  if (text === null) throw malformed('a text is not UTF-8', start);
  return text;
}

function asciiText(bytes: Uint8Array, start: number, end: number): string | null {
  let text = '';
  for (let i = start; i < end; i++) {
    const byte = bytes[i] ?? 0;
    if (byte >= 0x80) return null;
    text += String.fromCharCode(byte);
  }
  return text;
}

export function malformed(why: string, offset: number): RegistryError {
  return new RegistryError('content/malformed', `the WebAssembly is damaged at byte ${offset}: ${why}`, { offset });
}

export function overLimit(what: string, limit: number): RegistryError {
  return new RegistryError('content/policy', `the WebAssembly has ${what}; at most ${limit} are read`, { limit });
}

/** What may be right and is unknown here: caught where the rest can be told without it. */
export function notAnalysed(what: string, offset: number): RegistryError {
  return new RegistryError('content/not-analysed', `the WebAssembly has ${what} at byte ${offset}, unknown here`, {
    offset,
  });
}
