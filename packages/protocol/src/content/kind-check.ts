import { joinBytes } from '../bytes/byte-array.ts';
import { RegistryError } from '../errors.ts';
import { CONTENT_KINDS, type ClaimedKind, type ContentKind } from './kind.ts';
import { decodeTreeIndex, TREE_INDEX_BYTES_MAX } from './tree/tree-index.ts';
import { treeError } from './tree/tree-path.ts';
import { WasmScanner, type WasmKind } from './wasm.ts';
import { kindsOfBytes } from './wit/kinds-of-bytes.ts';

/** Bytes of a WIT package; a larger component is none (spec/content.md 3.4). */
export const WIT_PACKAGE_BYTES_MAX = 4 * 1024 * 1024;

/** Holds a stream of bytes against the kind that they are claimed to be. */
export interface KindCheck {
  /** Throws `content/policy`, `content/tree`. */
  update(chunk: Uint8Array): void;
  /** After the last byte. Throws as {@link update}. */
  finish(): void;
}

/** What a check does with the bytes of a kind. */
interface CheckRow {
  readonly start: (kind: ClaimedKind) => KindCheck;
  /** Bytes that it keeps until it is done, at most; it keeps nothing of more. */
  readonly keptBytesMax: number;
}

const scanning: CheckRow = { start: (kind) => new LayerCheck(kind), keptBytesMax: 0 };
const reading: CheckRow = { start: (kind) => new WasmKindCheck(kind), keptBytesMax: WIT_PACKAGE_BYTES_MAX };

const CHECKS: Readonly<Record<ClaimedKind, CheckRow>> = {
  wasm: scanning,
  module: scanning,
  component: reading,
  interface: reading,
  profile: reading,
  tree: { start: () => new TreeIndexCheck(), keptBytesMax: TREE_INDEX_BYTES_MAX },
  other: { start: () => NO_CHECK, keptBytesMax: 0 },
};

/** The check of a kind. */
export function kindCheckOf(kind: ClaimedKind): KindCheck {
  return CHECKS[kind].start(kind);
}

/** Bytes that the check of so many holds in memory; `null`: nobody has said how many there are. */
export function bytesKeptByCheck(kind: ClaimedKind, size: number | null): number {
  const { keptBytesMax } = CHECKS[kind];
  if (size === null) return keptBytesMax;
  return size > keptBytesMax ? 0 : size;
}

const NO_CHECK: KindCheck = { update: () => undefined, finish: () => undefined };

/** By the preamble and the lengths of the sections. */
class LayerCheck implements KindCheck {
  readonly #kind: ClaimedKind;
  readonly #scanner = new WasmScanner();

  constructor(kind: ClaimedKind) {
    this.#kind = kind;
  }

  update(chunk: Uint8Array): void {
    this.#scanner.update(chunk);
  }

  finish(): void {
    const found: WasmKind = this.#scanner.finish();
    if (CONTENT_KINDS[this.#kind].layers?.includes(found) !== true) throw notClaimed(this.#kind, found);
  }
}

/** A component and a WIT package have one layer: they are read. */
class WasmKindCheck implements KindCheck {
  readonly #kind: ClaimedKind;
  readonly #layer: LayerCheck;
  readonly #kept = new KeptBytes(WIT_PACKAGE_BYTES_MAX);

  constructor(kind: ClaimedKind) {
    this.#kind = kind;
    this.#layer = new LayerCheck(kind);
  }

  update(chunk: Uint8Array): void {
    this.#layer.update(chunk);
    this.#kept.add(chunk);
  }

  finish(): void {
    this.#layer.finish();
    const bytes = this.#kept.take();
    const found: readonly ContentKind[] = bytes === null ? ['component'] : kindsOfBytes(bytes);
    if (!found.some((kind) => kind === this.#kind)) throw notClaimed(this.#kind, found[0] ?? 'other');
  }
}

class TreeIndexCheck implements KindCheck {
  readonly #kept = new KeptBytes(TREE_INDEX_BYTES_MAX);

  update(chunk: Uint8Array): void {
    this.#kept.add(chunk);
  }

  finish(): void {
    const index = this.#kept.take();
    if (index === null) throw treeError(`the index is over ${TREE_INDEX_BYTES_MAX} bytes`);
    decodeTreeIndex(index);
  }
}

/** Bytes up to a limit; of more, nothing. */
class KeptBytes {
  readonly #limit: number;
  #chunks: Uint8Array[] = [];
  #size = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(chunk: Uint8Array): void {
    this.#size += chunk.length;
    if (this.#size <= this.#limit) this.#chunks.push(chunk.slice());
    else this.#chunks = [];
  }

  /** `null` when there were more. */
  take(): Uint8Array | null {
    return this.#size > this.#limit ? null : joinBytes(this.#chunks);
  }
}

function notClaimed(kind: ClaimedKind, found: ContentKind): RegistryError {
  const message = `content is claimed to be ${CONTENT_KINDS[kind].title}, and is ${CONTENT_KINDS[found].title}`;
  return new RegistryError('content/policy', message);
}
