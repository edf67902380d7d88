import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  annotationBody,
  concatBytes,
  digestOf,
  encodeAnnotation,
  formatPrivateKey,
  holderOfKey,
  NO_PREDICATES,
  PACKAGE_LOG,
  packageLogId,
  parseJosePrivateKey,
  parseJosePublicKey,
  parseDigest,
  parsePackageName,
  parseTokenId,
  parseVersion,
  signRecord,
  startersOf,
  timestampFromMs,
  utf8,
  type PackageEntry,
  type Permission,
  type Predicates,
} from '@waybill/protocol';
import { decodeTreeIndex, encodeWit, parseWit } from '@waybill/protocol/content';
import { OCI_MEDIA_TYPE, ociDigestOf, parseRepository } from '@waybill/protocol/oci';
import { parseTokenScope, type TokenAccess } from '../../../src/core/access.ts';
import { COMMIT_WAIT_MS } from '../../../src/core/limits.ts';
import { listing } from '../../governance.ts';
import { testHomeOf } from '../../home.ts';
import { holderNamed, signJointly } from '../../joint-record.ts';
import { keyOf, releaseOf, wasmOf } from '../../publisher.ts';
import {
  codeOf,
  digestText,
  gatewayKeyOf,
  HELLO,
  HELLO_NAME,
  PushingCore,
  titled,
  type Named,
  type PushingOptions,
  type Written,
} from './pushing-core.ts';
import { STARTED_MS } from '../registry-core.ts';

/* What becomes of manifests that OCI clients push to packages: spec/oci.md 6. */

const LAYER = wasmOf('hello');
const OTHER = wasmOf('other');
const V1 = parseVersion('1.0.0');
const COMPONENT_TYPE = 'application/vnd.waybill.component.v1+wasm';
const GATEWAY_PERMISSIONS: readonly Permission[] = ['annotate:oci-manifest', 'annotate:on-behalf', 'release'];

async function open(t: TestContext, options: PushingOptions = {}): Promise<PushingCore> {
  const core = await PushingCore.open(options);
  t.after(() => core.dispose());
  return core;
}

function accountNamed(account: string, namespace = 'test'): TokenAccess {
  return {
    tokenId: parseTokenId('0123456789abcdef'),
    account,
    scope: parseTokenScope(['publish'], [namespace]),
  };
}

function wit(id: string): Uint8Array {
  const main = [{ path: 'a.wit', text: `package ${id};\ninterface i { f: func(); }` }];
  return encodeWit(parseWit({ main, dependencies: [] }));
}

test('a manifest with the tag of a version is a release: one record of version 0 that says for whom and by which manifest', async (t) => {
  const core = await open(t);
  const manifest = await core.manifest({ layers: [await core.blob(LAYER)] });
  const answer = await core.push(manifest, '1.0.0', { access: accountNamed('ann') });
  assert.deepEqual(answer, { digest: digestText(manifest), subject: null, tags: ['1.0.0'], warning: null });
  const [record, ...others] = await core.records();
  assert.ok(record);
  assert.deepEqual(others, []);
  assert.deepEqual(
    record.entries.map(({ type }) => type),
    ['init', 'release'],
  );
  assert.equal(record.version, 0);
  assert.equal(record.envelope.keyId, gatewayKeyOf('test').publicKey.id);
  const { state, book } = await core.replayed();
  assert.equal(state.bindings.get(V1)?.content, digestOf(LAYER));
  assert.deepEqual(book.latest('on-behalf', null)?.body, { account: 'ann' });
  const note = { digest: digestText(manifest), size: manifest.length };
  assert.deepEqual(book.latest('oci-manifest', V1)?.body, note);
  assert.equal(await core.core.content.size(digestOf(LAYER)), LAYER.length);
  assert.deepEqual((await core.store.readManifest(HELLO, answer.digest))?.bytes, manifest);
});

