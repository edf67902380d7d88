import { Cursor, malformed, overLimit } from './cursor.ts';
import { WASM_LIMITS } from './limits.ts';

export const PREAMBLE_BYTES = 8;
export const CUSTOM_SECTION = 0;

export type WasmLayer = 'module' | 'component';

/** One section: where it is, and nothing of what is in it. Offsets count from the start of the file. */
export interface WasmSection {
  readonly id: number;
  /** Of a custom section; `null` for others. */
  readonly name: string | null;
  /** Of its id. */
  readonly offset: number;
  /** From its id to its end. */
  readonly size: number;
  /** Where its contents begin, after the name of a custom section. */
  readonly contentOffset: number;
}

export interface WasmPreamble {
  readonly layer: WasmLayer;
  readonly version: number;
}

/** Versions whose sections this reader knows. */
export const VERSION_READ: Readonly<Record<WasmLayer, number>> = { module: 1, component: 0x0d };

/** The first {@link PREAMBLE_BYTES}. Throws `content/malformed`. */
export function readPreamble(bytes: Uint8Array, start: number, end: number): WasmPreamble {
  if (end - start < PREAMBLE_BYTES) throw malformed('it is shorter than its preamble', start);
  const cursor = new Cursor(bytes, start, end);
  for (const expected of [0x00, 0x61, 0x73, 0x6d]) {
    if (cursor.byte() !== expected) throw malformed(String.raw`it does not start with \0asm`, start);
  }
  const version = cursor.byte() + cursor.byte() * 256;
  const layer = cursor.byte() + cursor.byte() * 256;
  if (layer > 1) throw malformed(`its layer is ${layer}`, start);
  return { layer: layer === 0 ? 'module' : 'component', version };
}

/** The sections after a preamble, which tile the rest exactly. Throws `content/malformed`, `content/policy`. */
export function readSections(bytes: Uint8Array, start: number, end: number): WasmSection[] {
  const cursor = new Cursor(bytes, start + PREAMBLE_BYTES, end);
  const sections: WasmSection[] = [];
  while (!cursor.atEnd) {
    if (sections.length >= WASM_LIMITS.sections) throw overLimit('more sections', WASM_LIMITS.sections);
    const offset = cursor.offset;
    const id = cursor.byte();
    const length = cursor.u32();
    const contents = cursor.part(length);
    const name = id === CUSTOM_SECTION ? contents.name() : null;
    sections.push({ id, name, offset, size: cursor.offset - offset, contentOffset: contents.offset });
  }
  return sections;
}

export function sectionEnd(section: WasmSection): number {
  return section.offset + section.size;
}

/** Where the contents of sections are: in a whole file, or among what was kept of a stream; `null` for what was not kept. */
export type SectionContents = (section: WasmSection) => Cursor | null;

export function sectionCursor(bytes: Uint8Array, section: WasmSection): Cursor {
  return new Cursor(bytes, section.contentOffset, sectionEnd(section));
}
