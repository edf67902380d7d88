import assert from 'node:assert/strict';
import { readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import {
  annotationBody,
  annotationIdOf,
  digestOf,
  encodeAnnotation,
  isRegistryError,
  parsePackageName,
  parseVersion,
  utf8,
  type Digest,
  type ErrorCode,
  type PackageEntry,
} from '@waybill/protocol';
import {
  OCI_MEDIA_TYPE,
  parseOciDigest,
  parseReference,
  readManifest,
  ReleaseContentReader,
  releaseManifest,
  repositoryOf,
  type OciReference,
} from '@waybill/protocol/oci';
import { LOOKED_RELEASES_MAX } from '../../../src/core/limits.ts';
import { PackageReleases } from '../../../src/core/oci/package-releases.ts';
import { testHomeOf } from '../../home.ts';
import { holderNamed } from '../../joint-record.ts';
import { releaseOf, wasmOf } from '../../publisher.ts';
import { releaseAs, treeOf } from '../../test-tree.ts';
import { PACKAGE } from '../registry-core.ts';
import { OciCore, oneChunk, witOf } from './package-core.ts';

/* Packages as OCI repositories: spec/oci.md 4 to 6. */

const REPOSITORY = repositoryOf(PACKAGE);
const OTHER = parsePackageName('test:other');
const WIT = witOf(
  'package test:%package@1.0.0;\ninterface hello { hi: func() -> string; }\nworld it { import hello; }',
);

let oci: OciCore;

beforeEach(async () => {
  oci = await OciCore.open();
});
afterEach(() => oci.dispose());

const failsWith =
  (code: ErrorCode) =>
  (thrown: unknown): boolean =>
    isRegistryError(thrown, code);

const manifestOf = (reference: string) => oci.reading.manifest(REPOSITORY, parseReference(reference));
const yank = (version: string): PackageEntry => ({ type: 'yank', version: parseVersion(version) });

function ociManifest(version: string, manifest: Uint8Array): Uint8Array {
  const body = annotationBody({ digest: digestOf(manifest), size: manifest.length });
  return encodeAnnotation({ type: 'oci-manifest', version: parseVersion(version), body });
}

/** As a client pushes it. */
function pushedManifest(layer: Uint8Array, note: string): Uint8Array {
  const config = { mediaType: 'application/vnd.wasm.config.v0+json', digest: digestOf(utf8(note)), size: note.length };
  const layers = [{ mediaType: 'application/wasm', digest: digestOf(layer), size: layer.length }];
  return utf8(JSON.stringify({ schemaVersion: 2, mediaType: OCI_MEDIA_TYPE.manifest, config, layers }));
}

async function tagsOf(last: string | null = null, limit: number | null = null): Promise<readonly string[]> {
  return (await oci.reading.tags(REPOSITORY, { last, limit })).items;
}

test('the tags are the versions that are not yanked, in byte order, in pages; a + is written _', async () => {
  const versions = ['1.0.0', '0.9.0', '10.0.0', '2.0.0-rc.1', '1.1.0+build.5'];
  const contents = versions.map(wasmOf);
  await oci.publish(
    PACKAGE,
    versions.map((version) => releaseOf(version, wasmOf(version))),
    contents,
  );
  assert.deepEqual(await tagsOf(), ['0.9.0', '1.0.0', '1.1.0_build.5', '10.0.0', '2.0.0-rc.1']);
  assert.deepEqual(await oci.reading.tags(REPOSITORY, { last: null, limit: 2 }), {
    items: ['0.9.0', '1.0.0'],
    more: true,
  });
  assert.deepEqual(await tagsOf('1.0.0', 2), ['1.1.0_build.5', '10.0.0']);
  assert.deepEqual(await tagsOf('1.0.1'), ['1.1.0_build.5', '10.0.0', '2.0.0-rc.1']);
  assert.deepEqual(await oci.reading.tags(REPOSITORY, { last: '2.0.0-rc.1', limit: 2 }), { items: [], more: false });
  await oci.publish(PACKAGE, [yank('10.0.0')]);
  assert.deepEqual(await tagsOf(), ['0.9.0', '1.0.0', '1.1.0_build.5', '2.0.0-rc.1']);
  assert.equal((await manifestOf('1.1.0_build.5')).digest, (await manifestOf('latest')).digest);
});

test('a package without a log is no repository, and one without a release has no tags', async () => {
  await assert.rejects(tagsOf(), failsWith('oci/repository'));
  await assert.rejects(manifestOf('1.0.0'), failsWith('oci/repository'));
  const unknown = parseOciDigest(digestOf(utf8('unknown')));
  await assert.rejects(oci.reading.blob(REPOSITORY, unknown), failsWith('oci/blob-unknown'));
  assert.deepEqual(await oci.referrers(PACKAGE, unknown), []);
  await oci.publish(PACKAGE, []);
  assert.deepEqual(await oci.reading.tags(REPOSITORY, { last: null, limit: null }), { items: [], more: false });
  for (const reference of ['1.0.0', 'latest', 'main', unknown, `sha512:${'0'.repeat(128)}`]) {
    await assert.rejects(manifestOf(reference), failsWith('oci/manifest-unknown'), reference);
  }
});

test('what is not served yet is not there', async () => {
  await oci.publish(PACKAGE, [releaseOf('1.0.0', wasmOf('one'))], [wasmOf('one')]);
  const served = oci.core.sequencer.length;
  await oci.publish(PACKAGE, [releaseOf('1.1.0', wasmOf('two'))], [wasmOf('two')]);
  let logLength = served;
  const { store } = oci.core;
  const releases = new PackageReleases({ store, logLength: () => logLength, homeOf: testHomeOf });
  const versions = async () => [...((await releases.find(PACKAGE))?.releases.keys() ?? [])];
  assert.deepEqual(await versions(), ['1.0.0']);
  logLength = oci.core.sequencer.length;
  assert.deepEqual(await versions(), ['1.0.0', '1.1.0']);
  logLength = 0;
  const before = new PackageReleases({ store, logLength: () => logLength, homeOf: testHomeOf });
  assert.equal(await before.find(PACKAGE), null);
});

test('a release stands for the manifest of format 1, by tag and by digest, also after a start', async () => {
  await oci.publish(PACKAGE, [releaseOf('1.0.0', WIT)], [WIT]);
  const { store } = oci.core;
  const found =
    (await new PackageReleases({ store, logLength: () => 99, homeOf: testHomeOf }).find(PACKAGE)) ?? assert.fail();
  const { time: recordTime } = found.releases.get(parseVersion('1.0.0')) ?? assert.fail();
  const reader = new ReleaseContentReader(null, WIT.length);
  reader.update(WIT);
  const facts = { name: PACKAGE, version: parseVersion('1.0.0'), digest: digestOf(WIT), size: WIT.length };
  const expected = releaseManifest({ ...facts, recordTime, content: reader.finish() });
  assert.match(new TextDecoder().decode(expected.config), /test:package\/hello@1.0.0/);
  const byTag = await manifestOf('1.0.0');
  assert.deepEqual(
    { ...byTag, bytes: new TextDecoder().decode(byTag.bytes) },
    {
      mediaType: OCI_MEDIA_TYPE.manifest,
      digest: expected.manifestDigest,
      bytes: new TextDecoder().decode(expected.manifest),
      warning: null,
    },
  );
  for (const start of [false, true]) {
    if (start) oci.restart();
    assert.deepEqual((await manifestOf(expected.manifestDigest)).bytes, expected.manifest);
    if (start) oci.restart();
    assert.deepEqual(await oci.bytes(PACKAGE, expected.configDigest), expected.config);
    assert.deepEqual(await oci.bytes(PACKAGE, digestOf(WIT)), WIT);
    assert.deepEqual(await oci.bytes(PACKAGE, digestOf(utf8('{}'))), utf8('{}'));
  }
});

test('the tag of a release shows the manifest by which it was pushed, if that holds its content', async () => {
  const content = wasmOf('pushed');
  const [pushed, later, foreign] = [
    pushedManifest(content, 'first'),
    pushedManifest(content, 'later'),
    pushedManifest(wasmOf('foreign'), 'foreign'),
  ];
  for (const bytes of [pushed, later, foreign]) {
    await oci.store(PACKAGE, digestOf(bytes), bytes, OCI_MEDIA_TYPE.manifest);
  }
  const named = ['1.0.0', '1.0.1', '1.0.2'];
  const releases = named.map((version) => releaseOf(version, content));
  const notes = [pushed, foreign, utf8('not here')].map((manifest, i) => ociManifest(`1.0.${i}`, manifest));
  await oci.publish(PACKAGE, releases, [content], [...notes, ociManifest('1.0.0', later)]);
  assert.deepEqual((await manifestOf('1.0.0')).bytes, pushed);
  for (const derived of ['1.0.1', '1.0.2']) {
    const { layers, annotations } = readManifest((await manifestOf(derived)).bytes, OCI_MEDIA_TYPE.manifest);
    assert.deepEqual([layers[0]?.digest, annotations?.['dev.waybill.package']], [digestOf(content), PACKAGE]);
  }
  assert.deepEqual((await manifestOf(digestOf(foreign))).bytes, foreign);
});

test('both manifests of a pushed release are found by digest for ever', async () => {
  const content = wasmOf('both');
  const pushed = pushedManifest(content, 'both');
  await oci.publish(PACKAGE, [releaseOf('1.0.0', content)], [content], [ociManifest('1.0.0', pushed)]);
  const derived = await manifestOf('1.0.0');
  await oci.store(PACKAGE, digestOf(pushed), pushed, OCI_MEDIA_TYPE.manifest);
  assert.equal((await manifestOf('1.0.0')).digest, digestOf(pushed));
  oci.restart();
  assert.deepEqual((await manifestOf(derived.digest)).bytes, derived.bytes);
  assert.equal((await manifestOf(digestOf(pushed))).digest, digestOf(pushed));
});

test('a yanked release is not listed, and served with a warning by tag and by digest', async () => {
  const content = wasmOf('yanked');
  const pushed = pushedManifest(content, 'yanked');
  await oci.store(PACKAGE, digestOf(pushed), pushed, OCI_MEDIA_TYPE.manifest);
  const releases = [releaseOf('1.0.0', content), releaseOf('1.0.1', content)];
  await oci.publish(PACKAGE, releases, [content], [ociManifest('1.0.1', pushed)]);
  const [derived] = [await manifestOf('1.0.0')];
  assert.equal(derived.warning, null);
  await oci.publish(PACKAGE, [yank('1.0.0'), yank('1.0.1')]);
  assert.deepEqual(await tagsOf(), []);
  await assert.rejects(manifestOf('latest'), failsWith('oci/manifest-unknown'));
  for (const [reference, version] of [
    ['1.0.0', '1.0.0'],
    [derived.digest, '1.0.0'],
    ['1.0.1', '1.0.1'],
    [digestOf(pushed), '1.0.1'],
  ] as const) {
    assert.equal((await manifestOf(reference)).warning, `test:package@${version} is yanked`, reference);
  }
});

test('of several versions pushed as one manifest, its digest warns once all are yanked', async () => {
  const content = wasmOf('twice');
  const pushed = pushedManifest(content, 'twice');
  const digest = digestOf(pushed);
  await oci.store(PACKAGE, digest, pushed, OCI_MEDIA_TYPE.manifest);
  const versions = ['1.0.0', '1.0.1'];
  const notes = versions.map((version) => ociManifest(version, pushed));
  await oci.publish(
    PACKAGE,
    versions.map((version) => releaseOf(version, content)),
    [content],
    notes,
  );
  assert.equal((await oci.referrers(PACKAGE, parseOciDigest(digest))).length, 2);
  await oci.publish(PACKAGE, [yank('1.0.0')]);
  assert.deepEqual([(await manifestOf(digest)).warning, (await manifestOf('1.0.1')).warning], [null, null]);
  assert.equal((await manifestOf('1.0.0')).warning, 'test:package@1.0.0 is yanked');
  await oci.publish(PACKAGE, [yank('1.0.1')]);
  assert.equal((await manifestOf(digest)).warning, 'test:package@1.0.0 is yanked');
});

for (const where of ['namespace', 'registry'] as const) {
  test(`content that the ${where} has taken down is served by no name`, async () => {
    const content = wasmOf('bad');
    const tree = treeOf({ 'a.txt': 'alone', 'b.txt': 'too' });
    await oci.publish(PACKAGE, [releaseOf('1.0.0', content)], [content]);
    await oci.publishJointly(OTHER, rootAnd(releaseAs('tree', '1.0.0', tree.index)), [
      tree.index,
      ...tree.contents.values(),
    ]);
    const link = { repository: REPOSITORY, digest: parseOciDigest(digestOf(content)), size: 1, linkedAtMs: 1 };
    assert.deepEqual(await oci.bytes(PACKAGE, digestOf(content)), content);
    await oci.takeDown(digestOf(content), where);
    await assert.rejects(oci.bytes(PACKAGE, digestOf(content)), failsWith('content/taken-down'));
    await oci.oci.write({ links: [link], manifests: [], tags: [] });
    const { uploads } = oci.blobs;
    const { id } = await uploads.start({ repository: REPOSITORY, account: null });
    await uploads.append(id, oneChunk(content), 99);
    await uploads.finish(id, link.digest);
    await assert.rejects(oci.bytes(PACKAGE, digestOf(content)), failsWith('content/taken-down'));
    assert.equal((await manifestOf('1.0.0')).warning, null);
    assert.deepEqual(await oci.bytes(OTHER, digestOf(utf8('alone'))), utf8('alone'));
  });
}

function rootAnd(...entries: readonly PackageEntry[]): readonly PackageEntry[] {
  return [{ type: 'root', holder: holderNamed('alice') }, ...entries];
}

test('a tree is a manifest of its files, each of them a blob, and its index is one', async () => {
  const tree = treeOf({ 'component.wasm': wasmComponent(), 'docs/readme.md': '# site' });
  await oci.publishJointly(PACKAGE, rootAnd(releaseAs('tree', '1.0.0', tree.index)), [
    tree.index,
    ...tree.contents.values(),
  ]);
  const { bytes, digest } = await manifestOf('1.0.0');
  const { layers, config } = readManifest(bytes, OCI_MEDIA_TYPE.manifest);
  assert.deepEqual(
    layers.map((layer) => layer.annotations?.['org.opencontainers.image.title']),
    ['component.wasm', 'docs/readme.md'],
  );
  for (const layer of layers) {
    assert.equal(digestOf(await oci.bytes(PACKAGE, layer.digest)), layer.digest);
    assert.equal((await oci.reading.blob(REPOSITORY, layer.digest)).size, layer.size);
  }
  assert.deepEqual(await oci.bytes(PACKAGE, config?.digest ?? assert.fail()), utf8('{}'));
  assert.deepEqual(await oci.bytes(PACKAGE, tree.digest), tree.index);
  oci.restart();
  assert.deepEqual((await manifestOf(digest)).bytes, bytes);
});

function wasmComponent(): Uint8Array {
  return Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0);
}