test('later versions follow in the same log, each record later than the one before; who shows no token is anonymous', async (t) => {
  const core = await open(t);
  for (const [i, version] of ['1.0.0', '1.1.0', '2.0.0-rc.1'].entries()) await core.pushLayer(wasmOf(`v${i}`), version);
  const { state, book } = await core.replayed();
  assert.deepEqual([...state.bindings.keys()], ['1.0.0', '1.1.0', '2.0.0-rc.1']);
  assert.equal(book.statements('on-behalf', null).length, 3);
  assert.deepEqual(book.latest('on-behalf', null)?.body, { account: 'anonymous' });
  const times = (await core.records()).map(({ time }) => time.seconds * 1_000_000_000n + BigInt(time.nanos));
  for (const [i, time] of times.entries()) assert.ok(i === 0 || time > (times[i - 1] ?? time));
});

test('O1: the tag of a version never moves: other content is refused, the same is told 201 and keeps the first manifest', async (t) => {
  const core = await open(t);
  const first = await core.pushLayer(LAYER, '1.0.0');
  assert.equal(await codeOf(core.pushLayer(OTHER, '1.0.0')), 'oci/immutable');
  const again = await core.pushLayer(LAYER, '1.0.0', { annotations: { note: 'again' } });
  assert.notEqual(again.digest, first.digest);
  assert.ok(again.warning);
  const { book } = await core.replayed();
  assert.equal(book.latest('oci-manifest', V1)?.body.digest, first.digest);
  assert.equal((await core.records()).length, 1);
});

test('O1: + is _ in a tag, and a version that differs in build metadata alone is no other version', async (t) => {
  const core = await open(t);
  await core.pushLayer(LAYER, '1.0.0_linux.1');
  const { state } = await core.replayed();
  assert.deepEqual([...state.bindings.keys()], ['1.0.0+linux.1']);
  assert.equal(await codeOf(core.pushLayer(OTHER, '1.0.0_linux.1')), 'oci/immutable');
  assert.equal(await codeOf(core.pushLayer(OTHER, '1.0.0')), 'admission/policy');
});

test('O1: of two pushes at once with other bytes one is taken and one refused, and the log has one record', async (t) => {
  const core = await open(t);
  const codes = await Promise.all([codeOf(core.pushLayer(LAYER, '1.0.0')), codeOf(core.pushLayer(OTHER, '1.0.0'))]);
  assert.deepEqual(new Set(codes), new Set(['oci/immutable', null]));
  assert.equal((await core.records()).length, 1);
});

test('of two pushes at once with the same bytes both are taken, and the log has one record', async (t) => {
  const core = await open(t);
  const codes = await Promise.all([1, 2, 3].map(() => codeOf(core.pushLayer(LAYER, '1.0.0'))));
  assert.deepEqual(codes, [null, null, null]);
  assert.equal((await core.records()).length, 1);
});

test('a release that its owner made through the log is taken again from an OCI client, and stays as it is', async (t) => {
  const core = await open(t);
  await ownerReleases(core, LAYER);
  assert.equal(await codeOf(core.pushLayer(LAYER, '1.0.0')), null);
  assert.equal(await codeOf(core.pushLayer(OTHER, '1.0.0')), 'oci/immutable');
  assert.equal(await codeOf(core.pushLayer(OTHER, '1.1.0')), 'oci/gateway');
  assert.equal((await core.records()).length, 1);
});

/** The package is begun by a key of its own; the content is there, as if it had been uploaded. */
async function ownerReleases(core: PushingCore, layer: Uint8Array, ...more: readonly PackageEntry[]): Promise<void> {
  const upload = await core.core.content.startUpload();
  await upload.write(layer);
  await upload.keep(digestOf(layer));
  const key = keyOf('owner');
  const entries: PackageEntry[] = [{ type: 'init', key: key.publicKey }, releaseOf('1.0.0', layer), ...more];
  const draft = { prev: null, time: timestampFromMs(core.core.nowMs), entries };
  const record = await signRecord(PACKAGE_LOG, draft, key);
  assert.equal((await core.core.publish(HELLO_NAME, record)).state, 'published');
}

test('the gateway releases in a package of version 0 whose owner lets its key', async (t) => {
  const core = await open(t);
  const { publicKey } = gatewayKeyOf('test');
  await ownerReleases(core, LAYER, { type: 'grant', key: publicKey, permissions: ['release'] });
  assert.equal(await codeOf(core.pushLayer(OTHER, '1.1.0')), null);
  const { state } = await core.replayed();
  assert.equal(state.bindings.get(parseVersion('1.1.0'))?.by, publicKey.id);
});

