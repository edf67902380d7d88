import { isRegistryError } from '../../errors.ts';
import { COMPONENT_SECTION } from './component-layout.ts';
import {
  type ComponentSort,
  type NameAttributes,
  TYPE_CODE,
  readExternName,
  readSort,
  skipAlias,
  skipExternType,
  skipTypeDefinition,
} from './component-type.ts';
import { type CoreExport, type CoreImport, CORE_SECTIONS_READ, CoreModule } from './core-module.ts';
import { type Cursor, overLimit } from './cursor.ts';
import { type ComponentName, parseComponentName } from './import-name.ts';
import { WASM_LIMITS } from './limits.ts';
import { type WasmMetadata, isMetadataSection, readMetadata } from './metadata.ts';
import {
  type SectionContents,
  VERSION_READ,
  type WasmLayer,
  type WasmPreamble,
  type WasmSection,
  readPreamble,
  readSections,
  sectionCursor,
  sectionEnd,
} from './section.ts';

/** An import or export of a component. Its type is read by `decodeWit`. */
export interface ComponentExtern {
  /** As it is written. */
  readonly name: string;
  readonly parsedName: ComponentName;
  readonly attributes: NameAttributes;
  readonly sort: ComponentSort;
}

interface Outline {
  /** The version in the preamble. */
  readonly version: number;
  readonly size: number;
  /** The outermost ones, in order; custom ones have a name. */
  readonly sections: readonly WasmSection[];
  readonly metadata: WasmMetadata;
  /** Outermost sections that hold something unknown here: what they say is told as far as it is known. */
  readonly notAnalysed: readonly WasmSection[];
}

export interface ModuleOutline extends Outline {
  readonly kind: 'module';
  readonly imports: readonly CoreImport[];
  readonly exports: readonly CoreExport[];
}

/** A WIT package is a component that exports nothing but types that say what an interface or a world is. */
export interface ComponentOutline extends Outline {
  readonly kind: 'component' | 'wit-package';
  readonly imports: readonly ComponentExtern[];
  readonly exports: readonly ComponentExtern[];
}

/** What a WebAssembly binary is, wants and offers. */
export type WasmOutline = ModuleOutline | ComponentOutline;

/** A module or component inside a component. Offsets count from the start of the file. */
export interface WasmNode {
  readonly layer: WasmLayer;
  readonly offset: number;
  readonly size: number;
  readonly sections: readonly WasmSection[];
  readonly children: readonly WasmNode[];
}

/**
 * Reads what a binary is, what it imports and exports, and what it says of itself; code is skipped. What is unknown is kept
 * and told. Throws `content/malformed`, and `content/policy` over one of {@link WASM_LIMITS}.
 */
export function readWasm(bytes: Uint8Array): WasmOutline {
  const preamble = readPreamble(bytes, 0, bytes.length);
  const sections = readSections(bytes, 0, bytes.length);
  return outlineOf(preamble, sections, (section) => sectionCursor(bytes, section));
}

/** The outline of sections of which only some may be at hand: those that {@link isOutlineSection} names. */
export function outlineOf(
  preamble: WasmPreamble,
  sections: readonly WasmSection[],
  contents: SectionContents,
): WasmOutline {
  const last = sections.at(-1);
  const common = {
    version: preamble.version,
    size: last === undefined ? 8 : sectionEnd(last),
    sections,
    metadata: readMetadata(sections, contents),
  };
  const isKnown = preamble.version === VERSION_READ[preamble.layer];
  if (preamble.layer === 'module') return { ...common, ...readModule(isKnown ? sections : [], contents) };
  return { ...common, ...readComponent(isKnown ? sections : [], contents) };
}

/** Whether {@link outlineOf} asks for the contents of a section. */
export function isOutlineSection(layer: WasmLayer, section: WasmSection): boolean {
  if (section.name !== null) return isMetadataSection(section);
  if (layer === 'module') return CORE_SECTIONS_READ.has(section.id);
  return OUTLINE_SECTIONS.has(section.id);
}

const OUTLINE_SECTIONS: ReadonlySet<number> = new Set([
  COMPONENT_SECTION.alias,
  COMPONENT_SECTION.type,
  COMPONENT_SECTION.import,
  COMPONENT_SECTION.export,
]);

type ModulePart = Pick<ModuleOutline, 'kind' | 'imports' | 'exports' | 'notAnalysed'>;

function readModule(sections: readonly WasmSection[], contents: SectionContents): ModulePart {
  const module = new CoreModule(sections, contents);
  const notAnalysed = sections.filter(({ id }) => module.notAnalysed.includes(id));
  return { kind: 'module', imports: module.imports, exports: module.exports, notAnalysed };
}

type ComponentPart = Pick<ComponentOutline, 'kind' | 'imports' | 'exports' | 'notAnalysed'>;