test('blobs of another package are not here until they are linked, and ranges are ranges', async () => {
  const [own, foreign] = [wasmOf('own'), wasmOf('foreign')];
  const tree = treeOf({ 'a.txt': 'of a tree' });
  await oci.publish(PACKAGE, [releaseOf('1.0.0', own)], [own]);
  await oci.publishJointly(
    OTHER,
    rootAnd(releaseAs('tree', '1.0.0', tree.index), releaseAs('wasm', '1.1.0', foreign)),
    [tree.index, ...tree.contents.values(), foreign],
  );
  const theirs = await oci.reading.manifest(repositoryOf(OTHER), parseReference('1.1.0'));
  const { config } = readManifest(theirs.bytes, OCI_MEDIA_TYPE.manifest);
  const digests: readonly string[] = [
    digestOf(foreign),
    tree.digest,
    digestOf(utf8('of a tree')),
    config?.digest ?? '',
  ];
  for (const digest of digests) {
    await assert.rejects(oci.reading.blob(REPOSITORY, parseOciDigest(digest)), failsWith('oci/blob-unknown'), digest);
  }
  await assert.rejects(manifestOf(theirs.digest), failsWith('oci/manifest-unknown'));
  const { blobs, uploads } = oci.blobs;
  const { id } = await uploads.start({ repository: REPOSITORY, account: null });
  await uploads.append(id, oneChunk(foreign), 99);
  const digest = parseOciDigest(digestOf(foreign));
  await uploads.finish(id, digest);
  assert.equal(await blobs.size(digest), foreign.length);
  await assert.rejects(oci.reading.blob(REPOSITORY, digest), failsWith('oci/blob-unknown'));
  await oci.oci.write({ links: [{ repository: REPOSITORY, digest, size: 1, linkedAtMs: 1 }], manifests: [], tags: [] });
  assert.deepEqual(await oci.bytes(PACKAGE, digest), foreign);
  const found = await oci.reading.blob(REPOSITORY, parseOciDigest(digestOf(own)));
  const chunks: Uint8Array[] = [];
  for await (const chunk of found.read({ start: 1, end: 4 })) chunks.push(chunk.slice());
  assert.deepEqual(Buffer.concat(chunks), Buffer.from(own.subarray(1, 4)));
});