type Terms = readonly [permissions: readonly Permission[], predicates: Partial<Predicates>];

const VERSIONS: Partial<Predicates> = { versionMin: V1, versionMax: parseVersion('2.0.0') };

/** What the owner of a package of version 1 lets the gateway do, and what a component is released as that is pushed as 1.1.0. */
const GRANTS: readonly (readonly [grants: readonly Terms[], mediaType: string | null])[] = [
  [[[GATEWAY_PERMISSIONS, {}]], COMPONENT_TYPE],
  [[[['release'], {}]], null],
  [[[['annotate:*'], {}]], null],
  [[[['annotate:*', 'release'], { mediaTypes: ['application/wasm'] }]], 'application/wasm'],
  [[[['annotate:*', 'release'], { mediaTypes: ['application/vnd.waybill.module.v1+wasm'] }]], null],
  [[[['annotate:*', 'release'], { sizeMax: 7 }]], null],
  [[[['annotate:*', 'release'], { sizeMax: 8 }]], COMPONENT_TYPE],
  [[[['annotate:*', 'release'], { versionMax: parseVersion('1.1.0') }]], null],
  // Whom a record is for has no version: it takes a grant without a range.
  [[[['annotate:*', 'release'], VERSIONS]], null],
  [
    [
      [['annotate:oci-manifest', 'release'], VERSIONS],
      [['annotate:on-behalf'], {}],
    ],
    COMPONENT_TYPE,
  ],
  [[[['annotate:*', 'release'], { notAfter: BigInt(Math.floor(STARTED_MS / 1_000)) - 1n }]], null],
];

test('the gateway releases in a package of version 1 as far as its owner’s grant goes, with the kind that it lets', async (t) => {
  for (const [grants, mediaType] of GRANTS) {
    const core = await open(t);
    const holder = holderOfKey(parseJosePublicKey(gatewayKeyOf('test').publicKey.text));
    const record = await signJointly(
      [
        { type: 'root', holder: holderNamed('owner') },
        ...grants.map(([permissions, predicates]): PackageEntry => ({
          type: 'delegate',
          holder,
          permissions,
          predicates: { ...NO_PREDICATES, ...predicates },
        })),
      ],
      {
        prev: null,
        time: timestampFromMs(STARTED_MS - 60_000),
        home: testHomeOf(packageLogId(HELLO_NAME)),
        by: ['owner'],
      },
    );
    assert.equal((await core.core.publish(HELLO_NAME, record)).state, 'published');
    const code = await codeOf(core.pushLayer(componentOf(), '1.1.0'));
    assert.equal(
      code,
      mediaType === null ? 'oci/gateway' : null,
      grants.map(([permissions]) => permissions.join()).join(' '),
    );
    const { state, book } = await core.replayed();
    const release = state.bindings.get(parseVersion('1.1.0'));
    assert.equal(release?.claim?.mediaType ?? null, mediaType);
    if (release === undefined) continue;
    assert.equal(release.claim?.size, componentOf().length);
    assert.equal(book.accountOf(release.recordId), 'anonymous');
    assert.ok(book.latest('oci-manifest', release.version));
  }
});

/** What is pushed first, and what is refused then. */
const LATEST: readonly (readonly [released: readonly string[], layer: Uint8Array, code: string | null])[] = [
  [[], LAYER, 'oci/immutable'],
  [['1.0.0'], wasmOf('1.0.0'), null],
  [['1.0.0', '1.1.0'], wasmOf('1.0.0'), 'oci/immutable'],
  [['1.0.0', '1.1.0'], wasmOf('1.1.0'), null],
  [['1.0.0', '2.0.0-rc.1'], wasmOf('1.0.0'), null],
  [['1.0.0', '2.0.0-rc.1'], wasmOf('2.0.0-rc.1'), 'oci/immutable'],
  [['2.0.0-rc.1'], wasmOf('2.0.0-rc.1'), null],
];

test('O1: latest is computed: the layer of the newest release is taken for it, and no other', async (t) => {
  for (const [released, layer, code] of LATEST) {
    const core = await open(t);
    for (const version of released) await core.pushLayer(wasmOf(version), version);
    assert.equal(await codeOf(core.pushLayer(layer, 'latest')), code, released.join());
    assert.equal((await core.records()).length, released.length);
  }
});

