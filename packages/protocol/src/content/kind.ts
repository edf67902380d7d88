import type { WasmKind } from './wasm.ts';

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