test('O1: no annotation but one of the record that released it moves a tag, and no withdrawal does', async () => {
  const content = wasmOf('moved');
  const [before, first, second, after] = ['before', 'first', 'second', 'after'].map((note) =>
    pushedManifest(content, note),
  );
  assert.ok(before && first && second && after);
  for (const bytes of [before, first, second, after]) {
    await oci.store(PACKAGE, digestOf(bytes), bytes, OCI_MEDIA_TYPE.manifest);
  }
  await oci.publish(PACKAGE, [], [], [ociManifest('1.0.0', before), ociManifest('1.0.1', before)]);
  const notes = [ociManifest('1.0.0', first), ociManifest('1.0.0', second)];
  const recordId = await oci.publish(
    PACKAGE,
    ['1.0.0', '1.0.1'].map((version) => releaseOf(version, content)),
    [content],
    notes,
  );
  const derived = await manifestOf('1.0.1');
  assert.deepEqual((await manifestOf('1.0.0')).bytes, first);
  await oci.publish(PACKAGE, [], [], [ociManifest('1.0.0', after), ociManifest('1.0.1', after)]);
  const target = annotationIdOf(recordId, 0);
  await oci.publish(PACKAGE, [], [], [encodeAnnotation({ type: 'withdrawal', target })]);
  assert.deepEqual((await manifestOf('1.0.0')).bytes, first);
  assert.deepEqual((await manifestOf('1.0.1')).bytes, derived.bytes);
  assert.equal((await manifestOf(digestOf(after))).digest, digestOf(after));
});