test('O8: the version in a label of what is pushed as latest is that of the release', async (t) => {
  const core = await open(t);
  await core.pushLayer(LAYER, '1.0.0');
  const labelled = (version: string): Written => ({ annotations: { 'org.opencontainers.image.version': version } });
  assert.equal(await codeOf(core.pushLayer(LAYER, 'latest', labelled('1.0.0'))), null);
  assert.equal(await codeOf(core.pushLayer(LAYER, 'latest', labelled('1.0.1'))), 'oci/manifest');
});

test('several tags: each version is released by one record, and latest must come out right before anything is', async (t) => {
  const core = await open(t);
  const manifest = await core.manifest({ layers: [await core.blob(LAYER)] });
  assert.deepEqual((await core.push(manifest, '1.0.0', { tags: ['1.1.0', 'latest', '1.0.0'] })).tags, [
    '1.0.0',
    '1.1.0',
    'latest',
  ]);
  assert.equal((await core.records()).length, 1);
  const older = await core.manifest({ layers: [await core.blob(OTHER)] });
  assert.equal(await codeOf(core.push(older, '0.9.0', { tags: ['latest'] })), 'oci/immutable');
  const { state } = await core.replayed();
  assert.deepEqual([...state.bindings.keys()], ['1.0.0', '1.1.0']);
});

test('tags that are neither a version nor one of a client that knows no referrers are refused with a sentence', async (t) => {
  const core = await open(t);
  for (const tag of ['stable', 'v1.0.0', '1.0', '1', 'sha256-abc', 'LATEST']) {
    assert.equal(await codeOf(core.pushLayer(LAYER, tag)), 'oci/denied', tag);
  }
  assert.deepEqual(await core.records(), []);
});

/** What a manifest says of a layer, and whether it is taken. */
type Lie = readonly [what: string, written: (core: PushingCore) => Promise<Written>, code: string | null];

