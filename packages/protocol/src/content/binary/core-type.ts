import { type Cursor, malformed, notAnalysed, overLimit } from './cursor.ts';
import { WASM_LIMITS } from './limits.ts';

const REC_GROUP = 0x4e;
const SUB = 0x50;
const SUB_FINAL = 0x4f;
const FUNCTION = 0x60;
const STRUCT = 0x5f;
const ARRAY = 0x5e;
const SHARED = 0x65;
const NULLABLE_REFERENCE = 0x63;
const REFERENCE = 0x64;
const EXACT = 0x62;

/** Of one byte. A value type as text, as the text format writes it. */
const VALUE_TYPES: ReadonlyMap<number, string> = new Map([
  [0x7f, 'i32'],
  [0x7e, 'i64'],
  [0x7d, 'f32'],
  [0x7c, 'f64'],
  [0x7b, 'v128'],
  // In fields of structures and arrays only.
  [0x78, 'i8'],
  [0x77, 'i16'],
]);

const HEAP_TYPES: ReadonlyMap<number, string> = new Map([
  [0x70, 'func'],
  [0x6f, 'extern'],
  [0x6e, 'any'],
  [0x6d, 'eq'],
  [0x6c, 'i31'],
  [0x6b, 'struct'],
  [0x6a, 'array'],
  [0x69, 'exn'],
  [0x74, 'noexn'],
  [0x73, 'nofunc'],
  [0x72, 'noextern'],
  [0x71, 'none'],
  [0x68, 'cont'],
  [0x75, 'nocont'],
]);

/** The signature of a core function. */
export interface CoreSignature {
  readonly parameters: readonly string[];
  readonly results: readonly string[];
}

/** A value type as text: `i32`, `funcref`, `(ref null 3)`. Throws `content/not-analysed` for one that is not known. */
export function coreValueType(cursor: Cursor): string {
  const start = cursor.offset;
  const code = cursor.byte();
  const simple = VALUE_TYPES.get(code);
  if (simple !== undefined) return simple;
  if (code === NULLABLE_REFERENCE) return `(ref null ${heapType(cursor)})`;
  if (code === REFERENCE) return `(ref ${heapType(cursor)})`;
  const heap = HEAP_TYPES.get(code);
  if (heap !== undefined) return `${heap}ref`;
  throw notAnalysed('a value type', start);
}

function heapType(cursor: Cursor): string {
  const start = cursor.offset;
  const code = cursor.peek();
  const abstract = HEAP_TYPES.get(code);
  if (code === SHARED || code === EXACT) {
    cursor.byte();
    return `(${code === SHARED ? 'shared' : 'exact'} ${heapTypeInside(cursor)})`;
  }
  if (abstract !== undefined) {
    cursor.byte();
    return abstract;
  }
  if (code >= 0x40 && code < 0x80) throw notAnalysed('a heap type', start);
  return String(cursor.u32());
}

function heapTypeInside(cursor: Cursor): string {
  const start = cursor.offset;
  const code = cursor.peek();
  if (code === SHARED || code === EXACT) throw notAnalysed('a heap type', start);
  return heapType(cursor);
}

/** The signature at the cursor, or `null` where another type begins. Leaves the cursor anywhere. */
export function coreSignature(cursor: Cursor): CoreSignature | null {
  let code = cursor.byte();
  if (code === SUB || code === SUB_FINAL) {
    skipIndexes(cursor);
    code = cursor.byte();
  }
  if (code !== FUNCTION) return null;
  const parameters = valueTypes(cursor);
  return { parameters, results: valueTypes(cursor) };
}

function valueTypes(cursor: Cursor): string[] {
  const types: string[] = [];
  for (let count = cursor.memberCount(1); count > 0; count--) types.push(coreValueType(cursor));
  return types;
}

/** Moves over one entry of a type section; tells where each type in it begins, of which a group has many. */
export function skipRecursiveType(cursor: Cursor, begins: (offset: number) => void): void {
  if (cursor.peek() !== REC_GROUP) {
    begins(cursor.offset);
    skipSubtype(cursor);
    return;
  }
  cursor.byte();
  for (let count = cursor.count(2); count > 0; count--) {
    begins(cursor.offset);
    skipSubtype(cursor);
  }
}

function skipSubtype(cursor: Cursor): void {
  const start = cursor.offset;
  let code = cursor.byte();
  if (code === SUB || code === SUB_FINAL) {
    skipIndexes(cursor);
    code = cursor.byte();
  }
  switch (code) {
    case FUNCTION:
      skipValueTypes(cursor);
      skipValueTypes(cursor);
      return;
    case STRUCT:
      for (let count = cursor.memberCount(2); count > 0; count--) skipField(cursor);
      return;
    case ARRAY:
      skipField(cursor);
      return;
    default:
      throw notAnalysed('a core type', start);
  }
}

