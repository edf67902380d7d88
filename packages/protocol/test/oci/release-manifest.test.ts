import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { decodeHex } from '../../src/bytes/hex.ts';
import { claimedKindOf } from '../../src/content/kind.ts';
import { digestOf, parseDigest } from '../../src/names/digest.ts';
import { parsePackageName } from '../../src/names/package-name.ts';
import { parseVersion } from '../../src/names/version.ts';
import { MANIFEST_BYTES_MAX, readManifest } from '../../src/oci/manifest.ts';
import { OCI_MEDIA_TYPE } from '../../src/oci/media-types.ts';
import { releaseManifest, type ReleaseContent, type ReleaseFacts } from '../../src/oci/release-manifest.ts';
import { ReleaseOutlineReader, type ReleaseOutline } from '../../src/oci/release-outline.ts';
import { component, exported, exportSection, section, SORT, type, typeSection } from '../content/wasm-bytes.ts';
import { SAMPLES } from '../content/wasm-samples.ts';
import { readVectors } from './vector-cases.ts';

/** Content in hex, with the media type that its release claims; or the files of a tree. */
interface ReleaseCase {
  readonly name: string;
  readonly clause: string;
  readonly package: string;
  readonly version: string;
  readonly seconds: string;
  readonly content?: string;
  readonly mediaType?: string | null;
  readonly files?: readonly { readonly path: string; readonly digest: string; readonly size: number }[];
  readonly manifest: string;
  readonly manifestDigest: string;
  readonly config: string;
  readonly configDigest: string;
}

const { releases: CASES }: { readonly releases: readonly ReleaseCase[] } = JSON.parse(
  readVectors('release-manifest.json'),
);

function outlineOf(bytes: Uint8Array, chunkBytes = bytes.length): ReleaseOutline | null {
  const reader = new ReleaseOutlineReader(bytes.length);
  for (let at = 0; at < bytes.length; at += chunkBytes) reader.update(bytes.subarray(at, at + chunkBytes));
  return reader.finish();
}

function contentOf({ content = '', files, mediaType = null }: ReleaseCase): ReleaseContent {
  if (files !== undefined)
    return { type: 'tree', files: files.map((file) => ({ ...file, digest: parseDigest(file.digest) })) };
  const outline = claimedKindOf(mediaType) === 'other' ? null : outlineOf(decodeHex(content));
  return outline === null ? { type: 'other', mediaType } : { type: 'wasm', outline };
}

function factsOf(one: ReleaseCase): ReleaseFacts {
  const bytes = decodeHex(one.content ?? '');
  return {
    name: parsePackageName(one.package),
    version: parseVersion(one.version),
    digest: digestOf(bytes),
    size: bytes.length,
    recordTime: { seconds: BigInt(one.seconds), nanos: 999_999_999 },
    content: contentOf(one),
  };
}

function sha256(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}

test('vectors of OCI: the manifest and configuration that a release stands for, byte for byte', () => {
  for (const one of CASES) {
    const built = releaseManifest(factsOf(one));
    const texts = {
      config: new TextDecoder().decode(built.config),
      manifest: new TextDecoder().decode(built.manifest),
    };
    assert.deepEqual(texts, { config: one.config, manifest: one.manifest }, `${one.clause}: ${one.name}`);
    assert.equal(built.configDigest, sha256(one.config), one.name);
    assert.equal(built.manifestDigest, sha256(one.manifest), one.name);
    assert.equal(built.configDigest, one.configDigest, one.name);
    assert.equal(built.manifestDigest, one.manifestDigest, one.name);
  }
});

test('a manifest that a release stands for is read back with its configuration and layers', () => {
  for (const one of CASES) {
    const facts = factsOf(one);
    const built = releaseManifest(facts);
    const read = readManifest(built.manifest, OCI_MEDIA_TYPE.manifest);
    assert.equal(read.config?.digest, built.configDigest);
    assert.equal(read.config.mediaType, built.configMediaType);
    const contents = one.files ?? [{ digest: facts.digest, size: facts.size }];
    assert.deepEqual(
      read.layers.map(({ digest, size }) => ({ digest, size })),
      contents.map(({ digest, size }) => ({ digest, size })),
    );
  }
});

test('content is read the same in chunks of any size', () => {
  const contents = [
    ...Object.values(SAMPLES).map((make) => make()),
    ...CASES.map((one) => decodeHex(one.content ?? '')),
  ];
  for (const bytes of contents) {
    const whole = outlineOf(bytes);
    for (const chunkBytes of [1, 2, 7, 64]) assert.deepEqual(outlineOf(bytes, chunkBytes), whole);
  }
});