const LIES: readonly Lie[] = [
  ['the truth', async (core) => ({ layers: [await core.blob(LAYER)] }), null],
  [
    'another size',
    async (core) => ({ layers: [{ ...(await core.blob(LAYER)), size: LAYER.length + 1 }] }),
    'oci/manifest',
  ],
  [
    'a layer that is not here',
    async () => ({ layers: [{ mediaType: OCI_MEDIA_TYPE.wasm, digest: digestText(OTHER), size: OTHER.length }] }),
    'oci/manifest-blob',
  ],
  [
    'a layer of another repository',
    async (core) => ({
      layers: [await core.blob(OTHER, OCI_MEDIA_TYPE.wasm, { repository: parseRepository('test/elsewhere') })],
    }),
    'oci/manifest-blob',
  ],
  [
    'a layer by sha512',
    async (core) => ({ layers: [await core.blob(LAYER, OCI_MEDIA_TYPE.wasm, { algorithm: 'sha512' })] }),
    'oci/manifest',
  ],
  [
    'a layer that lies elsewhere',
    async (core) => ({
      layers: [await core.blob(LAYER, 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip')],
    }),
    'oci/manifest',
  ],
  ['no layer', async () => ({ layers: [] }), 'oci/manifest'],
  [
    'a config that is not here',
    async (core) => ({
      layers: [await core.blob(LAYER)],
      config: { mediaType: OCI_MEDIA_TYPE.wasmConfig, digest: digestText(utf8('x')), size: 1 },
    }),
    'oci/manifest-blob',
  ],
  [
    'a config of another size',
    async (core) => ({
      layers: [await core.blob(LAYER)],
      config: { ...(await core.blob(utf8('{}'), OCI_MEDIA_TYPE.empty)), size: 3 },
    }),
    'oci/manifest',
  ],
  ['no WebAssembly', async (core) => ({ layers: [await core.blob(utf8('#!/bin/sh'))] }), 'oci/manifest'],
  [
    'WebAssembly whose sections do not fill it',
    async (core) => ({ layers: [await core.blob(concatBytes(LAYER, Uint8Array.of(0, 9)))] }),
    'oci/manifest',
  ],
  [
    'WebAssembly that nobody can decode',
    async (core) => ({ layers: [await core.blob(concatBytes(LAYER, Uint8Array.of(77, 2, 255, 255)))] }),
    null,
  ],
];

test('O2: a manifest that lies about its layer is no release, and one that cannot be decoded inside is one', async (t) => {
  for (const [what, written, code] of LIES) {
    const core = await open(t);
    assert.equal(await codeOf(core.push(await core.manifest(await written(core)), '1.0.0')), code, what);
    assert.equal((await core.records()).length, code === null ? 1 : 0, what);
  }
});

test('O2: an index is no release, and what is sent as another type than it says is nothing', async (t) => {
  const core = await open(t);
  const index = utf8(JSON.stringify({ schemaVersion: 2, mediaType: OCI_MEDIA_TYPE.index, manifests: [] }));
  assert.equal(await codeOf(core.push(index, '1.0.0', { contentType: OCI_MEDIA_TYPE.index })), 'oci/manifest');
  const image = await core.manifest({ layers: [await core.blob(LAYER)] });
  assert.equal(await codeOf(core.push(image, '1.0.0', { contentType: OCI_MEDIA_TYPE.index })), 'oci/manifest');
  const both = utf8(JSON.stringify({ ...JSON.parse(new TextDecoder().decode(image)), manifests: [] }));
  assert.equal(await codeOf(core.push(both, '1.0.0')), 'oci/manifest');
  assert.deepEqual(await core.records(), []);
});

test('P4: a WIT package is released as what it says that it is, or not at all', async (t) => {
  const cases = [
    ['test:hello@1.0.0', null],
    ['test:hello', null],
    ['test:hello@1.0.1', 'oci/manifest'],
    ['test:other@1.0.0', 'oci/manifest'],
    ['evil:hello@1.0.0', 'oci/manifest'],
  ] as const;
  for (const [id, code] of cases) {
    const core = await open(t);
    assert.equal(await codeOf(core.pushLayer(wit(id), '1.0.0')), code, id);
    assert.equal((await core.records()).length, code === null ? 1 : 0, id);
  }
});

/** Labels, the configuration, and whether they are taken. */
const LABELS: readonly (readonly [
  annotations: Readonly<Record<string, string>>,
  config: unknown,
  code: string | null,
])[] = [
  [{ 'org.opencontainers.image.version': '1.0.0' }, {}, null],
  [{ 'org.opencontainers.image.version': '1.0.1' }, {}, 'oci/manifest'],
  [{ 'org.opencontainers.image.title': 'A greeter' }, {}, null],
  [{ 'org.opencontainers.image.title': 'test:hello' }, {}, null],
  [{ 'org.opencontainers.image.title': 'test:other' }, {}, 'oci/manifest'],
  [{}, { config: { Labels: { 'org.opencontainers.image.version': '1.0.0' } } }, null],
  [{}, { config: { Labels: { 'org.opencontainers.image.version': '3.0.0' } } }, 'oci/manifest'],
  [{}, { config: { Labels: { 'org.opencontainers.image.version': 3 } } }, null],
  [{}, { layerDigests: [digestText(LAYER)] }, null],
  [{}, { layerDigests: [digestText(OTHER)] }, 'oci/manifest'],
  [{}, { layerDigests: [digestText(LAYER), digestText(OTHER)] }, 'oci/manifest'],
  [{}, [], null],
  [{ 'dev.waybill.package': 'test:hello' }, {}, null],
  [{ 'dev.waybill.package': 'test:other' }, {}, 'oci/manifest'],
  [{ 'Org.OpenContainers.Image.Version': '3.0.0' }, {}, 'oci/manifest'],
  [{}, { Config: { labels: { 'org.opencontainers.image.version': '3.0.0' } } }, 'oci/manifest'],
  [{}, { config: {}, CONFIG: { Labels: { 'dev.waybill.package': 'test:other' } } }, 'oci/manifest'],
  [{}, { layerdigests: [digestText(OTHER)] }, 'oci/manifest'],
];

const FALSE_LABELS = '{"Labels":{"org.opencontainers.image.version":"3.0.0"}}';

/** Configurations as text, and whether they are taken. */
const CONFIGS: readonly (readonly [config: string, code: string | null])[] = [
  ['no JSON at all', null],
  ['[1, 1e400]', null],
  [`{"config":${FALSE_LABELS},"config":{}}`, 'oci/manifest'],
  [`{"config":${FALSE_LABELS},"n":12345678901234567890}`, 'oci/manifest'],
  [`{"pad":"${'x'.repeat(1_000_000)}","config":${FALSE_LABELS}}`, 'oci/manifest'],
  [`{"pad":"${'x'.repeat(1024 * 1024)}"}`, 'oci/size'],
];

test('O8: a configuration that two readers take for different things, or that is too large to be read, is refused', async (t) => {
  for (const [text, code] of CONFIGS) {
    const core = await open(t);
    const config = await core.blob(utf8(text), OCI_MEDIA_TYPE.wasmConfig);
    assert.equal(await codeOf(core.pushLayer(LAYER, '1.0.0', { config })), code, text.slice(0, 80));
  }
});

test('O8: a manifest that says one version is pushed as no other beside it', async (t) => {
  const core = await open(t);
  const annotations = { 'org.opencontainers.image.version': '1.0.0' };
  const manifest = await core.manifest({ layers: [await core.blob(LAYER)], annotations });
  assert.equal(await codeOf(core.push(manifest, '1.0.0', { tags: ['1.0.1'] })), 'oci/manifest');
  assert.equal(await codeOf(core.push(manifest, '1.0.0', { tags: ['latest'] })), null);
});

test('O8: labels in the manifest or its configuration that contradict the release are refused', async (t) => {
  for (const [annotations, said, code] of LABELS) {
    const core = await open(t);
    const config = await core.blob(utf8(JSON.stringify(said)), OCI_MEDIA_TYPE.wasmConfig);
    const pushed = core.pushLayer(LAYER, '1.0.0', { annotations, config });
    assert.equal(await codeOf(pushed), code, JSON.stringify([annotations, said]));
  }
});

test('O8: a label on the layer counts as one on the manifest does', async (t) => {
  const core = await open(t);
  const annotations = { 'org.opencontainers.image.version': '2.0.0' };
  const layers = [await core.blob(LAYER, OCI_MEDIA_TYPE.wasm, { annotations })];
  assert.equal(await codeOf(core.push(await core.manifest({ layers }), '1.0.0')), 'oci/manifest');
});

test('a component that calls itself another version is released, and its client is warned', async (t) => {
  const core = await open(t);
  const section = [7, ...utf8('version'), ...utf8('0.4.2')];
  const component = Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0, 0, section.length, ...section);
  assert.ok((await core.pushLayer(component, '1.0.0')).warning);
});

async function files(core: PushingCore, all: Readonly<Record<string, Uint8Array>>): Promise<readonly Named[]> {
  const named: Named[] = [];
  for (const [path, bytes] of Object.entries(all)) {
    named.push(await core.blob(bytes, 'application/octet-stream', { annotations: titled(path) }));
  }
  return named;
}

test('several layers with titles are a tree, released with its media type and size', async (t) => {
  const core = await open(t);
  const said = { 'docs/readme.md': utf8('hello'), 'component.wasm': componentOf(), 'data.bin': utf8('data') };
  const layers = await files(core, said);
  const manifest = await core.manifest({ layers });
  assert.equal(await codeOf(core.push(manifest, '1.0.0')), null);
  const { state, book } = await core.replayed();
  const release = state.bindings.get(V1);
  assert.ok(release?.claim);
  assert.equal(release.claim.mediaType, 'application/vnd.waybill.tree.v1');
  const index = await contentOf(core, release.content);
  assert.equal(release.claim.size, index.length);
  const listed = decodeTreeIndex(index).map(({ path, digest }) => [path, digest]);
  const expected = Object.entries(said).map(([path, bytes]) => [path, digestOf(bytes)]);
  assert.deepEqual(Object.fromEntries(listed), Object.fromEntries(expected));
  assert.equal(book.latest('oci-manifest', V1)?.body.digest, digestText(manifest));
  assert.equal(await codeOf(core.push(manifest, '1.0.0')), null);
  assert.equal((await core.records()).length, 1);
});

function componentOf(): Uint8Array {
  return Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0);
}

