import { skipComponentCoreType } from './core-type.ts';
import { type Cursor, malformed, notAnalysed, overLimit } from './cursor.ts';
import { WASM_LIMITS } from './limits.ts';

/** What a component imports, exports, or has in one of its index spaces. */
export type ComponentSort = 'module' | 'function' | 'value' | 'type' | 'component' | 'instance' | 'core';

const SORTS: readonly ComponentSort[] = ['core', 'function', 'value', 'type', 'component', 'instance'];
const CORE_MODULE_SORT = 0x11;

/** Two bytes for a sort of core, else one. */
export function readSort(cursor: Cursor): ComponentSort {
  const start = cursor.offset;
  const sort = SORTS[cursor.byte()];
  if (sort === undefined) throw notAnalysed('a sort of definition', start);
  return sort === 'core' && cursor.byte() === CORE_MODULE_SORT ? 'module' : sort;
}

/** What stands beside the name of an import or export; `null` where nothing is said. */
export interface NameAttributes {
  /** The name of an interface that an instance with a name of its own implements. */
  readonly implements: string | null;
  /** What to add to a version that was cut down to its compatible part. */
  readonly versionSuffix: string | null;
  /** A locator chosen by whoever made it. */
  readonly externalId: string | null;
}

export interface ExternName {
  readonly name: string;
  readonly attributes: NameAttributes;
}

export const NO_ATTRIBUTES: NameAttributes = { implements: null, versionSuffix: null, externalId: null };
const WITH_ATTRIBUTES = 0x02;

/** The name of an import or export of a component. */
export function readExternName(cursor: Cursor): ExternName {
  const start = cursor.offset;
  const form = cursor.byte();
  if (form > WITH_ATTRIBUTES) throw notAnalysed('a form of name', start);
  const name = cursor.name();
  return { name, attributes: form === WITH_ATTRIBUTES ? readAttributes(cursor) : NO_ATTRIBUTES };
}

function readAttributes(cursor: Cursor): NameAttributes {
  const texts: (string | null)[] = [null, null, null];
  for (let count = cursor.count(2); count > 0; count--) {
    const start = cursor.offset;
    const kind = cursor.byte();
    if (kind >= texts.length) throw notAnalysed('an attribute of a name', start);
    if (texts[kind] !== null) throw malformed('a name has the same attribute twice', start);
    texts[kind] = cursor.name();
  }
  const [implemented = null, versionSuffix = null, externalId = null] = texts;
  return { implements: implemented, versionSuffix, externalId };
}

/** Moves over the type of an import or export, and tells its sort. */
export function skipExternType(cursor: Cursor): ComponentSort {
  const start = cursor.offset;
  const sort = readSort(cursor);
  switch (sort) {
    case 'value':
      if (cursor.byte() === 0) cursor.u32();
      else skipValueType(cursor);
      break;
    case 'type':
      skipTypeBound(cursor);
      break;
    case 'core':
      throw notAnalysed('an import or export of core', start);
    default:
      cursor.u32();
  }
  return sort;
}

function skipTypeBound(cursor: Cursor): void {
  const start = cursor.offset;
  const bound = cursor.byte();
  if (bound === 0) cursor.u32();
  else if (bound > 1) throw notAnalysed('a bound of a type', start);
}

/** The first byte of a definition of a type. */
export const TYPE_CODE = {
  function: 0x40,
  component: 0x41,
  instance: 0x42,
  asyncFunction: 0x43,
  resource: 0x3f,
  resourceWithAsyncDestructor: 0x3e,
} as const;

/** One byte that stands for a primitive where a type may stand; an index is encoded so that it never looks like it. */
export function isPrimitiveCode(code: number): boolean {
  return code >= 0x40 && code < 0x80;
}

export function skipValueType(cursor: Cursor): void {
  if (isPrimitiveCode(cursor.peek())) cursor.byte();
  else cursor.u32();
}

function skipOptionalValueType(cursor: Cursor): void {
  const start = cursor.offset;
  const presence = cursor.byte();
  if (presence > 1) throw malformed('an optional type is neither there nor not', start);
  if (presence === 1) skipValueType(cursor);
}

function skipNamedTypes(cursor: Cursor): void {
  for (let count = cursor.memberCount(2); count > 0; count--) {
    cursor.skipName();
    skipValueType(cursor);
  }
}

function skipCases(cursor: Cursor): void {
  for (let count = cursor.memberCount(3); count > 0; count--) {
    cursor.skipName();
    skipOptionalValueType(cursor);
    // Older tools could say there which case this one refines.
    if (cursor.byte() === 1) cursor.u32();
  }
}

function skipLabels(cursor: Cursor): void {
  for (let count = cursor.memberCount(1); count > 0; count--) cursor.skipName();
}

