import { RegistryError } from '../errors.ts';
import { WasmScanner, type WasmKind } from './wasm.ts';

/** What a package can be. */
export type ContentKind = 'component' | 'interface' | 'profile' | 'module' | 'tree' | 'other';

/** What a release can say that its content is: a kind, or WebAssembly of whichever kind its bytes are. */
export type ClaimedKind = ContentKind | 'wasm';

/** A row of spec/content.md 3.1. */
export interface ContentKindRow {
  /** `null` for every media type that no other row has. */
  readonly mediaType: string | null;
  /** What the preamble may say; `null` where the content is no WebAssembly. */
  readonly layers: readonly WasmKind[] | null;
  /** For a person: what the content is. */
  readonly title: string;
}

export const CONTENT_KINDS: Readonly<Record<ClaimedKind, ContentKindRow>> = {
  wasm: { mediaType: 'application/wasm', layers: ['module', 'component'], title: 'WebAssembly' },
  component: {
    mediaType: 'application/vnd.waybill.component.v1+wasm',
    layers: ['component'],
    title: 'a component',
  },
  interface: {
    mediaType: 'application/vnd.waybill.interface.v1+wasm',
    layers: ['component'],
    title: 'a WIT package',
  },
  profile: {
    mediaType: 'application/vnd.waybill.profile.v1+wasm',
    layers: ['component'],
    title: 'a WIT package of a world',
  },
  module: { mediaType: 'application/vnd.waybill.module.v1+wasm', layers: ['module'], title: 'a core module' },
  tree: { mediaType: 'application/vnd.waybill.tree.v1', layers: null, title: 'a tree of files' },
  other: { mediaType: null, layers: null, title: 'content of another kind' },
};

const BY_MEDIA_TYPE: ReadonlyMap<string, ClaimedKind> = new Map(
  claimedKinds().flatMap((kind) => {
    const { mediaType } = CONTENT_KINDS[kind];
    return mediaType === null ? [] : [[mediaType, kind] as const];
  }),
);

function claimedKinds(): ClaimedKind[] {
  return ['wasm', 'component', 'interface', 'profile', 'module', 'tree', 'other'];
}

/** The kind that a release claims by its media type; `null`, as in version 0, claims WebAssembly. */
export function claimedKindOf(mediaType: string | null): ClaimedKind {
  return mediaType === null ? 'wasm' : (BY_MEDIA_TYPE.get(mediaType) ?? 'other');
}

/** Holds a stream of bytes against the kind that they are claimed to be. */
export interface KindCheck {
  /** Throws `content/policy`, `content/tree`. */
  update(chunk: Uint8Array): void;
  /** After the last byte. Throws as {@link update}. */
  finish(): void;
}

/** The check of a kind of WebAssembly: by its preamble and the lengths of its sections (spec/content.md 3.4). */
export class WasmKindCheck implements KindCheck {
  readonly #kind: ClaimedKind;
  readonly #scanner = new WasmScanner();

  constructor(kind: ClaimedKind) {
    this.#kind = kind;
  }

  update(chunk: Uint8Array): void {
    this.#scanner.update(chunk);
  }

  finish(): void {
    const found = this.#scanner.finish();
    const { layers, title } = CONTENT_KINDS[this.#kind];
    if (layers?.includes(found) === true) return;
    throw new RegistryError(
      'content/policy',
      `content is claimed to be ${title}, and is ${found === 'module' ? 'a core module' : 'no core module'}`,
    );
  }
}