async function contentOf(core: PushingCore, digest: string): Promise<Uint8Array> {
  const kept = parseDigest(digest);
  const size = (await core.core.content.size(kept)) ?? 0;
  const chunks: Uint8Array[] = [];
  for await (const chunk of core.core.content.read(kept, { start: 0, end: size })) chunks.push(chunk.slice());
  return concatBytes(...chunks);
}

test('a tree whose names are none, or are not apart, is refused', async (t) => {
  const cases: readonly (readonly [...string[]])[] = [
    ['../up', 'b'],
    ['/root', 'b'],
    ['a', 'A'],
    ['a', 'a/b'],
    ['a\\b', 'b'],
  ];
  for (const names of cases) {
    const core = await open(t);
    const layers = await files(core, Object.fromEntries(names.map((name) => [name, utf8(name)])));
    assert.equal(await codeOf(core.push(await core.manifest({ layers }), '1.0.0')), 'oci/manifest', names.join());
    assert.deepEqual(await core.records(), []);
  }
  const core = await open(t);
  const untitled = [...(await files(core, { a: utf8('a') })), await core.blob(utf8('b'))];
  assert.equal(await codeOf(core.push(await core.manifest({ layers: untitled }), '1.0.0')), 'oci/manifest');
});

test('P4: a tree whose component.wasm is no component is refused', async (t) => {
  const core = await open(t);
  const layers = await files(core, { 'component.wasm': LAYER, b: utf8('b') });
  assert.equal(await codeOf(core.push(await core.manifest({ layers }), '1.0.0')), 'oci/manifest');
  assert.deepEqual(await core.records(), []);
});

