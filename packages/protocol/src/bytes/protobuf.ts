import { RegistryError } from '../errors.ts';
import { joinBytes, utf8, utf8Text } from './byte-array.ts';
import { encodeUleb128 } from './uleb128.ts';

/*
 * A protobuf reader whose verdicts are those of prost, the decoder of every Rust client: what it refuses we refuse, and
 * what it lets pass (unknown fields, unpacked lists, a message field given twice and merged) we read the same way.
 * docs/decisions/0002-own-protobuf-reader.md says why no library could be used here.
 */

export const WIRE_VARINT = 0;
export const WIRE_64_BIT = 1;
export const WIRE_BYTES = 2;
export const WIRE_GROUP_START = 3;
export const WIRE_GROUP_END = 4;
export const WIRE_32_BIT = 5;

/** prost counts 100 levels of messages and groups; deeper input is refused. */
const NESTING_MAX = 100;
const VARINT_BYTES_MAX = 10;
/** 49 bits: what a number holds exactly. Only a longer varint, which hardly ever comes, costs a bigint. */
const NUMBER_VARINT_BYTES = 7;
const KEY_MAX = 0xffff_ffff;

/** An unsigned 64-bit value: a number where the varint has at most {@link NUMBER_VARINT_BYTES} bytes. */
type Varint = number | bigint;

/** One field as it stood on the wire. Its bytes stay where they are: most are never asked for (SECURITY.md W4). */
type ProtoField =
  | { readonly number: number; readonly wire: typeof WIRE_VARINT; readonly varint: Varint }
  | ({ readonly number: number; readonly wire: typeof WIRE_BYTES } & Slice)
  | { readonly number: number; readonly wire: typeof WIRE_64_BIT | typeof WIRE_32_BIT | typeof WIRE_GROUP_START };

interface Slice {
  readonly input: Uint8Array;
  readonly start: number;
  readonly end: number;
}

function bytesOf({ input, start, end }: Slice): Uint8Array {
  return input.subarray(start, end);
}

function malformed(why: string): RegistryError {
  return new RegistryError('wire/protobuf', `malformed protobuf: ${why}`);
}

/** Reads every field of one message in wire order. `depth` is that of the message in its outermost one. Throws `wire/protobuf`. */
function readProtoFields({ input, start, end }: Slice, depth: number): ProtoField[] {
  const reader = new ProtoReader(input, start, end);
  const fields: ProtoField[] = [];
  while (!reader.atEnd) fields.push(reader.field(depth));
  return fields;
}

class ProtoReader {
  readonly #input: Uint8Array;
  readonly #end: number;
  #offset: number;

  constructor(input: Uint8Array, start: number, end: number) {
    this.#input = input;
    this.#offset = start;
    this.#end = end;
  }

  get atEnd(): boolean {
    return this.#offset >= this.#end;
  }

  field(depth: number): ProtoField {
    if (depth >= NESTING_MAX) throw malformed('nested too deeply');
    const { number, wire } = this.#key();
    switch (wire) {
      case WIRE_VARINT:
        return { number, wire, varint: this.varint() };
      case WIRE_BYTES:
        // A length that a number cannot hold exactly is beyond any input all the same.
        return this.#delimited(number, Number(this.varint()));
      case WIRE_64_BIT:
        this.#take(8);
        return { number, wire };
      case WIRE_32_BIT:
        this.#take(4);
        return { number, wire };
      case WIRE_GROUP_START:
        this.#skipGroup(number, depth);
        return { number, wire };
      default:
        throw malformed(`wire type ${wire} where a field was expected`);
    }
  }

  #key(): { number: number; wire: number } {
    const key = Number(this.varint());
    if (key > KEY_MAX) throw malformed('field key over 32 bits');
    const wire = key & 7;
    if (wire > WIRE_32_BIT) throw malformed(`unknown wire type ${wire}`);
    const number = key >>> 3;
    if (number === 0) throw malformed('field number 0');
    return { number, wire };
  }

  #skipGroup(number: number, depth: number): void {
    for (;;) {
      const start = this.#offset;
      const inner = this.#key();
      if (inner.wire === WIRE_GROUP_END) {
        if (inner.number !== number) throw malformed('group ends with another number');
        return;
      }
      this.#offset = start;
      this.field(depth + 1);
    }
  }

  varint(): Varint {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < NUMBER_VARINT_BYTES; i++) {
      const byte = this.#byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
    return this.#longVarint(BigInt(value));
  }

  #longVarint(low: bigint): bigint {
    let value = low;
    for (let i = NUMBER_VARINT_BYTES; i < VARINT_BYTES_MAX; i++) {
      const byte = this.#byte();
      if (i === VARINT_BYTES_MAX - 1 && byte > 1) throw malformed('varint over 64 bits');
      value |= BigInt(byte & 0x7f) << BigInt(7 * i);
      if (byte < 0x80) return value;
    }
    throw malformed('varint over 10 bytes');
  }

  #byte(): number {
    const byte = this.#offset < this.#end ? this.#input[this.#offset++] : undefined;
    if (byte === undefined) throw malformed('truncated');
    return byte;
  }

  #delimited(number: number, length: number): ProtoField {
    const start = this.#offset;
    this.#take(length);
    return { number, wire: WIRE_BYTES, input: this.#input, start, end: this.#offset };
  }

  #take(length: number): void {
    if (length > this.#end - this.#offset) throw malformed('truncated');
    this.#offset += length;
  }
}