test('oci 5.7: over its limits nothing is listed, and what is kept is bounded', () => {
  const names = (count: number, length: number): readonly Uint8Array[] =>
    Array.from({ length: count }, (_, i) => exported(`f${String(i).padStart(length - 1, '0')}`, SORT.function, 0));
  const listed = (content: Uint8Array): number | undefined => outlineOf(content)?.exports.length;
  assert.equal(listed(component(exportSection(...names(10_000, 6)))), 10_000);
  assert.equal(listed(component(exportSection(...names(10_001, 6)))), 0);
  assert.equal(listed(component(exportSection(...names(1_024, 1_024)))), 1_024);
  assert.equal(listed(component(exportSection(...names(1_024, 1_024), exported('x', SORT.function, 0)))), 0);
  const padded = (length: number): Uint8Array =>
    component(exportSection(exported('f', SORT.function, 0)), section(11, [0, ...new Uint8Array(length)]));
  const exportBytes = 1 + exported('f', SORT.function, 0).length;
  assert.equal(listed(padded(4 * 1024 * 1024 - exportBytes - 1)), 1);
  assert.equal(listed(padded(4 * 1024 * 1024 - exportBytes)), 0);
  const sections = (count: number): Uint8Array =>
    component(exportSection(exported('f', SORT.function, 0)), ...Array.from({ length: count }, () => section(11, [0])));
  assert.equal(listed(sections(9_999)), 1);
  assert.equal(listed(sections(10_000)), 0);
});

test('oci 5.6: content of more than 4 MiB is no WIT package', () => {
  const wit = (padding: number): Uint8Array =>
    component(
      typeSection(type.component([0x01, 0x42, 0x00], [0x04, 0x00, 3, 0x61, 0x3a, 0x62, 0x05, 0x00])),
      exportSection(exported('b', SORT.type, 0)),
      section(0, [1, 0x78, ...new Uint8Array(padding)]),
    );
  const room = 4 * 1024 * 1024 - wit(4 * 1024 * 1024 - 100).length;
  assert.deepEqual(outlineOf(wit(4 * 1024 * 1024 - 100 + room))?.exports, ['a:b']);
  assert.deepEqual(outlineOf(wit(4 * 1024 * 1024 - 100 + room + 1))?.exports, ['b']);
});

test('oci 5.8: a tree with too many files for a manifest stands for its index', () => {
  const one = CASES.find(({ files }) => files !== undefined);
  assert.ok(one !== undefined);
  const digest = digestOf(new Uint8Array());
  const file = (i: number): { path: string; digest: typeof digest; size: number } => ({
    path: `${String(i).padStart(5, '0')}${'/a'.repeat(100)}`,
    digest,
    size: 0,
  });
  const manifestOf = (count: number): Uint8Array =>
    releaseManifest({
      ...factsOf(one),
      content: { type: 'tree', files: Array.from({ length: count }, (_, i) => file(i)) },
    }).manifest;
  const each = manifestOf(2).length - manifestOf(1).length;
  const countMax = 1 + Math.floor((MANIFEST_BYTES_MAX - manifestOf(1).length) / each);
  assert.equal(readManifest(manifestOf(countMax), '').layers.length, countMax);
  const read = readManifest(manifestOf(countMax + 1), '');
  assert.deepEqual(
    read.layers.map(({ mediaType, annotations }) => [mediaType, annotations]),
    [[OCI_MEDIA_TYPE.tree, { 'org.opencontainers.image.title': 'site.tree' }]],
  );
  assert.equal(read.artifactType, OCI_MEDIA_TYPE.tree);
});

/** Content, and what is told of it with each of its bytes set to each value. */
interface FrozenContent {
  readonly name: string;
  readonly content: string;
  readonly outlines: string;
}

test('oci 5.9: format 1 is frozen: what the readers of WebAssembly learn changes nothing that it tells', () => {
  const { contents }: { readonly contents: readonly FrozenContent[] } = JSON.parse(readVectors('release-outline.json'));
  for (const { name, content, outlines } of contents) {
    const bytes = decodeHex(content);
    const hash = createHash('sha256');
    for (let at = 0; at < bytes.length; at++) {
      const before = bytes[at] ?? 0;
      for (let value = 0; value < 256; value++) {
        bytes[at] = value;
        hash.update(`${JSON.stringify(outlineOf(bytes))}\n`);
      }
      bytes[at] = before;
    }
    assert.equal(
      hash.digest('hex'),
      outlines,
      `${name}: a new format is needed (spec/oci.md 5.9), not new digests here`,
    );
  }
});