function readComponent(sections: readonly WasmSection[], contents: SectionContents): ComponentPart {
  const imports: ComponentExtern[] = [];
  const exports: ComponentExtern[] = [];
  const notAnalysed: WasmSection[] = [];
  for (const section of sections) {
    const isImport = section.id === COMPONENT_SECTION.import;
    const cursor = isImport || section.id === COMPONENT_SECTION.export ? contents(section) : null;
    if (section.id > COMPONENT_SECTION_MAX) notAnalysed.push(section);
    if (cursor === null) continue;
    const isKnown = unlessUnknown(() => readExterns(cursor, isImport ? imports : exports, isImport));
    if (!isKnown) notAnalysed.push(section);
  }
  const [first] = exports;
  const mayBePackage =
    imports.length === 0 && first !== undefined && isPackageName(first.parsedName) && exports.every(isTypeExtern);
  const kind = mayBePackage && isWitPackage(sections, contents) ? 'wit-package' : 'component';
  return { kind, imports, exports, notAnalysed };
}

const COMPONENT_SECTION_MAX = 12;

function isTypeExtern({ sort }: ComponentExtern): boolean {
  return sort === 'type';
}

/** False where something unknown ended it. */
function unlessUnknown(read: () => void): boolean {
  try {
    read();
    return true;
  } catch (failure) {
    if (!isRegistryError(failure, 'content/not-analysed')) throw failure;
    return false;
  }
}

function readExterns(cursor: Cursor, externs: ComponentExtern[], isImport: boolean): void {
  const limit = isImport ? WASM_LIMITS.imports : WASM_LIMITS.exports;
  for (let count = cursor.count(4); count > 0; count--) {
    if (externs.length >= limit) throw overLimit('more imports or exports', limit);
    const { name, attributes } = readExternName(cursor);
    const sort = isImport ? skipExternType(cursor) : readExportSort(cursor);
    externs.push({ name, parsedName: parseComponentName(name), attributes, sort });
  }
}

function readExportSort(cursor: Cursor): ComponentSort {
  const sort = readSort(cursor);
  cursor.u32();
  if (cursor.byte() === 1) skipExternType(cursor);
  return sort;
}

/** Of a component that only exports types: whether each is the type of a component, the first under a package's name for it. */
function isWitPackage(sections: readonly WasmSection[], contents: SectionContents): boolean {
  /** Of the types so far, by index. */
  const codes: number[] = [];
  let isPackage = true;
  const isKnown = unlessUnknown(() => {
    for (const section of sections) {
      const cursor = OUTLINE_SECTIONS.has(section.id) ? contents(section) : null;
      if (cursor === null) continue;
      for (let count = cursor.count(1); count > 0; count--) {
        if (codes.length >= WASM_LIMITS.definitions) throw overLimit('more types', WASM_LIMITS.definitions);
        codes.push(...typeCodes(section.id, cursor, codes));
        if (section.id === COMPONENT_SECTION.export && codes.at(-1) !== TYPE_CODE.component) isPackage = false;
      }
    }
  });
  return isKnown && isPackage;
}

/** The code of the type that the next entry of a section adds, if it adds one. */
function typeCodes(section: number, cursor: Cursor, codes: readonly number[]): number[] {
  if (section === COMPONENT_SECTION.type) {
    const code = cursor.peek();
    skipTypeDefinition(cursor, 0);
    return [code];
  }
  if (section === COMPONENT_SECTION.alias) return skipAlias(cursor) === 'type' ? [NO_TYPE_CODE] : [];
  readExternName(cursor);
  readSort(cursor);
  const code = codes[cursor.u32()] ?? NO_TYPE_CODE;
  if (cursor.byte() === 1) skipExternType(cursor);
  return [code];
}

const NO_TYPE_CODE = 0;

/** A label alone, or `namespace:package/wit` as the first form of such packages had it. */
function isPackageName(name: ComponentName): boolean {
  return name.type === 'interface'
    ? name.interface === 'wit'
    : name.type === 'plain' && /^[0-9A-Za-z-]+$/.test(name.name);
}

/** Everything in a binary that is a module or a component, as a tree; code is skipped. Throws as {@link readWasm} does. */
export function readStructure(bytes: Uint8Array): WasmNode {
  const budget = { sections: WASM_LIMITS.sections };
  return readNode(bytes, { start: 0, end: bytes.length, depth: 0 }, budget);
}

interface NodeRange {
  readonly start: number;
  readonly end: number;
  readonly depth: number;
}

function readNode(bytes: Uint8Array, { start, end, depth }: NodeRange, budget: { sections: number }): WasmNode {
  if (depth > WASM_LIMITS.nesting) throw overLimit('more components in components', WASM_LIMITS.nesting);
  const { layer } = readPreamble(bytes, start, end);
  const sections = readSections(bytes, start, end);
  budget.sections -= sections.length;
  if (budget.sections < 0) throw overLimit('more sections', WASM_LIMITS.sections);
  const nested = layer === 'component' ? sections.filter(({ id }) => NESTING_SECTIONS.has(id)) : [];
  const children = nested.map((section) =>
    readNode(bytes, { start: section.contentOffset, end: sectionEnd(section), depth: depth + 1 }, budget),
  );
  return { layer, offset: start, size: end - start, sections, children };
}

const NESTING_SECTIONS: ReadonlySet<number> = new Set([COMPONENT_SECTION.coreModule, COMPONENT_SECTION.component]);
