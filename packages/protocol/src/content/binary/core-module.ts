import { isRegistryError } from '../../errors.ts';
import {
  type CoreExternType,
  type CoreSignature,
  coreBounds,
  coreGlobalType,
  coreImportType,
  coreSignature,
  coreTableType,
  skipRecursiveType,
  withSignature,
} from './core-type.ts';
import { Cursor, malformed, notAnalysed, overLimit } from './cursor.ts';
import { WASM_LIMITS } from './limits.ts';
import type { SectionContents, WasmSection } from './section.ts';

export interface CoreImport {
  readonly module: string;
  readonly name: string;
  readonly externType: CoreExternType;
}

export interface CoreExport {
  readonly name: string;
  readonly externType: CoreExternType;
}

export const CORE_SECTION = {
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  global: 6,
  export: 7,
  tag: 13,
} as const;

export const CORE_SECTIONS_READ: ReadonlySet<number> = new Set(Object.values(CORE_SECTION));

const NOT_ANALYSED: CoreExternType = { type: 'not-analysed' };

interface CoreSpaces {
  readonly function: CoreExternType[];
  readonly table: CoreExternType[];
  readonly memory: CoreExternType[];
  readonly global: CoreExternType[];
  readonly tag: CoreExternType[];
}

const SORTS: readonly (keyof CoreSpaces)[] = ['function', 'table', 'memory', 'global', 'tag'];

/** What a core module imports and exports. Signatures are read for those alone, never for what stays inside. */
export class CoreModule {
  readonly imports: CoreImport[] = [];
  readonly exports: CoreExport[] = [];
  /** Ids of sections in which something is unknown. */
  readonly notAnalysed: number[] = [];
  readonly #types: number[] = [];
  #typeBytes: Uint8Array = new Uint8Array();
  readonly #spaces: CoreSpaces = { function: [], table: [], memory: [], global: [], tag: [] };
  #functions: Cursor | null = null;
  /** What functions of a type are, by its index: many exports share one. */
  readonly #functionTypes: Map<number, CoreExternType> = new Map();
  /** Types of the functions that are not imported, once somebody asked. */
  #defined: readonly number[] | null = null;

  constructor(sections: readonly WasmSection[], contents: SectionContents) {
    const read = new Set<number>();
    for (const section of sections) {
      const cursor = CORE_SECTIONS_READ.has(section.id) ? contents(section) : null;
      if (cursor === null) continue;
      // Core specification, 5.5.2: each at most once. Types are found again by their place in the only section of them.
      if (read.has(section.id)) throw malformed(`a second section ${section.id} in a core module`, section.offset);
      read.add(section.id);
      try {
        this.#section(section.id, cursor);
      } catch (failure) {
        if (!isRegistryError(failure, 'content/not-analysed')) throw failure;
        this.notAnalysed.push(section.id);
      }
    }
  }

  #section(id: number, cursor: Cursor): void {
    switch (id) {
      case CORE_SECTION.type:
        this.#readTypes(cursor);
        break;
      case CORE_SECTION.import:
        for (let count = cursor.count(4); count > 0; count--) this.#readImport(cursor);
        break;
      case CORE_SECTION.function:
        this.#functions = cursor;
        break;
      case CORE_SECTION.table:
        for (let count = cursor.count(3); count > 0; count--) this.#add('table', readTable(cursor));
        break;
      case CORE_SECTION.memory:
        for (let count = cursor.count(2); count > 0; count--) {
          this.#add('memory', { type: 'memory', bounds: coreBounds(cursor) });
        }
        break;
      case CORE_SECTION.global:
        for (let count = cursor.count(3); count > 0; count--) this.#add('global', readGlobal(cursor));
        break;
      case CORE_SECTION.tag:
        for (let count = cursor.count(2); count > 0; count--) {
          cursor.byte();
          this.#add('tag', withSignature('tag', this.#signature(cursor.u32())));
        }
        break;
      default:
        for (let count = cursor.count(3); count > 0; count--) this.#readExport(cursor);
    }
  }

  #add(sort: keyof CoreSpaces, externType: CoreExternType): void {
    const space = this.#spaces[sort];
    if (space.length >= WASM_LIMITS.definitions) throw overLimit(`more of the sort ${sort}`, WASM_LIMITS.definitions);
    space.push(externType);
  }

  #readTypes(cursor: Cursor): void {
    this.#typeBytes = cursor.bytes;
    for (let count = cursor.count(2); count > 0; count--) {
      skipRecursiveType(cursor, (offset) => {
        if (this.#types.length >= WASM_LIMITS.definitions) throw overLimit('more types', WASM_LIMITS.definitions);
        this.#types.push(offset);
      });
    }
  }

  /** `null` for what is no function, or not known. */
  #signature(index: number): CoreSignature | null {
    const offset = this.#types[index];
    if (offset === undefined) return null;
    return coreSignature(new Cursor(this.#typeBytes, offset, this.#typeBytes.length));
  }

  #readImport(cursor: Cursor): void {
    const module = cursor.name();
    const name = cursor.name();
    const externType = coreImportType(cursor, (index) => this.#signature(index));
    if (this.imports.length >= WASM_LIMITS.imports) throw overLimit('more imports', WASM_LIMITS.imports);
    this.imports.push({ module, name, externType });
    if (externType.type !== 'not-analysed') this.#add(externType.type, externType);
  }

  #readExport(cursor: Cursor): void {
    const name = cursor.name();
    const start = cursor.offset;
    const sort = SORTS[cursor.byte()];
    if (sort === undefined) throw notAnalysed('an export of a core module', start);
    const index = cursor.u32();
    if (this.exports.length >= WASM_LIMITS.exports) throw overLimit('more exports', WASM_LIMITS.exports);
    const externType = sort === 'function' ? this.#function(index) : (this.#spaces[sort][index] ?? NOT_ANALYSED);
    this.exports.push({ name, externType });
  }

  #function(index: number): CoreExternType {
    const imported = this.#spaces.function[index];
    if (imported !== undefined) return imported;
    const type = this.#definedFunctions()[index - this.#spaces.function.length];
    return type === undefined ? NOT_ANALYSED : this.#functionType(type);
  }

  #functionType(index: number): CoreExternType {
    const known = this.#functionTypes.get(index);
    if (known !== undefined) return known;
    const found = withSignature('function', this.#signature(index));
    this.#functionTypes.set(index, found);
    return found;
  }

  #definedFunctions(): readonly number[] {
    this.#defined ??= this.#functions === null ? [] : readIndexes(this.#functions);
    return this.#defined;
  }
}

