import { Cursor, malformed, overLimit } from './cursor.ts';
import { WASM_LIMITS } from './limits.ts';
import { CUSTOM_SECTION, PREAMBLE_BYTES, type WasmPreamble, type WasmSection, readPreamble } from './section.ts';
import { type WasmOutline, isOutlineSection, outlineOf } from './wasm-binary.ts';

const SIZE_BYTES_MAX = 5;
const FIRST_ROOM_BYTES = 4_096;

/** A section of which not all bytes have come. */
interface OpenSection {
  readonly id: number;
  readonly offset: number;
  readonly headBytes: number;
  readonly length: number;
  /** Bytes that are still to come. */
  left: number;
  /** What came so far and room for more, however small the chunks; `null` once it is clear that nobody will ask for it. */
  kept: Uint8Array | null;
  keptBytes: number;
  /** How many bytes the name of a custom section needs, as far as that is known; 0 once it is read. */
  nameNeeds: number;
  name: string | null;
  /** Bytes before the contents, for the name. */
  nameBytes: number;
}

/**
 * {@link readWasm} for bytes that come in chunks, of a file of any size: only sections that the outline is made of stay in
 * memory, at most {@link WASM_LIMITS}`.keptBytes` of them.
 */
export class WasmOutlineReader {
  #offset = 0;
  #head: number[] = [];
  #preamble: WasmPreamble | null = null;
  #open: OpenSection | null = null;
  readonly #sections: WasmSection[] = [];
  readonly #contents: Map<WasmSection, Uint8Array> = new Map();
  #keptBytes = 0;

  /** Throws `content/malformed`, `content/policy`; the reader is of no use after that. */
  update(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#open === null) {
        this.#headByte(chunk[at++] ?? 0);
        this.#offset++;
        this.#closeIfComplete();
        continue;
      }
      const part = chunk.subarray(at, at + wantedBytes(this.#open));
      at += part.length;
      this.#offset += part.length;
      this.#take(this.#open, part);
      this.#closeIfComplete();
    }
  }

  /** So many of the bytes that come next are only counted: {@link passOver} does for them. */
  get uninteresting(): number {
    return this.#open?.kept === null ? this.#open.left : 0;
  }

  /** As {@link update} with bytes that nobody need read, at most {@link uninteresting}. */
  passOver(bytes: number): void {
    if (bytes > this.uninteresting) throw new RangeError('bytes that are read cannot be skipped');
    if (this.#open === null) return;
    this.#open.left -= bytes;
    this.#offset += bytes;
    this.#closeIfComplete();
  }

  /** After the last byte. Throws `content/malformed`, `content/policy`. */
  finish(): WasmOutline {
    if (this.#preamble === null || this.#open !== null || this.#head.length > 0) {
      throw malformed('it ends in the middle of a section', this.#offset);
    }
    return outlineOf(this.#preamble, this.#sections, (section) => {
      const kept = this.#contents.get(section);
      return kept === undefined ? null : new Cursor(kept, 0, kept.length);
    });
  }

  #headByte(byte: number): void {
    this.#head.push(byte);
    if (this.#preamble === null) {
      if (this.#head.length < PREAMBLE_BYTES) return;
      this.#preamble = readPreamble(Uint8Array.from(this.#head), 0, PREAMBLE_BYTES);
      this.#head = [];
      return;
    }
    const isSize = this.#head.length > 1;
    if (!isSize || (byte >= 0x80 && this.#head.length <= SIZE_BYTES_MAX)) return;
    this.#openSection(Uint8Array.from(this.#head), this.#preamble);
    this.#head = [];
  }

  #openSection(head: Uint8Array, { layer }: WasmPreamble): void {
    const cursor = new Cursor(head, 0, head.length);
    const id = cursor.byte();
    const length = cursor.u32();
    const offset = this.#offset + 1 - head.length;
    if (this.#sections.length >= WASM_LIMITS.sections) throw overLimit('more sections', WASM_LIMITS.sections);
    const isCustom = id === CUSTOM_SECTION;
    const isKept = isCustom || isOutlineSection(layer, { id, name: null, offset, size: 0, contentOffset: 0 });
    this.#open = {
      id,
      offset,
      headBytes: head.length,
      length,
      left: length,
      kept: isKept ? new Uint8Array(Math.min(length, FIRST_ROOM_BYTES)) : null,
      keptBytes: 0,
      nameNeeds: isCustom ? Math.min(length, SIZE_BYTES_MAX) : 0,
      name: null,
      nameBytes: 0,
    };
    if (isCustom && length === 0) throw malformed('a custom section has no name', offset);
  }

  #take(open: OpenSection, part: Uint8Array): void {
    open.left -= part.length;
    if (open.kept === null) return;
    this.#keptBytes += part.length;
    if (this.#keptBytes > WASM_LIMITS.keptBytes) {
      throw overLimit('more bytes of imports, exports and metadata', WASM_LIMITS.keptBytes);
    }
    open.kept = withRoom(open.kept, open.keptBytes, part.length, open.length);
    open.kept.set(part, open.keptBytes);
    open.keptBytes += part.length;
    while (open.nameNeeds > 0 && open.kept !== null && open.keptBytes >= open.nameNeeds)
      this.#readName(open, open.kept);
  }

  /** Reads the name of a custom section, or how many bytes it needs; drops the section if it is none to keep. */
  #readName(open: OpenSection, kept: Uint8Array): void {
    const bytes = kept.subarray(0, open.keptBytes);
    const cursor = new Cursor(bytes, 0, bytes.length);
    const length = cursor.u32();
    const end = cursor.offset + length;
    if (length > WASM_LIMITS.nameBytes) throw overLimit(`a name of ${length} bytes`, WASM_LIMITS.nameBytes);
    if (end > open.length) throw malformed('a custom section is shorter than its name', open.offset);
    if (end > bytes.length) {
      open.nameNeeds = end;
      return;
    }
    open.name = new Cursor(bytes, 0, end).name();
    open.nameNeeds = 0;
    open.nameBytes = end;
    if (this.#preamble !== null && isOutlineSection(this.#preamble.layer, sectionOf(open))) return;
    this.#keptBytes -= open.keptBytes;
    open.kept = null;
  }

  #closeIfComplete(): void {
    const open = this.#open;
    if (open === null || open.left > 0) return;
    const section = sectionOf(open);
    this.#sections.push(section);
    if (open.kept !== null) this.#contents.set(section, open.kept.subarray(open.nameBytes, open.length));
    this.#open = null;
  }
}

/** No more than the name at first: what follows a name may be huge and of no interest. */
function wantedBytes({ nameNeeds, keptBytes, left }: OpenSection): number {
  return nameNeeds > 0 ? nameNeeds - keptBytes : left;
}

function sectionOf({ id, name, offset, headBytes, length, nameBytes }: OpenSection): WasmSection {
  return { id, name, offset, size: headBytes + length, contentOffset: offset + headBytes + nameBytes };
}

/** The same bytes where `more` fit behind the first `used`; doubled, but never beyond `whole`, which a liar may have said. */
function withRoom(kept: Uint8Array, used: number, more: number, whole: number): Uint8Array {
  if (used + more <= kept.length) return kept;
  const roomier = new Uint8Array(Math.min(whole, Math.max(2 * kept.length, used + more)));
  roomier.set(kept.subarray(0, used));
  return roomier;
}