function skipValueTypes(cursor: Cursor): void {
  for (let count = cursor.memberCount(1); count > 0; count--) skipValueType(cursor);
}

function skipFunction(cursor: Cursor): void {
  skipNamedTypes(cursor);
  skipResults(cursor);
}

/** One result, or a list of named ones, which is empty today. */
export function skipResults(cursor: Cursor): void {
  const start = cursor.offset;
  const form = cursor.byte();
  if (form > 1) throw notAnalysed('a form of results', start);
  if (form === 0) skipValueType(cursor);
  else skipNamedTypes(cursor);
}

function skipResource(cursor: Cursor): void {
  cursor.byte();
  if (cursor.byte() === 1) cursor.u32();
}

function skipAsyncResource(cursor: Cursor): void {
  cursor.byte();
  cursor.u32();
  if (cursor.byte() === 1) cursor.u32();
}

/** How to move over each definition of a type that has no definitions inside. */
const SKIPS: ReadonlyMap<number, (cursor: Cursor) => void> = new Map([
  [0x72, skipNamedTypes],
  [0x71, skipCases],
  [0x70, skipValueType],
  [
    0x67,
    (cursor: Cursor): void => {
      skipValueType(cursor);
      cursor.u32();
    },
  ],
  [0x6f, skipValueTypes],
  [0x6e, skipLabels],
  [0x6d, skipLabels],
  [0x6b, skipValueType],
  [
    0x6a,
    (cursor: Cursor): void => {
      skipOptionalValueType(cursor);
      skipOptionalValueType(cursor);
    },
  ],
  [0x69, (cursor: Cursor): void => void cursor.u32()],
  [0x68, (cursor: Cursor): void => void cursor.u32()],
  [0x66, skipOptionalValueType],
  [0x65, skipOptionalValueType],
  [
    0x63,
    (cursor: Cursor): void => {
      skipValueType(cursor);
      skipValueType(cursor);
    },
  ],
  [TYPE_CODE.function, skipFunction],
  [TYPE_CODE.asyncFunction, skipFunction],
  [TYPE_CODE.resource, skipResource],
  [TYPE_CODE.resourceWithAsyncDestructor, skipAsyncResource],
]);

/** Primitives as definitions. 0x64 is `error-context`. */
function isPrimitiveDefinition(code: number): boolean {
  return (code >= 0x73 && code <= 0x7f) || code === 0x64;
}

/** Moves over one definition of a type. `depth` counts the types around it. */
export function skipTypeDefinition(cursor: Cursor, depth: number): void {
  const start = cursor.offset;
  const code = cursor.byte();
  if (isPrimitiveDefinition(code)) return;
  const skip = SKIPS.get(code);
  if (skip !== undefined) {
    skip(cursor);
    return;
  }
  if (code !== TYPE_CODE.component && code !== TYPE_CODE.instance) throw notAnalysed('a type', start);
  if (depth >= WASM_LIMITS.nesting) throw overLimit('more types in types', WASM_LIMITS.nesting);
  for (let count = cursor.count(2); count > 0; count--) skipDeclaration(cursor, depth + 1);
}

export const DECLARATION = { coreType: 0x00, type: 0x01, alias: 0x02, import: 0x03, export: 0x04 } as const;

function skipDeclaration(cursor: Cursor, depth: number): void {
  const start = cursor.offset;
  switch (cursor.byte()) {
    case DECLARATION.coreType:
      skipComponentCoreType(cursor, depth);
      return;
    case DECLARATION.type:
      skipTypeDefinition(cursor, depth);
      return;
    case DECLARATION.alias:
      skipAlias(cursor);
      return;
    case DECLARATION.import:
    case DECLARATION.export:
      skipExternName(cursor);
      skipExternType(cursor);
      return;
    default:
      throw notAnalysed('a declaration of a type', start);
  }
}

function skipExternName(cursor: Cursor): void {
  if (cursor.peek() === WITH_ATTRIBUTES) {
    readExternName(cursor);
    return;
  }
  const start = cursor.offset;
  if (cursor.byte() > WITH_ATTRIBUTES) throw notAnalysed('a form of name', start);
  cursor.skipName();
}

export const ALIAS = { export: 0x00, coreExport: 0x01, outer: 0x02 } as const;

/** Moves over an alias, and tells the sort of what it adds. */
export function skipAlias(cursor: Cursor): ComponentSort {
  const sort = readSort(cursor);
  const start = cursor.offset;
  switch (cursor.byte()) {
    case ALIAS.export:
    case ALIAS.coreExport:
      cursor.u32();
      cursor.skipName();
      break;
    case ALIAS.outer:
      cursor.u32();
      cursor.u32();
      break;
    default:
      throw notAnalysed('an alias', start);
  }
  return sort;
}
