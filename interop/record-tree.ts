import { concatBytes } from '@waybill/protocol';

/* Protobuf written freely, malformed on purpose: a tree of fields whose every part can be set. Independent of the reader under test. */

/** A field of any wire type, also of those that do not exist. */
export interface Field {
  number: number;
  wire: number;
  /** For wire type 0. */
  varint: bigint;
  /** For wire types 1, 2 and 5, and what follows the key for wire types 6 and 7. */
  bytes: Uint8Array;
  /** Instead of `bytes`: an embedded message, or a group when the wire type is 3. */
  children: Field[] | null;
  /** Needless bytes appended to the varints of key, and of value or length. */
  keyPadding: number;
  valuePadding: number;
}

/** Not a wire type: the field is its bytes alone, without a key. */
export const RAW = -1;

export function fieldOf(number: number, wire: number, content: bigint | Uint8Array | Field[] = 0n): Field {
  return {
    number,
    wire,
    varint: typeof content === 'bigint' ? content : 0n,
    bytes: content instanceof Uint8Array ? content : new Uint8Array(),
    children: Array.isArray(content) ? content : null,
    keyPadding: 0,
    valuePadding: 0,
  };
}

/** Which fields of a message are messages, by number. */
export interface Shape {
  readonly [number: number]: Shape;
}

const LEAF: Shape = {};
const ENTRY: Shape = { 1: LEAF, 2: LEAF, 3: LEAF, 4: LEAF, 5: LEAF };
/** Of both kinds of record. */
export const RECORD_SHAPE: Shape = { 3: LEAF, 4: ENTRY };
export const ENVELOPE_SHAPE: Shape = LEAF;

/** Reads well-formed protobuf without groups into a tree. */
export function readTree(message: Uint8Array, shape: Shape): Field[] {
  const fields: Field[] = [];
  let offset = 0;
  const readVarint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[offset++] ?? 0;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (offset < message.length) {
    const key = Number(readVarint());
    const [number, wire] = [key >> 3, key & 7];
    if (wire === 0) {
      fields.push(fieldOf(number, wire, readVarint()));
      continue;
    }
    const length = Number(readVarint());
    const bytes = message.slice(offset, offset + length);
    offset += length;
    const inner = shape[number];
    fields.push(fieldOf(number, wire, inner === undefined ? bytes : readTree(bytes, inner)));
  }
  return fields;
}

export function writeTree(fields: readonly Field[]): Uint8Array {
  return concatBytes(...fields.flatMap(writeField));
}

function writeField(field: Field): Uint8Array[] {
  const { number, wire, keyPadding, valuePadding } = field;
  if (wire === RAW) return [field.bytes];
  const key = varint(BigInt(number) * 8n + BigInt(wire), keyPadding);
  if (wire === 0) return [key, varint(field.varint, valuePadding)];
  const content = field.children === null ? field.bytes : writeTree(field.children);
  if (wire === 2) return [key, varint(BigInt(content.length), valuePadding), content];
  if (wire === 3) return [key, content, varint(BigInt(number) * 8n + 4n, valuePadding)];
  return [key, content];
}

function varint(value: bigint, padding: number): Uint8Array {
  return Uint8Array.from(writeVarint(value, padding));
}

/** LEB128 of the low 64 bits, then `padding` more bytes that add nothing. */
export function writeVarint(value: bigint, padding = 0): number[] {
  let rest = BigInt.asUintN(64, value);
  const bytes: number[] = [];
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  for (let i = 0; i < padding; i++) {
    bytes.push((bytes.pop() ?? 0) | 0x80, 0);
  }
  return bytes;
}

/** Every list of fields in a tree, with the tree itself. */
export function messagesOf(fields: Field[]): Field[][] {
  return [fields, ...fields.flatMap(({ children }) => (children === null ? [] : messagesOf(children)))];
}