test('a fallback tag is what was pushed there, and no other word is a tag', async () => {
  const content = wasmOf('tags');
  await oci.publish(PACKAGE, [releaseOf('1.0.0', content)], [content]);
  const pushed = pushedManifest(content, 'tags');
  const digest = await oci.store(PACKAGE, digestOf(pushed), pushed, OCI_MEDIA_TYPE.manifest);
  const tags = [`sha256-${'a'.repeat(64)}`, 'main', '2.0.0'].map((tag) => ({
    repository: REPOSITORY,
    ...tagged(tag),
    digest,
  }));
  await oci.oci.write({ links: [], manifests: [], tags });
  assert.equal((await manifestOf(`sha256-${'a'.repeat(64)}`)).digest, digest);
  for (const other of ['main', '2.0.0']) await assert.rejects(manifestOf(other), failsWith('oci/manifest-unknown'));
  assert.deepEqual(await tagsOf(), ['1.0.0']);
});

function tagged(text: string): Extract<OciReference, { readonly tag: unknown }> {
  const reference = parseReference(text);
  return 'tag' in reference ? reference : assert.fail();
}

test('files of a tree that is taken down are closed with it, unless a package names them elsewhere', async () => {
  const bad = treeOf({ 'bad.txt': 'bad', 'shared.txt': 'shared' });
  const good = treeOf({ 'good.txt': 'good', 'shared.txt': 'shared' });
  await oci.publishJointly(
    PACKAGE,
    rootAnd(releaseAs('tree', '1.0.0', bad.index), releaseAs('tree', '1.1.0', good.index)),
    [bad.index, good.index, ...bad.contents.values(), ...good.contents.values()],
  );
  const { digest, bytes } = await manifestOf('1.0.0');
  assert.equal((await manifestOf('1.0.0')).warning, null);
  await oci.takeDown(bad.digest, 'registry');
  for (const closed of [bad.digest, digestOf(utf8('bad'))]) {
    await assert.rejects(oci.bytes(PACKAGE, closed), failsWith('content/taken-down'), closed);
  }
  for (const text of ['shared', 'good']) assert.deepEqual(await oci.bytes(PACKAGE, digestOf(utf8(text))), utf8(text));
  assert.deepEqual((await manifestOf(digest)).bytes, bytes);
});

