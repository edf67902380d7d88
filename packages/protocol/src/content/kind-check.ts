import { RegistryError } from '../errors.ts';
import type { PackageName } from '../names/package-name.ts';
import type { VersionText } from '../names/version.ts';
import { KeptBytes } from './kept-bytes.ts';
import { CONTENT_KINDS, type ClaimedKind, type ContentKind } from './kind.ts';
import { decodeTreeIndex, TREE_INDEX_BYTES_MAX } from './tree/tree-index.ts';
import { treeError } from './tree/tree-path.ts';
import { WasmScanner, type WasmKind } from './wasm.ts';
import { witPackageName } from './wit/identity.ts';
import { kindsOfBytes, type SaidKinds } from './wit/kinds-of-bytes.ts';
import { WIT_PACKAGE_BYTES_MAX, type WitPackageId } from './wit/model.ts';

/** Holds a stream of bytes against the kind that they are claimed to be. */
export interface KindCheck {
  /** Throws `content/policy`, `content/tree`. */
  update(chunk: Uint8Array): void;
  /** After the last byte. Throws as {@link update}. */
  finish(): void;
}

/** A package in a version, which content can say of itself. */
export interface ReleaseName {
  readonly name: PackageName;
  readonly version: VersionText;
}

/** What content is asked to be. */
export interface KindDemand {
  readonly kind: ClaimedKind;
  /** What it may not contradict; `null` where its kind says nothing of it, and where nobody asks. */
  readonly release: ReleaseName | null;
}

/** What a check does with the bytes of a kind. */
interface CheckRow {
  readonly start: (demand: KindDemand) => KindCheck;
  /** Whether content of the kind says which release it is: spec/content.md 3.5. */
  readonly saysRelease: boolean;
  /** Bytes that it keeps until it is done, at most; it keeps nothing of more. */
  readonly keptBytesMax: number;
}

const scanning: CheckRow = { start: ({ kind }) => new LayerCheck(kind), saysRelease: false, keptBytesMax: 0 };
const reading: CheckRow = {
  start: (demand) => new WasmKindCheck(demand),
  saysRelease: false,
  keptBytesMax: WIT_PACKAGE_BYTES_MAX,
};

const CHECKS: Readonly<Record<ClaimedKind, CheckRow>> = {
  wasm: scanning,
  module: scanning,
  component: reading,
  interface: { ...reading, saysRelease: true },
  profile: { ...reading, saysRelease: true },
  tree: { start: () => new TreeIndexCheck(), saysRelease: false, keptBytesMax: TREE_INDEX_BYTES_MAX },
  other: { start: () => NO_CHECK, saysRelease: false, keptBytesMax: 0 },
};

/** What a kind, claimed in a release, asks of the bytes; `null` for content that no release names by itself. */
export function kindDemand(kind: ClaimedKind, release: ReleaseName | null): KindDemand {
  return { kind, release: CHECKS[kind].saysRelease ? release : null };
}

/** The check of what is asked. */
export function kindCheckOf(demand: KindDemand): KindCheck {
  return CHECKS[demand.kind].start(demand);
}

/**
 * Holds what a WIT package says of itself against the release that it is published as (spec/content.md 3.5). Throws
 * `content/policy`.
 */
export function requireReleaseName(said: WitPackageId, { name, version }: ReleaseName): void {
  const isNamed = `${said.namespace}:${said.name}` === name;
  if (isNamed && (said.version === null || said.version === version)) return;
  const message = `content says that it is the WIT package ${witPackageName(said)}, and its release is ${name}@${version}`;
  throw new RegistryError('content/policy', message);
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
  readonly #demand: KindDemand;
  readonly #layer: LayerCheck;
  readonly #kept = new KeptBytes(WIT_PACKAGE_BYTES_MAX);

  constructor(demand: KindDemand) {
    this.#demand = demand;
    this.#layer = new LayerCheck(demand.kind);
  }

  update(chunk: Uint8Array): void {
    this.#layer.update(chunk);
    this.#kept.add(chunk);
  }

  finish(): void {
    this.#layer.finish();
    const bytes = this.#kept.take();
    const { kind, release } = this.#demand;
    const { kinds, packageId } = bytes === null ? LARGE : kindsOfBytes(bytes);
    if (!kinds.some((found) => found === kind)) throw notClaimed(kind, kinds[0] ?? 'other');
    if (packageId !== null && release !== null) requireReleaseName(packageId, release);
  }
}

/** More bytes than a WIT package has. */
const LARGE: SaidKinds = { kinds: ['component'], packageId: null };

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

function notClaimed(kind: ClaimedKind, found: ContentKind): RegistryError {
  const message = `content is claimed to be ${CONTENT_KINDS[kind].title}, and is ${CONTENT_KINDS[found].title}`;
  return new RegistryError('content/policy', message);
}
