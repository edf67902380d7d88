import { utf8 } from '../bytes/byte-array.ts';
import { digestOf, type Digest } from '../names/digest.ts';
import type { PackageName } from '../names/package-name.ts';
import type { Timestamp } from '../names/timestamp.ts';
import type { VersionText } from '../names/version.ts';
import { canonicalJson, type PlainJson } from './canonical-json.ts';
import { MANIFEST_BYTES_MAX } from './manifest.ts';
import { OCI_MEDIA_TYPE } from './media-types.ts';
import type { ReleaseOutline } from './release-outline.ts';

/** The configuration of what has none. */
export const EMPTY_CONFIG: Uint8Array = utf8('{}');

/** What the content of a release is, as far as its manifest says it. */
export type ReleaseContent =
  /** Claimed to be WebAssembly, or nothing, and WebAssembly by its bytes (`ReleaseOutlineReader`). */
  | { readonly type: 'wasm'; readonly outline: ReleaseOutline }
  /** Claimed to be a tree: its files in the order of the index. */
  | { readonly type: 'tree'; readonly files: readonly ReleaseFile[] }
  /** Whatever else; with the media type that the release claims. */
  | { readonly type: 'other'; readonly mediaType: string | null };

export interface ReleaseFile {
  readonly path: string;
  readonly digest: Digest;
  readonly size: number;
}

/** All that format 1 depends on (spec/oci.md 5.1). */
export interface ReleaseFacts {
  readonly name: PackageName;
  readonly version: VersionText;
  /** Of the content; of a tree's index. */
  readonly digest: Digest;
  readonly size: number;
  /** Of the record that released it. */
  readonly recordTime: Timestamp;
  readonly content: ReleaseContent;
}

/** A manifest and its configuration, byte for byte. */
export interface ReleaseManifest {
  readonly manifest: Uint8Array;
  readonly manifestDigest: Digest;
  readonly config: Uint8Array;
  readonly configDigest: Digest;
  /** The configuration's. */
  readonly configMediaType: string;
}

/**
 * The manifest that a release stands for, in format 1: the same bytes wherever it is built (spec/oci.md 5). FROZEN, with
 * everything that it calls.
 */
export function releaseManifest(facts: ReleaseFacts): ReleaseManifest {
  const { content } = facts;
  const parts = partsOf(facts, content);
  const built = documentsOf(facts, parts);
  if (content.type !== 'tree' || built.manifest.length <= MANIFEST_BYTES_MAX) return built;
  return documentsOf(facts, { ...parts, layers: [indexLayer(facts)] });
}

interface Layer {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly title: string;
}

interface Parts {
  /** `null` where the configuration says it. */
  readonly artifactType: string | null;
  readonly config: Uint8Array;
  readonly configMediaType: string;
  readonly layers: readonly Layer[];
}

const EMPTY: Pick<Parts, 'config' | 'configMediaType'> = {
  config: EMPTY_CONFIG,
  configMediaType: OCI_MEDIA_TYPE.empty,
};

function partsOf(facts: ReleaseFacts, content: ReleaseContent): Parts {
  const { digest, size } = facts;
  const label = facts.name.slice(facts.name.indexOf(':') + 1);
  switch (content.type) {
    case 'wasm':
      return {
        artifactType: null,
        config: wasmConfig(facts, content.outline),
        configMediaType: OCI_MEDIA_TYPE.wasmConfig,
        layers: [{ mediaType: OCI_MEDIA_TYPE.wasm, digest, size, title: `${label}.wasm` }],
      };
    case 'tree':
      return { ...EMPTY, artifactType: OCI_MEDIA_TYPE.tree, layers: content.files.map(fileLayer) };
    case 'other':
      return {
        ...EMPTY,
        artifactType: content.mediaType ?? OCI_MEDIA_TYPE.bytes,
        layers: [{ mediaType: OCI_MEDIA_TYPE.bytes, digest, size, title: label }],
      };
  }
}

function fileLayer({ path, digest, size }: ReleaseFile): Layer {
  return { mediaType: path.endsWith('.wasm') ? OCI_MEDIA_TYPE.wasm : OCI_MEDIA_TYPE.bytes, digest, size, title: path };
}

/** In place of the files of a tree that are too many for a manifest. */
function indexLayer({ name, digest, size }: ReleaseFacts): Layer {
  return { mediaType: OCI_MEDIA_TYPE.tree, digest, size, title: `${name.slice(name.indexOf(':') + 1)}.tree` };
}

function wasmConfig({ digest, recordTime }: ReleaseFacts, { layer, imports, exports }: ReleaseOutline): Uint8Array {
  const isComponent = layer === 'component';
  return canonicalJson({
    created: createdAt(recordTime),
    architecture: 'wasm',
    os: isComponent ? 'wasip2' : 'wasip1',
    layerDigests: [digest],
    component: isComponent ? { imports, exports } : undefined,
  });
}

function documentsOf({ name, version, recordTime }: ReleaseFacts, parts: Parts): ReleaseManifest {
  const { artifactType, config, configMediaType, layers } = parts;
  const configDigest = digestOf(config);
  const manifest = canonicalJson({
    schemaVersion: 2,
    mediaType: OCI_MEDIA_TYPE.manifest,
    artifactType: artifactType ?? undefined,
    config: { mediaType: configMediaType, digest: configDigest, size: config.length },
    layers: layers.map(layerJson),
    annotations: {
      'dev.waybill.package': name,
      'org.opencontainers.image.created': createdAt(recordTime),
      'org.opencontainers.image.version': version,
    },
  });
  return { manifest, manifestDigest: digestOf(manifest), config, configDigest, configMediaType };
}

function layerJson({ mediaType, digest, size, title }: Layer): PlainJson {
  return { mediaType, digest, size, annotations: { 'org.opencontainers.image.title': title } };
}

const YEAR_10000_SECONDS = 253_402_300_800n;

/** Whole seconds of a time between 1970 and the year 9999; else the start of 1970. */
function createdAt({ seconds }: Timestamp): string {
  const isWritable = seconds >= 0n && seconds < YEAR_10000_SECONDS;
  return new Date(isWritable ? Number(seconds) * 1000 : 0).toISOString().replace('.000Z', 'Z');
}