/** The known fields of a message: number and how the value is read. */
export type ProtoShape = ReadonlyMap<number, 'string' | 'int32s' | 'bytes' | 'varint'>;

/** The fields of one message, asked for by number and type as a generated prost struct would. */
export class ProtoMessage {
  readonly #fields: readonly ProtoField[];
  readonly #depth: number;

  private constructor(fields: readonly ProtoField[], depth: number) {
    this.#fields = fields;
    this.#depth = depth;
  }

  /** Throws `wire/protobuf`. */
  static decode(bytes: Uint8Array): ProtoMessage {
    return new ProtoMessage(readProtoFields({ input: bytes, start: 0, end: bytes.length }, 0), 0);
  }

  /** The numbers present, in wire order, with repeats. */
  get numbers(): number[] {
    return this.#fields.map((field) => field.number);
  }

  /** A bytes field; the last one wins; empty when absent. */
  bytes(number: number): Uint8Array {
    const last = this.#delimited(number).at(-1);
    return last === undefined ? new Uint8Array() : bytesOf(last);
  }

  /** Every occurrence of a repeated bytes or message field. */
  repeatedBytes(number: number): Uint8Array[] {
    return this.#delimited(number).map(bytesOf);
  }

  /** As {@link repeatedBytes}, but occurrences of another wire type are skipped like an unknown field. */
  skippableBytes(number: number): Uint8Array[] {
    const found: Uint8Array[] = [];
    for (const field of this.#fields) {
      if (field.number === number && field.wire === WIRE_BYTES) found.push(bytesOf(field));
    }
    return found;
  }

  /** Every occurrence of a repeated string field. */
  repeatedStrings(number: number): string[] {
    return this.repeatedBytes(number).map((bytes) => {
      const text = utf8Text(bytes);
      if (text === null) throw malformed(`field ${number} is not UTF-8`);
      return text;
    });
  }

  /** How often a field occurs. */
  count(number: number): number {
    return this.#delimited(number).length;
  }

  /** A string field, `null` when absent; every occurrence must be UTF-8. */
  optionalString(number: number): string | null {
    let last: string | null = null;
    for (const field of this.#delimited(number)) {
      last = utf8Text(bytesOf(field));
      if (last === null) throw malformed(`field ${number} is not UTF-8`);
    }
    return last;
  }

  /** A string field, empty when absent. */
  string(number: number): string {
    return this.optionalString(number) ?? '';
  }

  /** An embedded message; occurrences are merged in order, as protobuf requires. `null` when absent. */
  message(number: number): ProtoMessage | null {
    const parts = this.#delimited(number);
    const [only] = parts;
    if (only === undefined) return null;
    if (parts.length === 1) return this.#child(readProtoFields(only, this.#depth + 1));
    return this.#child(parts.flatMap((part) => readProtoFields(part, this.#depth + 1)));
  }

  /** Every occurrence of a repeated message field. */
  repeatedMessages(number: number): ProtoMessage[] {
    return this.#delimited(number).map((part) => this.#child(readProtoFields(part, this.#depth + 1)));
  }

