import { RegistryError } from '../errors.ts';

/** What WebAssembly is by its first bytes. */
export type WasmKind = 'module' | 'component';

const PREAMBLE_BYTES = 8;
const MAGIC = [0x00, 0x61, 0x73, 0x6d];
/** Version and layer, the second half of the preamble. */
const LAYER_KIND: ReadonlyMap<number, WasmKind> = new Map([
  [0, 'module'],
  [1, 'component'],
]);
const SECTION_SIZE_BYTES_MAX = 5;

/** Is told of the outermost sections while they pass. */
export interface SectionListener {
  section(id: number, size: number): void;
  /** Contents of the section that was told last, or a part of them. Valid until the call returns. */
  contents(part: Uint8Array): void;
}

/**
 * Checks a stream of bytes against the content policy: the preamble is `\0asm` with layer 0 or 1, and sections tile the
 * rest exactly (spec/content.md). Unknown section ids, types and versions pass. Constant memory.
 */
export class WasmScanner {
  readonly #preamble: number[] = [];
  #skip = 0;
  #state: 'preamble' | 'id' | 'size' = 'preamble';
  #size = 0;
  #sizeBytes = 0;
  #kind: WasmKind | null = null;
  #id = 0;
  readonly #listener: SectionListener | null;

  constructor(listener: SectionListener | null = null) {
    this.#listener = listener;
  }

  /** Of the preamble, once it has passed. */
  get version(): number {
    return (this.#preamble[4] ?? 0) + (this.#preamble[5] ?? 0) * 256;
  }

  /** Throws `content/policy`. */
  update(chunk: Uint8Array): void {
    let offset = 0;
    while (offset < chunk.length) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, chunk.length - offset);
        this.#listener?.contents(chunk.subarray(offset, offset + skipped));
        this.#skip -= skipped;
        offset += skipped;
        continue;
      }
      this.#step(chunk[offset++] ?? 0);
    }
  }

  /** After the last byte. Throws `content/policy`. */
  finish(): WasmKind {
    if (this.#kind === null || this.#state !== 'id' || this.#skip > 0)
      throw refused('it ends in the middle of a section');
    return this.#kind;
  }

  #step(byte: number): void {
    switch (this.#state) {
      case 'preamble':
        this.#preambleByte(byte);
        break;
      case 'id':
        this.#id = byte;
        this.#state = 'size';
        this.#size = 0;
        this.#sizeBytes = 0;
        break;
      case 'size':
        this.#sizeByte(byte);
        break;
    }
  }

  #preambleByte(byte: number): void {
    const position = this.#preamble.push(byte) - 1;
    if (position < MAGIC.length && byte !== MAGIC[position]) throw refused('it does not start with \\0asm');
    if (position < PREAMBLE_BYTES - 1) return;
    const layer = (this.#preamble[6] ?? 0) + (this.#preamble[7] ?? 0) * 256;
    const kind = LAYER_KIND.get(layer);
    if (kind === undefined) throw refused(`its layer is ${layer}`);
    this.#kind = kind;
    this.#state = 'id';
  }

  #sizeByte(byte: number): void {
    this.#size += (byte % 128) * 2 ** (7 * this.#sizeBytes++);
    if (byte >= 0x80) {
      if (this.#sizeBytes >= SECTION_SIZE_BYTES_MAX) throw refused('a section size is over five bytes');
      return;
    }
    if (this.#size > 0xffff_ffff) throw refused('a section size is over 32 bits');
    this.#skip = this.#size;
    this.#listener?.section(this.#id, this.#size);
    this.#state = 'id';
  }
}

function refused(why: string): RegistryError {
  return new RegistryError('content/policy', `content is not valid WebAssembly: ${why}`);
}
