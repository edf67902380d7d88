import { joinBytes } from '../bytes/byte-array.ts';
import { isRegistryError } from '../errors.ts';
import { WasmScanner, type WasmKind } from '../content/wasm.ts';
import { COMPONENT_VERSION, SECTION_ID } from './outline-grammar.ts';
import { NO_NAMES, outlineNames, type OutlineNames } from './outline-names.ts';

/** Bytes of the sections that are kept, and of content that may be a WIT package; and how many sections. */
const KEPT_BYTES_MAX = 4 * 1024 * 1024;
const KEPT_SECTIONS_MAX = 10_000;

/** What format 1 says of WebAssembly: no names for a module, and where something in the content is damaged, too much or unknown. */
export interface ReleaseOutline extends OutlineNames {
  readonly layer: WasmKind;
}

/**
 * Reads content as it streams by, for the manifest that a release stands for (spec/oci.md 5.5 to 5.7). FROZEN: the digests of
 * those manifests have been given away.
 */
export class ReleaseOutlineReader {
  readonly #keeps: ReadonlySet<number>;
  readonly #kept: { readonly id: number; readonly parts: Uint8Array[] }[] = [];
  #keptBytes = 0;
  #isKeeping = false;
  #isTooMuch = false;
  #isWasm = true;
  readonly #scanner: WasmScanner = new WasmScanner({
    section: (id) => this.#open(id),
    contents: (part) => this.#keep(part),
  });

  /** @param size - Of the whole content. */
  constructor(size: number) {
    const { import: imports, export: exports, type, alias } = SECTION_ID;
    this.#keeps = new Set(size <= KEPT_BYTES_MAX ? [imports, exports, type, alias] : [imports, exports]);
  }

  update(chunk: Uint8Array): void {
    if (this.#isWasm) this.#isWasm = readOr(false, () => (this.#scanner.update(chunk), true));
  }

  /** After the last byte: `null` for what is no WebAssembly (spec/content.md 1). */
  finish(): ReleaseOutline | null {
    const layer = this.#isWasm ? readOr(null, () => this.#scanner.finish()) : null;
    if (layer === null) return null;
    const isRead = layer === 'component' && this.#scanner.version === COMPONENT_VERSION && !this.#isTooMuch;
    const sections = this.#kept.map(({ id, parts }) => ({ id, bytes: joinBytes(parts) }));
    return { layer, ...(isRead ? readOr(NO_NAMES, () => outlineNames(sections)) : NO_NAMES) };
  }

  #open(id: number): void {
    this.#isKeeping = this.#keeps.has(id) && !this.#isTooMuch;
    if (!this.#isKeeping) return;
    this.#kept.push({ id, parts: [] });
    if (this.#kept.length > KEPT_SECTIONS_MAX) this.#giveUp();
  }

  #keep(part: Uint8Array): void {
    if (!this.#isKeeping) return;
    this.#keptBytes += part.length;
    this.#kept.at(-1)?.parts.push(part.slice());
    if (this.#keptBytes > KEPT_BYTES_MAX) this.#giveUp();
  }

  #giveUp(): void {
    this.#isTooMuch = true;
    this.#isKeeping = false;
    this.#kept.length = 0;
  }
}

/** `otherwise` where the content is refused. */
function readOr<T, U>(otherwise: U, read: () => T): T | U {
  try {
    return read();
  } catch (failure) {
    if (isRegistryError(failure, 'content/policy', 'content/malformed')) return otherwise;
    throw failure;
  }
}