  /** A `uint32`, truncated to 32 bits as prost does. */
  uint32(number: number): number {
    return int32Of(this.#varint(number)) >>> 0;
  }

  /** An `int32` or enum, truncated to 32 bits as prost does. */
  int32(number: number): number {
    return int32Of(this.#varint(number));
  }

  int64(number: number): bigint {
    return BigInt.asIntN(64, BigInt(this.#varint(number)));
  }

  uint64(number: number): bigint {
    return BigInt(this.#varint(number));
  }

  /** A repeated enum or `uint32`, packed, unpacked or both, as 32-bit values. */
  repeatedInt32(number: number): number[] {
    const values: number[] = [];
    for (const field of this.#fields) {
      if (field.number !== number) continue;
      if (field.wire === WIRE_VARINT) values.push(int32Of(field.varint));
      else if (field.wire === WIRE_BYTES) for (const value of readPackedInt32(field)) values.push(value);
      else throw malformed(`field ${number} has wire type ${field.wire}`);
    }
    return values;
  }

  /** Reads every field of `shape` and drops the values: refuses what decoding those fields would refuse. */
  check(shape: ProtoShape): void {
    for (const [number, type] of shape) {
      if (type === 'string') this.optionalString(number);
      else if (type === 'int32s') this.repeatedInt32(number);
      else if (type === 'varint') this.#varint(number);
      else this.#delimited(number);
    }
  }

  /**
   * The member of a oneof: the last number wins; occurrences of it since another member stood there are merged, and a
   * member that was overruled must still decode. `null` when no member is present.
   */
  oneof(members: ReadonlyMap<number, ProtoShape>): { number: number; message: ProtoMessage } | null {
    const chain: { number: number; fields: ProtoField[] }[] = [];
    for (const field of this.#fields) {
      const shape = members.get(field.number);
      if (shape === undefined) continue;
      if (field.wire !== WIRE_BYTES) throw malformed(`field ${field.number} has wire type ${field.wire}`);
      const fields = readProtoFields(field, this.#depth + 1);
      this.#child(fields).check(shape);
      const standing = chain.at(-1);
      if (standing?.number !== field.number) chain.push({ number: field.number, fields });
      else for (const merged of fields) standing.fields.push(merged);
    }
    const last = chain.at(-1);
    return last === undefined ? null : { number: last.number, message: this.#child(last.fields) };
  }

  #child(fields: readonly ProtoField[]): ProtoMessage {
    return new ProtoMessage(fields, this.#depth + 1);
  }

  #delimited(number: number): Slice[] {
    const found: Slice[] = [];
    for (const field of this.#fields) {
      if (field.number !== number) continue;
      if (field.wire !== WIRE_BYTES) throw malformed(`field ${number} has wire type ${field.wire}`);
      found.push(field);
    }
    return found;
  }

  #varint(number: number): Varint {
    let last: Varint = 0;
    for (const field of this.#fields) {
      if (field.number !== number) continue;
      if (field.wire !== WIRE_VARINT) throw malformed(`field ${number} has wire type ${field.wire}`);
      last = field.varint;
    }
    return last;
  }
}

function readPackedInt32({ input, start, end }: Slice): number[] {
  const reader = new ProtoReader(input, start, end);
  const values: number[] = [];
  while (!reader.atEnd) values.push(int32Of(reader.varint()));
  return values;
}

/** The low 32 bits, signed. */
function int32Of(value: Varint): number {
  return typeof value === 'number' ? value | 0 : Number(BigInt.asIntN(32, value));
}

/**
 * Builds a message the way prost writes one: fields in the order of the calls (ascending, by convention of the callers),
 * defaults left out unless a method says otherwise, repeated scalars packed.
 */
export class ProtoWriter {
  readonly #parts: Uint8Array[] = [];

  /** A varint field; zero is left out. */
  varint(number: number, value: number | bigint): this {
    const unsigned = BigInt.asUintN(64, BigInt(value));
    if (unsigned !== 0n) this.#parts.push(fieldKey(number, WIRE_VARINT), encodeUleb128(unsigned));
    return this;
  }

  /** A string field; empty is left out. */
  string(number: number, value: string): this {
    return value === '' ? this : this.message(number, utf8(value));
  }

  /** A bytes field; empty is left out. */
  bytes(number: number, value: Uint8Array): this {
    return value.length === 0 ? this : this.message(number, value);
  }

  /** Every string of a list, also an empty one. */
  strings(number: number, values: readonly string[]): this {
    for (const value of values) this.message(number, utf8(value));
    return this;
  }

  /** A packed list; empty is left out. */
  packed(number: number, values: readonly (number | bigint)[]): this {
    if (values.length === 0) return this;
    return this.message(number, joinBytes(values.map((value) => encodeUleb128(value))));
  }

  /** An embedded message, written also when empty; likewise an optional or repeated string or bytes field. */
  message(number: number, value: Uint8Array): this {
    this.#parts.push(fieldKey(number, WIRE_BYTES), encodeUleb128(value.length), value);
    return this;
  }

  finish(): Uint8Array {
    return joinBytes(this.#parts);
  }
}

function fieldKey(number: number, wire: number): Uint8Array {
  return encodeUleb128((number << 3) | wire);
}
