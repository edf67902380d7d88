import { isRegistryError } from '../../errors.ts';
import { readCanon } from './canon.ts';
import {
  type ComponentSort,
  DECLARATION,
  type ExternName,
  readExternName,
  readSort,
  skipAlias,
  skipExternType,
  skipTypeDefinition,
} from './component-type.ts';
import { skipComponentCoreType } from './core-type.ts';
import { type Cursor, malformed, notAnalysed, overLimit } from './cursor.ts';
import { WASM_LIMITS } from './limits.ts';
import type { SectionContents, WasmSection } from './section.ts';

/** How an entry came into its index space, and so what is at its offset. */
export const ENTRY = { definition: 0, alias: 1, import: 2, export: 3 } as const;
const ENTRY_KINDS = 4;

/** The sorts whose entries are ever asked for. */
export type EvaluatedSort = 'type' | 'function' | 'instance' | 'component';

/** One index space: for each entry, where it is written. Nothing is read before somebody asks for it. */
export class IndexSpace {
  readonly #sort: EvaluatedSort;
  readonly #entries: number[] = [];
  /** After something unknown, nobody knows the indexes of what follows. */
  #isBroken = false;

  constructor(sort: EvaluatedSort) {
    this.#sort = sort;
  }

  get length(): number {
    return this.#entries.length;
  }

