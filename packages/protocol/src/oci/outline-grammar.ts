import { utf8Text } from '../bytes/byte-array.ts';
import { type Cursor, malformed } from '../content/binary/cursor.ts';

/*
 * As much of the binary format of components as format 1 reads (spec/oci.md 5.10). FROZEN, and therefore apart from the reader
 * that learns what is new: the digests of manifests that are made with it have been given away. All of it throws
 * `content/malformed`, for what is damaged and for what is not known here alike.
 */

type Skip = (cursor: Cursor, depth: number) => void;

/** Types around a type. */
const DEPTH_MAX = 100;

/** In the preamble. */
export const COMPONENT_VERSION = 0x0d;
/** Ids of sections. */
export const SECTION_ID = { alias: 6, type: 7, import: 10, export: 11 } as const;

export const SORT_CODE = { core: 0x00, value: 0x02, type: 0x03 } as const;
const SORT_CODE_MAX = 0x05;
const CORE_MODULE = 0x11;
export const COMPONENT_TYPE = 0x41;
export const DECLARED_EXPORT = 0x04;

export function readName(cursor: Cursor): string {
  const start = cursor.offset;
  const { bytes, offset, end } = cursor.part(cursor.u32());
  const text = utf8Text(bytes.subarray(offset, end));
  if (text === null) throw malformed('a name is not UTF-8', start);
  return text;
}

/** The name of an import or export, without what is said beside it. */
export function readExternName(cursor: Cursor): string {
  const form = byteUpTo(cursor, 2);
  const name = readName(cursor);
  if (form === 2) attributes(cursor, 0);
  return name;
}

/** Two bytes for a sort of core, else one. */
export function readSort(cursor: Cursor): number {
  const sort = byteUpTo(cursor, SORT_CODE_MAX);
  if (sort === SORT_CODE.core) cursor.byte();
  return sort;
}

/** Nothing, or what a type of an export says. */
export function skipExportType(cursor: Cursor): void {
  if (byteUpTo(cursor, 1) === 1) readExternType(cursor);
}

function byteUpTo(cursor: Cursor, max: number): number {
  const start = cursor.offset;
  const byte = cursor.byte();
  if (byte > max) throw malformed(`a byte is ${byte}, and format 1 knows up to ${max}`, start);
  return byte;
}

const skipName: Skip = (cursor) => cursor.skip(cursor.u32());
const u32: Skip = (cursor) => void cursor.u32();
const byte: Skip = (cursor) => void cursor.byte();
const value: Skip = (cursor) => void (isPrimitive(cursor.peek()) ? cursor.byte() : cursor.u32());

function isPrimitive(code: number): boolean {
  return code >= 0x40 && code < 0x80;
}

function each(...parts: readonly Skip[]): Skip {
  return (cursor, depth) => {
    for (const part of parts) part(cursor, depth);
  };
}

/** A count, and as often all of `parts`. */
function list(...parts: readonly Skip[]): Skip {
  return (cursor, depth) => {
    for (let count = cursor.count(1); count > 0; count--) for (const part of parts) part(cursor, depth);
  };
}

/** One byte chooses. */
function oneOf(...choices: readonly Skip[]): Skip {
  return (cursor, depth) => choices[byteUpTo(cursor, choices.length - 1)]?.(cursor, depth);
}

function optional(part: Skip): Skip {
  return oneOf(nothing, part);
}

function nothing(): void {
  // Nothing follows.
}

const attributes = list(oneOf(skipName, skipName, skipName));
const fields = list(skipName, value);
const signature = each(fields, oneOf(value, fields));

const TYPES: ReadonlyMap<number, Skip> = new Map([
  [0x72, fields],
  [0x71, list(skipName, optional(value), optional(u32))],
  [0x70, value],
  [0x6f, list(value)],
  [0x6e, list(skipName)],
  [0x6d, list(skipName)],
  [0x6b, value],
  [0x6a, each(optional(value), optional(value))],
  [0x69, u32],
  [0x68, u32],
  [0x67, each(value, u32)],
  [0x66, optional(value)],
  [0x65, optional(value)],
  [0x63, each(value, value)],
  [0x43, signature],
  [0x40, signature],
  [0x3f, each(byte, optional(u32))],
  [0x3e, each(byte, u32, optional(u32))],
  [0x42, list(skipDeclaration)],
  [COMPONENT_TYPE, list(skipDeclaration)],
]);

/** `depth` counts the types around it. */
export function skipType(cursor: Cursor, depth: number): void {
  const start = cursor.offset;
  const code = cursor.byte();
  if (depth > DEPTH_MAX) throw malformed(`types are over ${DEPTH_MAX} deep`, start);
  if ((code >= 0x73 && code <= 0x7f) || code === 0x64) return;
  const skip = TYPES.get(code);
  if (skip === undefined) throw malformed(`format 1 knows no type ${code}`, start);
  skip(cursor, depth + 1);
}

/** In the type of a component or an instance. */
export function skipDeclaration(cursor: Cursor, depth: number): void {
  const start = cursor.offset;
  switch (cursor.byte()) {
    case 0x01:
      skipType(cursor, depth);
      return;
    case 0x02:
      readAliasSort(cursor);
      return;
    case 0x03:
    case DECLARED_EXPORT:
      readExternName(cursor);
      readExternType(cursor);
      return;
    default:
      throw malformed('format 1 knows no such declaration', start);
  }
}

const aliasTarget = oneOf(each(u32, skipName), each(u32, skipName), each(u32, u32));

/** Reads an alias, and tells the sort of what it adds. */
export function readAliasSort(cursor: Cursor): number {
  const sort = readSort(cursor);
  aliasTarget(cursor, 0);
  return sort;
}

const valueBound = oneOf(u32, value);
const typeBound = oneOf(u32, nothing);

/** Reads the type of an import or export, and tells its sort. */
export function readExternType(cursor: Cursor): number {
  const start = cursor.offset;
  const sort = byteUpTo(cursor, SORT_CODE_MAX);
  if (sort === SORT_CODE.core && cursor.byte() !== CORE_MODULE) throw malformed('only modules are of core here', start);
  const bound = sort === SORT_CODE.value ? valueBound : sort === SORT_CODE.type ? typeBound : u32;
  bound(cursor, 0);
  return sort;
}
