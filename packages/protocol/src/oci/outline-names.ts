import { utf8 } from '../bytes/byte-array.ts';
import { Cursor } from '../content/binary/cursor.ts';
import {
  COMPONENT_TYPE,
  DECLARED_EXPORT,
  readAliasSort,
  readExternName,
  readExternType,
  readSort,
  SECTION_ID,
  skipDeclaration,
  skipExportType,
  skipType,
  SORT_CODE,
} from './outline-grammar.ts';

/** Different names in both lists together, and bytes of them: over either, format 1 lists nothing (spec/oci.md 5.7). */
const NAMES_MAX = 10_000;
const NAME_BYTES_MAX = 1024 * 1024;

/** Each name once, in the order of UTF-16 code units. */
export interface OutlineNames {
  readonly imports: readonly string[];
  readonly exports: readonly string[];
}

export const NO_NAMES: OutlineNames = { imports: [], exports: [] };

/** One of the outermost sections: its contents. */
export interface OutlineSection {
  readonly id: number;
  readonly bytes: Uint8Array;
}

interface Extern {
  readonly name: string;
  readonly sort: number;
  /** What is exported, in the index space of its sort. */
  readonly index: number;
}

/**
 * The names of a component's imports and exports, and of a WIT package's interfaces and worlds: spec/oci.md 5.6 and 5.7.
 * FROZEN, as all of format 1. Throws `content/malformed`.
 *
 * @param sections - Those of imports and exports; of content that may be a WIT package those of types and aliases, too.
 */
export function outlineNames(sections: readonly OutlineSection[]): OutlineNames {
  const imports = externsIn(sections, SECTION_ID.import, readImport);
  const exports = externsIn(sections, SECTION_ID.export, readExport);
  const isPackage = imports.length === 0 && exports.every(({ sort }) => sort === SORT_CODE.type);
  const listed = isPackage ? namesInPackage(sections) : null;
  return bounded({
    imports: ascending(imports.map(({ name }) => name)),
    exports: ascending(listed ?? exports.map(({ name }) => name)),
  });
}

function ascending(names: Iterable<string>): readonly string[] {
  return [...new Set(names)].toSorted();
}

function bounded(names: OutlineNames): OutlineNames {
  const all = [...names.imports, ...names.exports];
  const bytes = all.reduce((sum, name) => sum + utf8(name).length, 0);
  return all.length > NAMES_MAX || bytes > NAME_BYTES_MAX ? NO_NAMES : names;
}

function externsIn(sections: readonly OutlineSection[], id: number, read: (cursor: Cursor) => Extern): Extern[] {
  const externs: Extern[] = [];
  for (const section of sections) {
    if (section.id !== id) continue;
    const cursor = cursorOf(section);
    for (let count = cursor.count(1); count > 0; count--) externs.push(read(cursor));
  }
  return externs;
}

function cursorOf({ bytes }: OutlineSection): Cursor {
  return new Cursor(bytes, 0, bytes.length);
}

function readImport(cursor: Cursor): Extern {
  const name = readExternName(cursor);
  return { name, sort: readExternType(cursor), index: 0 };
}

function readExport(cursor: Cursor): Extern {
  const name = readExternName(cursor);
  const sort = readSort(cursor);
  const index = cursor.u32();
  skipExportType(cursor);
  return { name, sort, index };
}

/** What the type of a component exports; `null` for any other type. */
type TypeNames = readonly string[] | null;

/** The names that the exported types of components export; `null` where one is of something else. */
function namesInPackage(sections: readonly OutlineSection[]): ReadonlySet<string> | null {
  const types: TypeNames[] = [];
  const exported = new Set<TypeNames>();
  for (const section of sections) {
    const read = TYPE_READERS.get(section.id);
    if (read === undefined) continue;
    const cursor = cursorOf(section);
    for (let count = cursor.count(1); count > 0; count--) read(cursor, types, exported);
  }
  const names = new Set<string>();
  for (const list of exported) {
    if (list === null) return null;
    for (const name of list) names.add(name);
  }
  return names;
}

/** Each adds to the index space of types what one entry of its section adds. */
const TYPE_READERS: ReadonlyMap<number, (cursor: Cursor, types: TypeNames[], exported: Set<TypeNames>) => void> =
  new Map([
    [SECTION_ID.type, (cursor: Cursor, types: TypeNames[]): void => void types.push(readType(cursor))],
    [
      SECTION_ID.alias,
      (cursor: Cursor, types: TypeNames[]): void => {
        if (readAliasSort(cursor) === SORT_CODE.type) types.push(null);
      },
    ],
    [
      SECTION_ID.export,
      (cursor: Cursor, types: TypeNames[], exported: Set<TypeNames>): void => {
        const names = types[readExport(cursor).index] ?? null;
        types.push(names);
        exported.add(names);
      },
    ],
  ]);

function readType(cursor: Cursor): TypeNames {
  if (cursor.peek() !== COMPONENT_TYPE) {
    skipType(cursor, 0);
    return null;
  }
  cursor.byte();
  const names: string[] = [];
  for (let count = cursor.count(1); count > 0; count--) {
    if (cursor.peek() !== DECLARED_EXPORT) {
      skipDeclaration(cursor, 1);
      continue;
    }
    cursor.byte();
    names.push(readExternName(cursor));
    readExternType(cursor);
  }
  return names;
}