  add(kind: number, offset: number): void {
    if (this.#isBroken) return;
    if (this.#entries.length >= WASM_LIMITS.definitions) throw overLimit('more definitions', WASM_LIMITS.definitions);
    this.#entries.push(offset * ENTRY_KINDS + kind);
  }

  break(): void {
    this.#isBroken = true;
  }

  at(index: number): { readonly kind: number; readonly offset: number } {
    const entry = this.#entries[index];
    if (entry === undefined) {
      if (this.#isBroken) throw notAnalysed(`a ${this.#sort} that comes after an unknown one`, 0);
      throw malformed(`there is no ${this.#sort} with index ${index}`, 0);
    }
    return { kind: entry % ENTRY_KINDS, offset: Math.floor(entry / ENTRY_KINDS) };
  }
}

export interface ExternDeclaration extends ExternName {
  readonly sort: ComponentSort;
  /** In the index space of its sort; of no meaning for sorts that are never evaluated. */
  readonly index: number;
}

/** The contents of a component, of a component's type or of an instance's type, as index spaces. */
export class ComponentLayout {
  readonly isType: boolean;
  readonly spaces: Readonly<Record<EvaluatedSort, IndexSpace>> = {
    type: new IndexSpace('type'),
    function: new IndexSpace('function'),
    instance: new IndexSpace('instance'),
    component: new IndexSpace('component'),
  };
  readonly imports: Map<string, ExternDeclaration> = new Map();
  readonly exports: Map<string, ExternDeclaration> = new Map();
  /** By the offset of their entries. */
  readonly importNames: Map<number, string> = new Map();

  constructor(isType: boolean) {
    this.isType = isType;
  }

  add(sort: ComponentSort, kind: number, offset: number): number {
    const space = this.#spaceOf(sort);
    if (space === null) return 0;
    space.add(kind, offset);
    return space.length - 1;
  }

  break(sorts: readonly EvaluatedSort[]): void {
    for (const sort of sorts) this.spaces[sort].break();
  }

  #spaceOf(sort: ComponentSort): IndexSpace | null {
    return sort === 'type' || sort === 'function' || sort === 'instance' || sort === 'component'
      ? this.spaces[sort]
      : null;
  }

  declare(direction: 'imports' | 'exports', declaration: ExternDeclaration, offset: number): void {
    const declared = this[direction];
    if (declared.has(declaration.name)) throw malformed(`${JSON.stringify(declaration.name)} comes twice`, offset);
    if (declared.size >= WASM_LIMITS[direction]) throw overLimit(`more ${direction}`, WASM_LIMITS[direction]);
    declared.set(declaration.name, declaration);
  }
}

/** The declarations of a component's or an instance's type, from after its code. */
export function layoutOfType(cursor: Cursor, depth: number): ComponentLayout {
  const layout = new ComponentLayout(true);
  for (let count = cursor.count(2); count > 0; count--) readDeclaration(layout, cursor, depth + 1);
  return layout;
}

function readDeclaration(layout: ComponentLayout, cursor: Cursor, depth: number): void {
  const start = cursor.offset;
  const code = cursor.byte();
  const offset = cursor.offset;
  switch (code) {
    case DECLARATION.coreType:
      skipComponentCoreType(cursor, depth);
      return;
    case DECLARATION.type:
      skipTypeDefinition(cursor, depth);
      layout.add('type', ENTRY.definition, offset);
      return;
    case DECLARATION.alias:
      layout.add(skipAlias(cursor), ENTRY.alias, offset);
      return;
    case DECLARATION.import:
      readExtern(layout, cursor, 'imports');
      return;
    case DECLARATION.export:
      readExtern(layout, cursor, 'exports');
      return;
    default:
      throw notAnalysed('a declaration of a type', start);
  }
}

/** A name and a type: imports everywhere, and exports of types. The entry begins at the type. */
function readExtern(layout: ComponentLayout, cursor: Cursor, direction: 'imports' | 'exports'): void {
  const start = cursor.offset;
  const name = readExternName(cursor);
  const offset = cursor.offset;
  const sort = skipExternType(cursor);
  const index = layout.add(sort, direction === 'imports' ? ENTRY.import : ENTRY.export, offset);
  layout.declare(direction, { ...name, sort, index }, start);
  if (direction === 'imports') layout.importNames.set(offset, name.name);
}

/** An export of a component: the entry begins at what it exports. */
function readExport(layout: ComponentLayout, cursor: Cursor): void {
  const start = cursor.offset;
  const name = readExternName(cursor);
  const offset = cursor.offset;
  const sort = readSort(cursor);
  cursor.u32();
  if (cursor.byte() === 1) skipExternType(cursor);
  const index = layout.add(sort, ENTRY.export, offset);
  layout.declare('exports', { ...name, sort, index }, start);
}

const SECTION = {
  coreModule: 1,
  coreType: 3,
  component: 4,
  instance: 5,
  alias: 6,
  type: 7,
  canon: 8,
  start: 9,
  import: 10,
  export: 11,
} as const;

export const COMPONENT_SECTION = SECTION;

interface SectionRow {
  readonly entry: (layout: ComponentLayout, cursor: Cursor) => void;
  /** What can no longer be counted when one entry is unknown. */
  readonly breaks: readonly EvaluatedSort[];
}

/** How to read one entry of each section that adds to an index space. */
const ROWS: ReadonlyMap<number, SectionRow> = new Map([
  [SECTION.instance, { entry: readInstance, breaks: ['instance'] as const }],
  [SECTION.alias, { entry: readAlias, breaks: ['type', 'function', 'instance', 'component'] as const }],
  [SECTION.type, { entry: readType, breaks: ['type'] as const }],
  [SECTION.canon, { entry: readLift, breaks: ['function'] as const }],
  [
    SECTION.import,
    {
      entry: (layout: ComponentLayout, cursor: Cursor): void => readExtern(layout, cursor, 'imports'),
      breaks: ['type', 'function', 'instance', 'component'] as const,
    },
  ],
  [SECTION.export, { entry: readExport, breaks: ['type', 'function', 'instance', 'component'] as const }],
]);

function readType(layout: ComponentLayout, cursor: Cursor): void {
  const offset = cursor.offset;
  skipTypeDefinition(cursor, 0);
  layout.add('type', ENTRY.definition, offset);
}

function readAlias(layout: ComponentLayout, cursor: Cursor): void {
  const offset = cursor.offset;
  layout.add(skipAlias(cursor), ENTRY.alias, offset);
}

function readLift(layout: ComponentLayout, cursor: Cursor): void {
  const offset = cursor.offset;
  if (readCanon(cursor) !== null) layout.add('function', ENTRY.definition, offset);
}

export const INSTANCE_FORM = { instantiate: 0x00, exports: 0x01 } as const;

function readInstance(layout: ComponentLayout, cursor: Cursor): void {
  const offset = cursor.offset;
  const form = cursor.byte();
  if (form > INSTANCE_FORM.exports) throw notAnalysed('an instance', offset);
  if (form === INSTANCE_FORM.instantiate) cursor.u32();
  for (let count = cursor.count(3); count > 0; count--) {
    if (form === INSTANCE_FORM.instantiate) cursor.skipName();
    else readExternName(cursor);
    readSort(cursor);
    cursor.u32();
  }
  layout.add('instance', ENTRY.definition, offset);
}

/** A component by its sections. What is unknown breaks the index spaces that it may belong to; the rest stays readable. */
export function layoutOfComponent(sections: readonly WasmSection[], contents: SectionContents): ComponentLayout {
  const layout = new ComponentLayout(false);
  for (const section of sections) {
    if (section.id === SECTION.component) {
      layout.add('component', ENTRY.definition, section.offset);
      continue;
    }
    const row = ROWS.get(section.id);
    const cursor = row === undefined ? null : contents(section);
    if (row === undefined || cursor === null) continue;
    try {
      readEntries(layout, cursor, row);
    } catch (failure) {
      if (!isRegistryError(failure, 'content/not-analysed')) throw failure;
      layout.break(row.breaks);
    }
  }
  return layout;
}

function readEntries(layout: ComponentLayout, cursor: Cursor, row: SectionRow): void {
  for (let count = cursor.count(1); count > 0; count--) row.entry(layout, cursor);
  if (!cursor.atEnd) throw malformed('a section is longer than what is in it', cursor.offset);
}