function readIndexes(cursor: Cursor): number[] {
  const count = cursor.count(1);
  if (count > WASM_LIMITS.definitions) throw overLimit('more functions', WASM_LIMITS.definitions);
  const indexes: number[] = [];
  for (let left = count; left > 0; left--) indexes.push(cursor.u32());
  return indexes;
}

const TABLE_WITH_VALUE = 0x40;

function readTable(cursor: Cursor): CoreExternType {
  if (cursor.peek() !== TABLE_WITH_VALUE) return coreTableType(cursor);
  cursor.skip(2);
  const table = coreTableType(cursor);
  skipConstant(cursor);
  return table;
}

function readGlobal(cursor: Cursor): CoreExternType {
  const global = coreGlobalType(cursor);
  skipConstant(cursor);
  return global;
}

const END = 0x0b;
const LITERAL_BYTES: ReadonlyMap<number, number> = new Map([
  [0x43, 4],
  [0x44, 8],
]);
/** Arithmetic, and a reference to a number: nothing stands after the code. */
const PLAIN_CODES: ReadonlySet<number> = new Set([0x6a, 0x6b, 0x6c, 0x7c, 0x7d, 0x7e]);
const VECTOR_PREFIX = 0xfd;
const VECTOR_LITERAL = 12;
const REFERENCE_PREFIX = 0xfb;

/** Moves over a constant expression. */
function skipConstant(cursor: Cursor): void {
  for (;;) {
    const start = cursor.offset;
    const code = cursor.byte();
    if (code === END) return;
    const literal = LITERAL_BYTES.get(code);
    if (literal !== undefined) cursor.skip(literal);
    else if (code === 0x41 || code === 0x42) skipSigned(cursor);
    else if (code === 0x23 || code === 0xd2) cursor.u32();
    else if (code === 0xd0) skipHeapType(cursor);
    else if (code === VECTOR_PREFIX && cursor.u32() === VECTOR_LITERAL) cursor.skip(16);
    else if (code === REFERENCE_PREFIX) skipReferenceCode(cursor);
    else if (!PLAIN_CODES.has(code)) throw notAnalysed('a constant', start);
  }
}

function skipSigned(cursor: Cursor): void {
  while (cursor.byte() >= 0x80);
}

function skipHeapType(cursor: Cursor): void {
  if (cursor.peek() >= 0x40 && cursor.peek() < 0x80) cursor.byte();
  else cursor.u32();
}

/** How many indexes stand after each code that makes a structure, an array or a small number. */
const REFERENCE_OPERANDS: ReadonlyMap<number, number> = new Map([
  [0, 1],
  [1, 1],
  [6, 1],
  [7, 1],
  [8, 2],
  [26, 0],
  [27, 0],
  [28, 0],
]);

function skipReferenceCode(cursor: Cursor): void {
  const start = cursor.offset;
  const operands = REFERENCE_OPERANDS.get(cursor.u32());
  if (operands === undefined) throw notAnalysed('a constant', start);
  for (let left = operands; left > 0; left--) cursor.u32();
}
