import { digestOf, parseDigest, type Digest } from '@waybill/protocol';
import { encodeTreeIndex } from '@waybill/protocol/content';
import { algorithmOf, OCI_MEDIA_TYPE, type OciDescriptor, type ReadManifest } from '@waybill/protocol/oci';
import { asManifest, refused } from './pushed-content.ts';

/** What a manifest brings for a release. */
export type PushedLayers =
  | { readonly sort: 'file'; readonly content: Digest; readonly size: number }
  | { readonly sort: 'tree'; readonly content: Digest; readonly index: Uint8Array; readonly mediaType: string };

export const TREE_MEDIA_TYPE: string = OCI_MEDIA_TYPE.tree;

const TITLE = 'org.opencontainers.image.title';

/** spec/oci.md 6: one layer is the content; of several each is a file of a tree. Throws `oci/manifest`. */
export function layersOf({ sort, layers }: ReadManifest): PushedLayers {
  if (sort === 'index') throw refused('an index of manifests is no release: push a manifest with one layer');
  const digests = layers.map(digestOfLayer);
  const [first] = layers;
  const [only] = digests;
  if (first === undefined || only === undefined) throw refused('it has no layer, and a release is its layer');
  if (layers.length === 1) return { sort: 'file', content: only, size: first.size };
  const files = layers.map(({ annotations }, i) => {
    const path = annotations?.[TITLE];
    if (path === undefined) {
      throw refused(
        `layer ${i + 1} of ${layers.length} has no title: of several layers each is a file, named by ${TITLE}`,
      );
    }
    return { path, digest: digests[i] ?? only };
  });
  const index = asManifest(() => encodeTreeIndex(files));
  return { sort: 'tree', content: digestOf(index), index, mediaType: TREE_MEDIA_TYPE };
}

function digestOfLayer({ digest, isForeign, mediaType }: OciDescriptor): Digest {
  if (isForeign) throw refused(`the bytes of a layer of type ${mediaType} lie elsewhere, and a release has its own`);
  if (algorithmOf(digest) === 'sha256') return parseDigest(digest);
  throw refused(
    `the layer ${digest.slice(0, 20)}… is named by sha512, and the log names content by sha256: push it by that`,
  );
}
