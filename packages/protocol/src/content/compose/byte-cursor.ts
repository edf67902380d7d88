import { utf8Text } from '../../bytes/byte-array.ts';
import { malformed, tooLarge } from './refusal.ts';

/** The component model's readers allow no longer name. */
const NAME_BYTES_MAX = 100_000;
const U32_BYTES_MAX = 5;

/** Reads a range of bytes in order. Whatever ends early or does not fit throws `content/malformed`. */
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

  peek(): number {
    if (this.offset >= this.end) throw malformed('it ends in the middle of a definition');
    return this.bytes[this.offset] ?? 0;
  }

  byte(): number {
    const byte = this.peek();
    this.offset += 1;
    return byte;
  }

  /** An unsigned LEB128 of 32 bits. */
  u32(): number {
    let value = 0;
    for (let i = 0; i < U32_BYTES_MAX; i++) {
      const byte = this.byte();
      value += (byte % 0x80) * 2 ** (7 * i);
      if (byte < 0x80) {
        if (value > 0xffff_ffff) break;
        return value;
      }
    }
    throw malformed('a number is over 32 bits');
  }

  /** How many items follow, each of at least `bytesMin` bytes, so that a lying count costs nothing. */
  count(bytesMin: number): number {
    const count = this.u32();
    if (count * bytesMin > this.end - this.offset) throw malformed('a list says that it is longer than its section');
    return count;
  }

  name(): string {
    const length = this.u32();
    if (length > NAME_BYTES_MAX) throw tooLarge(`a name has ${length} bytes; ${NAME_BYTES_MAX} are read`);
    const { bytes, offset, end } = this.part(length);
    const text = utf8Text(bytes.subarray(offset, end));
    if (text === null) throw malformed('a name is not UTF-8');
    return text;
  }

  /** The next `length` bytes by themselves; this cursor goes on after them. */
  part(length: number): Cursor {
    if (length > this.end - this.offset) throw malformed('a section or name says that it is longer than what is there');
    const start = this.offset;
    this.offset += length;
    return new Cursor(this.bytes, start, this.offset);
  }
}
