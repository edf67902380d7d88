/** Media types that this view reads or writes (spec/oci.md 3 and 5). */
export const OCI_MEDIA_TYPE = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  empty: 'application/vnd.oci.empty.v1+json',
  wasmConfig: 'application/vnd.wasm.config.v0+json',
  wasm: 'application/wasm',
  bytes: 'application/octet-stream',
  tree: 'application/vnd.waybill.tree.v1',
  logProof: 'application/vnd.waybill.log-proof.v1+json',
  annotation: 'application/vnd.waybill.annotation.v1+json',
} as const;

/** What a manifest can be, by its media type. */
export type ManifestSort = 'image' | 'index';

const SORTS: ReadonlyMap<string, ManifestSort> = new Map([
  [OCI_MEDIA_TYPE.manifest, 'image'],
  [OCI_MEDIA_TYPE.index, 'index'],
  ['application/vnd.docker.distribution.manifest.v2+json', 'image'],
  ['application/vnd.docker.distribution.manifest.list.v2+json', 'index'],
]);

/** `null` for a media type that is no manifest's here. */
export function manifestSortOf(mediaType: string): ManifestSort | null {
  return SORTS.get(mediaType) ?? null;
}

/** For `Accept`: all that {@link manifestSortOf} knows. */
export const MANIFEST_MEDIA_TYPES: readonly string[] = [...SORTS.keys()];

/** Layers that lie elsewhere, by the will of who pushes: nobody misses or fetches them. */
const FOREIGN_LAYERS: ReadonlySet<string> = new Set([
  'application/vnd.oci.image.layer.nondistributable.v1.tar',
  'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
  'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd',
  'application/vnd.docker.image.rootfs.foreign.diff.tar',
  'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
]);

export function isForeignLayer(mediaType: string): boolean {
  return FOREIGN_LAYERS.has(mediaType);
}
