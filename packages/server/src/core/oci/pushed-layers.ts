import {
  digestOf,
  isRegistryError,
  parseJson,
  parseDigest,
  parsePackageName,
  type Digest,
  type JsonValue,
  type PackageName,
  type VersionText,
} from '@waybill/protocol';
import { encodeTreeIndex } from '@waybill/protocol/content';
import { algorithmOf, OCI_MEDIA_TYPE, type OciDescriptor, type ReadManifest } from '@waybill/protocol/oci';
import { asManifest, refused } from './pushed-content.ts';

/** What a manifest brings for a release. */
export type PushedLayers =
  | { readonly sort: 'file'; readonly content: Digest; readonly size: number }
  | { readonly sort: 'tree'; readonly content: Digest; readonly index: Uint8Array; readonly mediaType: string };

export const TREE_MEDIA_TYPE: string = OCI_MEDIA_TYPE.tree;

const TITLE = 'org.opencontainers.image.title';
const VERSION = 'org.opencontainers.image.version';

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

/** Throws `oci/manifest` where labels contradict the release (SECURITY.md O8). The signed record is what holds; nobody shall be misled beside it. */
export function requireLabelsAgree(
  { annotations, layers }: ReadManifest,
  config: Uint8Array | null,
  { name, versions }: { readonly name: PackageName; readonly versions: readonly VersionText[] },
): void {
  const labelled = [annotations, labelsOf(config)];
  for (const labels of [...labelled, ...layers.map((layer) => layer.annotations)]) {
    const version = labels?.[VERSION];
    if (version === undefined || versions.some((one) => one === version)) continue;
    throw refused(`it says that it is of version ${shown(version)}, and its tag is ${versions.join(', ')}`);
  }
  // The title of a layer is the name of a file.
  for (const labels of labelled) {
    const title = packageNameOf(labels?.[TITLE]);
    if (title !== null && title !== name) throw refused(`it says that it is ${title}, and its repository is ${name}`);
  }
  const listed = readConfig(config)?.['layerDigests'];
  if (!Array.isArray(listed) || listed.length === 0) return;
  const digests: readonly string[] = layers.map(({ digest }) => digest);
  if (listed.length === digests.length && listed.every((digest, i) => digest === digests[i])) return;
  throw refused('its config lists other layers than it has');
}

/** Only a title of that form is a claim to be a package: others are for people. */
function packageNameOf(title: string | undefined): PackageName | null {
  if (title === undefined) return null;
  try {
    return parsePackageName(title);
  } catch {
    return null;
  }
}

type Labels = Readonly<Record<string, string | undefined>>;

function labelsOf(config: Uint8Array | null): Labels | null {
  const labels = membersOf(membersOf(readConfig(config)?.['config'])?.['Labels']);
  if (labels === null) return null;
  const texts = Object.entries(labels).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  return Object.fromEntries(texts);
}

/** What is no JSON object says nothing. */
function readConfig(config: Uint8Array | null): Members | null {
  if (config === null) return null;
  try {
    return membersOf(parseJson(config));
  } catch (failure) {
    if (isRegistryError(failure, 'wire/json')) return null;
    throw failure;
  }
}

type Members = Readonly<Record<string, JsonValue>>;

function membersOf(value: JsonValue | undefined): Members | null {
  return value === undefined || value === null || typeof value !== 'object' || Array.isArray(value)
    ? null
    : { ...value };
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}