test('content that the registry had and cannot read is taken anew from whoever pushes it', async (t) => {
  const core = await open(t);
  core.core.publishing.noteDamage(digestOf(LAYER));
  assert.equal(await codeOf(core.pushLayer(LAYER, '1.0.0')), null);
  assert.equal((await core.records()).length, 1);
});

test('a push is answered once its record is published, however long the commit takes', async (t) => {
  let isSlow = false;
  const core = await open(t, {
    wrapCommitter: (committer) => ({
      async commit(batch) {
        // Longer than a publisher is let wait for "published".
        if (isSlow) await sleep(COMMIT_WAIT_MS + 100);
        return committer.commit(batch);
      },
    }),
  });
  isSlow = true;
  await core.pushLayer(LAYER, '1.0.0');
  assert.equal((await core.records()).length, 1);
  assert.equal(core.core.sequencer.length, 2);
});

test('a package of version 0 takes no tree, and says what helps', async (t) => {
  const core = await open(t);
  await core.pushLayer(LAYER, '1.0.0');
  const layers = await files(core, { a: utf8('a'), b: utf8('b') });
  assert.equal(await codeOf(core.push(await core.manifest({ layers }), '1.1.0')), 'oci/gateway');
});

test('a registry that takes any content releases what is no WebAssembly', async (t) => {
  const core = await open(t, { contentPolicy: 'any' });
  assert.equal(await codeOf(core.pushLayer(utf8('#!/bin/sh'), '1.0.0')), null);
});

test('the gateway signs nothing where the server, the policy or the list of starters says no', async (t) => {
  const off = await open(t, { isOn: false });
  assert.equal(await codeOf(off.pushLayer(LAYER, '1.0.0')), 'oci/gateway');
  const policies = [
    [{ type: 'policy', starters: 'open', gateway: 'refused', interfaceSteps: 'free' }, 'oci/gateway'],
    [{ type: 'policy', starters: 'open', gateway: 'allowed', interfaceSteps: 'free' }, null],
  ] as const;
  for (const [policy, code] of policies) {
    const core = await open(t);
    await core.govern(policy);
    assert.equal(await codeOf(core.pushLayer(LAYER, '1.0.0')), code, policy.gateway);
  }
});