function skipIndexes(cursor: Cursor): void {
  for (let count = cursor.count(1); count > 0; count--) cursor.u32();
}

function skipField(cursor: Cursor): void {
  coreValueType(cursor);
  if (cursor.byte() > 1) throw malformed('a field is neither constant nor mutable', cursor.offset - 1);
}

function skipValueTypes(cursor: Cursor): void {
  for (let count = cursor.memberCount(1); count > 0; count--) coreValueType(cursor);
}

/** The bounds of a memory or a table; `maximum` is `null` for none. Beyond 2^53 they are not exact. */
export interface CoreBounds {
  readonly minimum: number;
  readonly maximum: number | null;
  readonly isShared: boolean;
  readonly is64Bit: boolean;
}

export type CoreExternType =
  | ({ readonly type: 'function' } & CoreSignature)
  | ({ readonly type: 'tag' } & CoreSignature)
  | { readonly type: 'table'; readonly element: string; readonly bounds: CoreBounds }
  | { readonly type: 'memory'; readonly bounds: CoreBounds }
  | { readonly type: 'global'; readonly value: string; readonly isMutable: boolean }
  /** What this reader does not know, or what a type says that it does not know. */
  | { readonly type: 'not-analysed' };

const HAS_MAXIMUM = 0x01;
const IS_SHARED = 0x02;
const IS_64_BIT = 0x04;
const HAS_PAGE_SIZE = 0x08;

export function coreBounds(cursor: Cursor): CoreBounds {
  const start = cursor.offset;
  const flags = cursor.byte();
  if (flags > 0x0f) throw notAnalysed('bounds', start);
  const minimum = cursor.u64();
  const maximum = (flags & HAS_MAXIMUM) === 0 ? null : cursor.u64();
  if ((flags & HAS_PAGE_SIZE) !== 0) cursor.u32();
  return { minimum, maximum, isShared: (flags & IS_SHARED) !== 0, is64Bit: (flags & IS_64_BIT) !== 0 };
}

export function coreTableType(cursor: Cursor): CoreExternType {
  const element = coreValueType(cursor);
  return { type: 'table', element, bounds: coreBounds(cursor) };
}

export function coreGlobalType(cursor: Cursor): CoreExternType {
  const value = coreValueType(cursor);
  const start = cursor.offset;
  const mutability = cursor.byte();
  if (mutability > 3) throw malformed('a global is neither constant nor mutable', start);
  return { type: 'global', value, isMutable: (mutability & 1) === 1 };
}

/** The type of a core import, with signatures by their index. */
export function coreImportType(cursor: Cursor, signature: (index: number) => CoreSignature | null): CoreExternType {
  const start = cursor.offset;
  const sort = cursor.byte();
  switch (sort) {
    case 0x00:
    case 0x20: // A function of exactly that type.
      return withSignature('function', signature(cursor.u32()));
    case 0x01:
      return coreTableType(cursor);
    case 0x02:
      return { type: 'memory', bounds: coreBounds(cursor) };
    case 0x03:
      return coreGlobalType(cursor);
    case 0x04:
      cursor.byte();
      return withSignature('tag', signature(cursor.u32()));
    default:
      throw notAnalysed('an import of a core module', start);
  }
}

export function withSignature(type: 'function' | 'tag', signature: CoreSignature | null): CoreExternType {
  return signature === null ? { type: 'not-analysed' } : { type, ...signature };
}

const MODULE_TYPE = 0x50;
const MODULE_SUBTYPE_PREFIX = 0x00;

/** Moves over a core type among the definitions of a component. */
export function skipComponentCoreType(cursor: Cursor, depth: number): void {
  if (depth > WASM_LIMITS.nesting) throw overLimit('more types in types', WASM_LIMITS.nesting);
  const code = cursor.peek();
  if (code === MODULE_TYPE) {
    cursor.byte();
    for (let count = cursor.count(2); count > 0; count--) skipModuleDeclaration(cursor, depth);
    return;
  }
  if (code === MODULE_SUBTYPE_PREFIX) cursor.byte();
  skipRecursiveType(cursor, () => {});
}

function skipModuleDeclaration(cursor: Cursor, depth: number): void {
  const start = cursor.offset;
  switch (cursor.byte()) {
    case 0x00:
      cursor.skipName();
      cursor.skipName();
      coreImportType(cursor, () => null);
      return;
    case 0x01:
      skipComponentCoreType(cursor, depth + 1);
      return;
    case 0x02:
      cursor.skip(2);
      cursor.u32();
      cursor.u32();
      return;
    case 0x03:
      cursor.skipName();
      coreImportType(cursor, () => null);
      return;
    default:
      throw notAnalysed('a declaration of a module type', start);
  }
}
