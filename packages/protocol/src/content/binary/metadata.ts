import { type JsonValue, parseJson } from '../../bytes/json.ts';
import { isRegistryError } from '../../errors.ts';
import { type Cursor, malformed, overLimit, textAt } from './cursor.ts';
import { WASM_LIMITS } from './limits.ts';
import { type SectionContents, type WasmSection, sectionEnd } from './section.ts';

/** One tool of a `producers` section: `language`, `processed-by` or `sdk`, and who. */
export interface WasmProducer {
  readonly field: string;
  readonly name: string;
  readonly version: string;
}

/** `package-docs`: documentation and stability, which the types do not hold. */
export interface PackageDocs {
  readonly version: number;
  /** `null` where the version is unknown here, or the text is not JSON. */
  readonly contents: JsonValue;
}

/** What a binary says of itself in its outermost custom sections. Nobody has checked any of it. */
export interface WasmMetadata {
  readonly name: string | null;
  readonly producers: readonly WasmProducer[];
  readonly authors: string | null;
  readonly description: string | null;
  readonly licenses: string | null;
  readonly source: string | null;
  readonly homepage: string | null;
  readonly revision: string | null;
  readonly version: string | null;
  /** What older tools wrote instead: one JSON object. */
  readonly registryMetadata: JsonValue;
  readonly packageDocs: PackageDocs | null;
  /** Size of the compressed list of dependencies that an auditable build leaves; `null` for none. It is not read. */
  readonly auditableBytes: number | null;
  /** Names of the sections that should say one of the above, and are damaged or too large. */
  readonly notAnalysed: readonly string[];
}

/** Sections whose whole contents are one text. */
const TEXTS = ['authors', 'description', 'licenses', 'source', 'homepage', 'revision', 'version'] as const;
const NAME_SECTIONS: ReadonlySet<string> = new Set(['name', 'component-name']);
const PACKAGE_DOCS_VERSION_MAX = 1;
/** Where they come twice, the last counts, as for other readers. */
const READ_NAMES: ReadonlySet<string> = new Set([
  ...TEXTS,
  ...NAME_SECTIONS,
  'producers',
  'registry-metadata',
  'package-docs',
]);

/** Whether {@link readMetadata} asks for its contents. */
export function isMetadataSection(section: WasmSection): boolean {
  const size = sectionEnd(section) - section.contentOffset;
  return section.name !== null && READ_NAMES.has(section.name) && size <= WASM_LIMITS.customBytes;
}

/** Reads the custom sections among `sections`. Damaged ones are told by name, never thrown. */
export function readMetadata(sections: readonly WasmSection[], contents: SectionContents): WasmMetadata {
  const bySection = new Map<string, WasmSection>();
  for (const section of sections) if (section.name !== null) bySection.set(section.name, section);
  const notAnalysed: string[] = [];
  const read = <T>(name: string, absent: T, decode: (cursor: Cursor) => T): T => {
    const section = bySection.get(name);
    const cursor = section !== undefined && isMetadataSection(section) ? contents(section) : null;
    if (section !== undefined && cursor === null) notAnalysed.push(name);
    if (cursor === null) return absent;
    return unlessDamaged(
      () => decode(cursor),
      absent,
      () => notAnalysed.push(name),
    );
  };
  const text = (name: (typeof TEXTS)[number]): string | null => read(name, null, wholeText);
  const auditable = bySection.get('.dep-v0');
  return {
    name: read('component-name', null, ownName) ?? read('name', null, ownName),
    producers: read('producers', [], producers),
    authors: text('authors'),
    description: text('description'),
    licenses: text('licenses'),
    source: text('source'),
    homepage: text('homepage'),
    revision: text('revision'),
    version: text('version'),
    registryMetadata: read('registry-metadata', null, json),
    packageDocs: read('package-docs', null, packageDocs),
    auditableBytes: auditable === undefined ? null : sectionEnd(auditable) - auditable.contentOffset,
    notAnalysed,
  };
}

function unlessDamaged<T>(decode: () => T, absent: T, told: () => void): T {
  try {
    return decode();
  } catch (failure) {
    if (!isRegistryError(failure)) throw failure;
    told();
    return absent;
  }
}

function wholeText(cursor: Cursor): string {
  return textAt(cursor.bytes, cursor.offset, cursor.end);
}

/** Subsection 0: the name of the whole; the others name what is inside. */
function ownName(cursor: Cursor): string | null {
  while (!cursor.atEnd) {
    const id = cursor.byte();
    const subsection = cursor.part(cursor.u32());
    if (id === 0) return subsection.name();
    // Subsections come in order.
    return null;
  }
  return null;
}

function producers(cursor: Cursor): WasmProducer[] {
  const tools: WasmProducer[] = [];
  for (let fields = cursor.count(2); fields > 0; fields--) {
    const field = cursor.name();
    for (let count = cursor.count(2); count > 0; count--) {
      if (tools.length >= WASM_LIMITS.producers) throw overLimit('more producers', WASM_LIMITS.producers);
      tools.push({ field, name: cursor.name(), version: cursor.name() });
    }
  }
  return tools;
}

function json(cursor: Cursor): JsonValue {
  return parseJson(cursor.bytes.subarray(cursor.offset, cursor.end));
}

function packageDocs(cursor: Cursor): PackageDocs {
  const version = cursor.byte();
  if (version > PACKAGE_DOCS_VERSION_MAX) return { version, contents: null };
  if (cursor.atEnd) throw malformed('package-docs are empty', cursor.offset);
  return { version, contents: json(cursor) };
}