test('a policy that came between the gateway’s look and the sequencing refuses its release, and nobody else’s', async (t) => {
  const core = await open(t);
  await core.pushLayer(LAYER, '1.0.0');
  const [first] = await core.records();
  const key = gatewayKeyOf('test');
  const time = timestampFromMs(core.core.nowMs + 1_000);
  const release = (version: string, annotations: readonly Uint8Array[]) =>
    signRecord(PACKAGE_LOG, { prev: first?.id ?? null, time, entries: [releaseOf(version, LAYER)], annotations }, key);
  const onBehalf = encodeAnnotation({ type: 'on-behalf', body: annotationBody({ account: 'ann' }) });
  const [custodial, own] = [await release('1.1.0', [onBehalf]), await release('1.2.0', [])];
  const sequence = (record: typeof own) =>
    codeOf(
      core.core.sequencer.sequence({ kind: 'package', record, name: HELLO_NAME, logId: packageLogId(HELLO_NAME) }),
    );
  await core.govern({ type: 'policy', starters: 'open', gateway: 'refused', interfaceSteps: 'free' });
  assert.equal(await sequence(custodial), 'oci/gateway');
  assert.equal(await sequence(own), null);
});

test('the gateway begins no package where starters are listed, unless its key is one of them', async (t) => {
  const gateway = parseJosePrivateKey(formatPrivateKey(gatewayKeyOf('test'))).publicKey;
  for (const [starters, code] of [
    [listing('somebody').starters, 'oci/gateway'],
    [startersOf([gateway]), null],
  ] as const) {
    const core = await open(t);
    await core.govern({ type: 'policy', starters, gateway: 'allowed', interfaceSteps: 'free' });
    assert.equal(await codeOf(core.pushLayer(LAYER, '1.0.0')), code);
  }
});

test('what is taken down is not released again', async (t) => {
  const core = await open(t);
  await core.govern({ type: 'takedown', digest: digestOf(LAYER), code: 'legal', reason: '' });
  assert.equal(await codeOf(core.pushLayer(LAYER, '1.0.0')), 'content/taken-down');
  assert.equal(await codeOf(core.pushLayer(OTHER, '1.0.0')), null);
});

test('a token that does not cover the namespace pushes nothing', async (t) => {
  const core = await open(t);
  assert.equal(await codeOf(core.pushLayer(LAYER, '1.0.0', {}, accountNamed('ann', 'else'))), 'token/scope');
});

test('manifests by digest, with or without a subject, and sha256- tags lie beside the log', async (t) => {
  const core = await open(t);
  const release = await core.pushLayer(LAYER, '1.0.0');
  const subject = { mediaType: OCI_MEDIA_TYPE.manifest, digest: release.digest, size: 2 };
  const attachment = await core.manifest({
    layers: [await core.blob(utf8('sbom'))],
    subject,
    artifactType: 'text/sbom',
  });
  const answer = await core.push(attachment, digestText(attachment));
  assert.equal(answer.subject, release.digest);
  const asked = { subject: release.digest, artifactType: null, after: null, limit: 10 };
  assert.equal((await core.store.listReferrers(HELLO, asked)).length, 1);
  const fallback = `sha256-${release.digest.slice('sha256:'.length)}`;
  assert.deepEqual((await core.push(attachment, fallback)).tags, [fallback]);
  assert.equal(await codeOf(core.push(attachment, fallback, { tags: ['1.1.0'] })), 'oci/denied');
  assert.equal(await codeOf(core.push(attachment, digestText(LAYER))), 'oci/digest-mismatch');
  const wide = ociDigestOf('sha512', attachment);
  assert.equal((await core.push(attachment, wide)).digest, wide);
  assert.equal((await core.records()).length, 1);
});

test('a package forgets nothing: deleting is refused', async (t) => {
  const core = await open(t);
  assert.equal(await codeOf(core.pushing.deleteManifest(HELLO)), 'oci/unsupported');
  assert.equal(await codeOf(core.pushing.deleteBlob(HELLO)), 'oci/unsupported');
});

test('packages of one namespace that are begun at once have logs of their own', async (t) => {
  const core = await open(t);
  const names = ['a', 'b', 'c', 'd'];
  const pushes = names.map(async (name) => {
    const repository = parseRepository(`test/${name}`);
    const layers = [await core.blob(LAYER, OCI_MEDIA_TYPE.wasm, { repository })];
    const config = await core.blob(utf8('{}'), OCI_MEDIA_TYPE.empty, { repository });
    return codeOf(core.push(await core.manifest({ layers, config }), '1.0.0', { repository }));
  });
  assert.deepEqual(await Promise.all(pushes), [null, null, null, null]);
  for (const name of names) assert.equal((await core.records(parsePackageName(`test:${name}`))).length, 1);
});
