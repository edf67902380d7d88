import { canonicalJson, type PlainJson } from './canonical-json.ts';
import type { OciDescriptor } from './manifest.ts';
import { OCI_MEDIA_TYPE } from './media-types.ts';

/** A manifest in a list of referrers. */
export type ListedManifest = Omit<OciDescriptor, 'isForeign'>;

/** The answer of the list of referrers: an image index (spec/oci.md 7.1). */
export function referrersIndex(manifests: readonly ListedManifest[]): Uint8Array {
  return canonicalJson({
    schemaVersion: 2,
    mediaType: OCI_MEDIA_TYPE.index,
    manifests: manifests.map(descriptorJson),
  });
}

/** A descriptor as a document has it. */
export function descriptorJson({ mediaType, digest, size, artifactType, annotations }: ListedManifest): PlainJson {
  return {
    mediaType,
    digest,
    size,
    artifactType: artifactType ?? undefined,
    annotations: annotations ?? undefined,
  };
}
