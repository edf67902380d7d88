import { FINE_CONTENTS_BYTES_MAX, FINE_CONTENTS_BYTES_MIN, NESTING_MAX } from './part-sizes.ts';

const MAGIC = [0x00, 0x61, 0x73, 0x6d];
const PREAMBLE_BYTES = 8;
const LAYER_MODULE = 0;
const LAYER_COMPONENT = 1;
const SECTION_DATA = 11;
/** Sections of a component that hold a core module, and a component. */
const SECTIONS_ENTERED: ReadonlySet<number> = new Set([1, 4]);
const SIZE_BYTES_MAX = 5;
const SIZE_MAX = 0xffff_ffff;

/** Where a part may end before the next byte: `section` if it is long enough, `contents` in any case. */
export type Seam = 'section' | 'contents';

interface Frame {
  /** `Infinity` for the outermost. */
  readonly end: number;
  layer: number;
}

/** Finds the seams of WebAssembly in a stream (spec/parts.md 2). What is not well formed has none from there on. */
export class SeamWalk {
  readonly #frames: Frame[] = [{ end: Number.POSITIVE_INFINITY, layer: LAYER_MODULE }];
  #state: 'preamble' | 'id' | 'size' = 'preamble';
  #position = 0;
  #preambleBytes = 0;
  #id = 0;
  #size = 0;
  #sizeBytes = 0;
  #opaque = 0;
  #isFine = false;
  #seam: Seam | null = null;

  /** Bytes that come next and have no seam among them; 0 when the next byte is to be read. */
  get opaque(): number {
    return this.#opaque;
  }

  /** True among bytes that have fine parts. */
  get isFine(): boolean {
    return this.#isFine;
  }

  /** What is before the next byte. */
  get seam(): Seam | null {
    return this.#seam;
  }

  /** Goes over `count` of the opaque bytes. */
  skip(count: number): void {
    this.#seam = null;
    this.#position += count;
    this.#opaque -= count;
    if (this.#opaque === 0) this.#endContents();
  }

  read(byte: number): void {
    this.#seam = null;
    this.#position++;
    if (this.#state === 'preamble') this.#readPreamble(byte);
    else if (this.#state === 'id') {
      this.#id = byte;
      this.#size = 0;
      this.#sizeBytes = 0;
      this.#state = 'size';
    } else this.#readSize(byte);
  }

  #readPreamble(byte: number): void {
    const index = this.#preambleBytes++;
    const frame = this.#innermost();
    if (index < MAGIC.length && byte !== MAGIC[index]) return this.#giveUp();
    if (index === PREAMBLE_BYTES - 2) frame.layer = byte;
    if (index < PREAMBLE_BYTES - 1) return undefined;
    const isKnown = byte === 0 && (frame.layer === LAYER_MODULE || frame.layer === LAYER_COMPONENT);
    return isKnown ? this.#endContents() : this.#giveUp();
  }

  #readSize(byte: number): void {
    this.#size += (byte % 128) * 2 ** (7 * this.#sizeBytes++);
    if (byte < 128) return this.#size <= SIZE_MAX ? this.#startContents() : this.#giveUp();
    return this.#sizeBytes < SIZE_BYTES_MAX ? undefined : this.#giveUp();
  }

  #startContents(): void {
    const { end: outerEnd, layer } = this.#innermost();
    const end = this.#position + this.#size;
    if (end > outerEnd) return this.#giveUp();
    if (layer === LAYER_COMPONENT && SECTIONS_ENTERED.has(this.#id) && this.#frames.length < NESTING_MAX) {
      if (this.#size < PREAMBLE_BYTES) return this.#giveUp();
      this.#frames.push({ end, layer: LAYER_MODULE });
      this.#preambleBytes = 0;
      this.#state = 'preamble';
      return undefined;
    }
    const hasFineLength = this.#size >= FINE_CONTENTS_BYTES_MIN && this.#size <= FINE_CONTENTS_BYTES_MAX;
    this.#isFine = layer === LAYER_MODULE && this.#id === SECTION_DATA && hasFineLength;
    if (this.#isFine) this.#seam = 'contents';
    this.#opaque = this.#size;
    return this.#size === 0 ? this.#endContents() : undefined;
  }

  /** After a preamble, too: a section, or the end of what is entered, comes next. */
  #endContents(): void {
    this.#seam = this.#isFine ? 'contents' : 'section';
    this.#isFine = false;
    while (this.#innermost().end === this.#position) this.#frames.pop();
    this.#state = 'id';
  }

  #giveUp(): void {
    this.#opaque = Number.POSITIVE_INFINITY;
  }

  #innermost(): Frame {
    const frame = this.#frames.at(-1);
    if (frame === undefined) throw new TypeError('the outermost frame has no end');
    return frame;
  }
}