test('a digest that nobody knows is looked for in so many releases at once, and then is known to be none', async () => {
  const content = wasmOf('many');
  const versions = Array.from({ length: LOOKED_RELEASES_MAX + 100 }, (_, i) => `1.${i}.0`);
  for (const some of [versions.slice(0, 600), versions.slice(600)]) {
    await oci.publish(
      PACKAGE,
      some.map((version) => releaseOf(version, content)),
      [content],
    );
  }
  const oldest = await manifestOf('1.0.0');
  oci.restart();
  const unknown = digestOf(utf8('unknown'));
  await assert.rejects(manifestOf(unknown), failsWith('storage/busy'));
  await assert.rejects(manifestOf(unknown), failsWith('oci/manifest-unknown'));
  assert.deepEqual((await manifestOf(oldest.digest)).bytes, oldest.bytes);
  const { contentRoot } = oci.core;
  // What is known to be none is not looked for: nothing of the content is read.
  await rm(contentRoot, { recursive: true });
  for (const again of ['unknown', 'unknown too']) {
    await assert.rejects(manifestOf(digestOf(utf8(again))), failsWith('oci/manifest-unknown'));
  }
});

test('many who ask at once get one answer', async () => {
  const contents = ['a', 'b', 'c'].map(wasmOf);
  await oci.publish(
    PACKAGE,
    contents.map((content, i) => releaseOf(`1.${i}.0`, content)),
    contents,
  );
  const digests = await Promise.all(['1.0.0', '1.1.0', '1.2.0'].map(async (tag) => (await manifestOf(tag)).digest));
  oci.restart();
  const asked = [...digests, ...digests, '1.0.0', '1.1.0', '1.2.0'];
  const found = await Promise.all(asked.map(async (reference) => (await manifestOf(reference)).digest));
  assert.deepEqual(found, [...digests, ...digests, ...digests]);
});

test('a manifest that cannot be made is unknown, and damage is told', async () => {
  const content = wasmOf('gone');
  const digest: Digest = digestOf(content);
  await oci.publish(PACKAGE, [releaseOf('1.0.0', content)], [content]);
  const names = await readdir(oci.core.contentRoot, { recursive: true });
  const name = names.find((each) => digest.endsWith(path.basename(each)) && path.basename(each).length > 32);
  const file = path.join(oci.core.contentRoot, name ?? assert.fail());
  await rm(file);
  await writeFile(file, wasmOf('dent'));
  await assert.rejects(manifestOf('1.0.0'), failsWith('storage/damaged'));
  await rm(file);
  await assert.rejects(manifestOf('1.0.0'), failsWith('oci/manifest-unknown'));
  await assert.rejects(manifestOf(digest), failsWith('oci/manifest-unknown'));
});
