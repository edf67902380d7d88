import assert from 'node:assert/strict';
import { writeFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { isRegistryError, utf8 } from '@waybill/protocol';
import { ociDigestOf, readManifest } from '@waybill/protocol/oci';
import { Publisher } from '../publisher.ts';
import { bodyOf, RunningRegistry } from '../running-registry.ts';
import { addRelease, startFakeUpstream, type FakeUpstream } from './fake-upstream.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

/** A core module that is like no other. */
function moduleOf(mark: number): Uint8Array {
  return Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 0, 3, 1, 0x61, mark);
}

interface Scene {
  readonly registry: RunningRegistry;
  readonly upstream: FakeUpstream;
}

async function upstreamsFile(t: TestContext, namespace: string, host: string): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-upstreams-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = path.join(folder, 'upstreams.toml');
  const lines = ['registry = "HOST"', 'prefix = "mirror/"', 'plain_http = true', 'networks = ["127.0.0.1"]'];
  await writeFile(file, `[namespace.${namespace}]\n${lines.join('\n').replace('HOST', host)}\n`);
  return file;
}

async function openScene(t: TestContext): Promise<Scene> {
  const upstream = await startFakeUpstream(t);
  const registry = await RunningRegistry.start({ upstreams: await upstreamsFile(t, 'test', upstream.host) });
  t.after(() => registry.dispose());
  return { registry, upstream };
}

async function tagsOf(registry: RunningRegistry): Promise<unknown> {
  const answer = await registry.get('v2/test/hello/tags/list');
  return answer.status === 200 ? Object(bodyOf(answer)).tags : answer.status;
}

/** All that is said in the log of test:hello; empty where there is none. */
async function logText(registry: RunningRegistry): Promise<string> {
  const publisher = new Publisher(registry, 'test:hello');
  const { logLength } = Object(Object(bodyOf(await registry.get('v1/fetch/checkpoint'))).contents);
  const answer = await registry.send('POST', 'v1/fetch/logs', {
    json: { logLength, packages: { [publisher.logId]: null } },
  });
  if (answer.status === 404) return '';
  const { packages } = Object(bodyOf(answer));
  const records: readonly { readonly contentBytes: string }[] = packages[publisher.logId] ?? [];
  return records.map(({ contentBytes }) => Buffer.from(contentBytes, 'base64').toString('latin1')).join('\n');
}

test('what another registry has is served from here, is in the log with its origin, and stays when that is gone', async (t) => {
  const { registry, upstream } = await openScene(t);
  const layer = moduleOf(1);
  const manifest = addRelease(upstream, { repository: 'mirror/test/hello', tag: '1.0.0', layer });
  addRelease(upstream, { repository: 'mirror/test/hello', tag: '1.1.0', layer: moduleOf(2) });
  addRelease(upstream, { repository: 'mirror/test/hello', tag: 'nightly', layer: moduleOf(3) });
  assert.deepEqual(await tagsOf(registry), ['1.0.0', '1.1.0']);

  const { status, headers, bytes } = await registry.get('v2/test/hello/manifests/1.0.0');
  assert.deepEqual([status, headers.get('content-type')], [200, MANIFEST]);
  assert.deepEqual(bytes, manifest);
  assert.equal(headers.get('docker-content-digest'), ociDigestOf('sha256', manifest));
  const { digest } = readManifest(manifest, MANIFEST).layers[0] ?? assert.fail();
  assert.deepEqual((await registry.get(`v2/test/hello/blobs/${digest}`)).bytes, layer);

  const log = await logText(registry);
  assert.ok(log.includes('imported-from'));
  assert.ok(log.includes(`{"registry":"${upstream.host}","repository":"mirror/test/hello"`));
  assert.ok(log.includes('{"account":"_upstream"}'));

  await upstream.stop();
  await registry.restart();
  assert.deepEqual((await registry.get('v2/test/hello/manifests/1.0.0')).bytes, manifest);
  assert.deepEqual((await registry.get(`v2/test/hello/blobs/${digest}`)).bytes, layer);
  assert.deepEqual(await tagsOf(registry), ['1.0.0']);
  assert.equal((await registry.get('v2/test/hello/manifests/1.1.0')).status, 502);
});

test('a tag that moves at the other registry does not move here', async (t) => {
  const { registry, upstream } = await openScene(t);
  const first = addRelease(upstream, { repository: 'mirror/test/hello', tag: '1.0.0', layer: moduleOf(1) });
  assert.equal((await registry.get('v2/test/hello/manifests/1.0.0')).status, 200);
  addRelease(upstream, { repository: 'mirror/test/hello', tag: '1.0.0', layer: moduleOf(2) });
  await registry.restart();
  assert.deepEqual((await registry.get('v2/test/hello/manifests/1.0.0')).bytes, first);
});

test('who asks at once for the same is answered from one fetch', async (t) => {
  const { registry, upstream } = await openScene(t);
  const layer = moduleOf(1);
  addRelease(upstream, { repository: 'mirror/test/hello', tag: '1.0.0', layer });
  const answers = await Promise.all(Array.from({ length: 8 }, () => registry.get('v2/test/hello/manifests/1.0.0')));
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
  const fetched = upstream.requests.filter(
    (line) => line === `GET /v2/mirror/test/hello/blobs/${ociDigestOf('sha256', layer)}`,
  );
  assert.equal(fetched.length, 1);
});

test('what the other registry does not have is not here, and it is not asked again at once', async (t) => {
  const { registry, upstream } = await openScene(t);
  for (const tag of ['1.0.0', '1.0.0', 'nightly', 'latest', 'sha256-00']) {
    assert.equal((await registry.get(`v2/test/hello/manifests/${tag}`)).status, 404);
  }
  assert.deepEqual(upstream.requests, ['GET /v2/mirror/test/hello/manifests/1.0.0']);
  assert.equal((await registry.get('v2/other/hello/manifests/1.0.0')).status, 404);
  assert.equal(upstream.requests.length, 1);
});

test('W1: nothing is fetched into a package that an author began, and nothing is listed of it', async (t) => {
  const { registry, upstream } = await openScene(t);
  await new Publisher(registry, 'test:hello').start();
  addRelease(upstream, { repository: 'mirror/test/hello', tag: '9.0.0', layer: moduleOf(9) });
  assert.equal((await registry.get('v2/test/hello/manifests/9.0.0')).status, 404);
  assert.notDeepEqual(await tagsOf(registry), ['9.0.0']);
  assert.deepEqual(upstream.requests, []);
});

const LIES: readonly (readonly [title: string, lie: (upstream: FakeUpstream) => void])[] = [
  [
    'a layer that has another digest',
    (upstream) => {
      const layer = moduleOf(1);
      addRelease(upstream, { repository: 'mirror/test/hello', tag: '1.0.0', layer });
      const key = `/v2/mirror/test/hello/blobs/${ociDigestOf('sha256', layer)}`;
      upstream.files.set(key, { bytes: moduleOf(2), type: 'application/octet-stream' });
    },
  ],
  [
    'a layer that is not there',
    (upstream) => {
      const layer = moduleOf(1);
      addRelease(upstream, { repository: 'mirror/test/hello', tag: '1.0.0', layer });
      upstream.files.delete(`/v2/mirror/test/hello/blobs/${ociDigestOf('sha256', layer)}`);
    },
  ],
  [
    'what is no WebAssembly',
    (upstream) => {
      addRelease(upstream, { repository: 'mirror/test/hello', tag: '1.0.0', layer: utf8('#!/bin/sh') });
    },
  ],
  [
    'an index',
    (upstream) => {
      const type = 'application/vnd.oci.image.index.v1+json';
      const bytes = utf8(JSON.stringify({ schemaVersion: 2, mediaType: type, manifests: [] }));
      upstream.files.set('/v2/mirror/test/hello/manifests/1.0.0', { bytes, type });
    },
  ],
  [
    'no manifest',
    (upstream) => {
      upstream.files.set('/v2/mirror/test/hello/manifests/1.0.0', { bytes: utf8('{'), type: MANIFEST });
    },
  ],
  [
    'a manifest of two minds',
    (upstream) => {
      const bytes = addRelease(upstream, { repository: 'mirror/test/hello', tag: '1.0.0', layer: moduleOf(1) });
      const both = { ...JSON.parse(new TextDecoder().decode(bytes)), manifests: [] };
      upstream.files.set('/v2/mirror/test/hello/manifests/1.0.0', {
        bytes: utf8(JSON.stringify(both)),
        type: MANIFEST,
      });
    },
  ],
  [
    'a layer that is said to be larger than anything',
    (upstream) => {
      const bytes = addRelease(upstream, { repository: 'mirror/test/hello', tag: '1.0.0', layer: moduleOf(1) });
      const huge = JSON.parse(new TextDecoder().decode(bytes));
      huge.layers[0].size = Number.MAX_SAFE_INTEGER;
      upstream.files.set('/v2/mirror/test/hello/manifests/1.0.0', {
        bytes: utf8(JSON.stringify(huge)),
        type: MANIFEST,
      });
    },
  ],
];

for (const [title, lie] of LIES) {
  test(`O2: of another registry that serves ${title} nothing is taken, and it is not asked again at once`, async (t) => {
    const { registry, upstream } = await openScene(t);
    lie(upstream);
    for (let i = 0; i < 2; i++) assert.equal((await registry.get('v2/test/hello/manifests/1.0.0')).status, 502);
    assert.equal(upstream.requests.filter((line) => line.endsWith('/manifests/1.0.0')).length, 1);
    assert.equal(await logText(registry), '');
  });
}

test('O7: a layer that lies elsewhere is not fetched from there', async (t) => {
  const { registry, upstream } = await openScene(t);
  const canary = await startFakeUpstream(t);
  const bytes = addRelease(upstream, { repository: 'mirror/test/hello', tag: '1.0.0', layer: moduleOf(1) });
  const manifest = JSON.parse(new TextDecoder().decode(bytes));
  manifest.layers[0].mediaType = 'application/vnd.oci.image.layer.nondistributable.v1.tar';
  manifest.layers[0].urls = [`http://${canary.host}/layer`];
  upstream.files.set('/v2/mirror/test/hello/manifests/1.0.0', {
    bytes: utf8(JSON.stringify(manifest)),
    type: MANIFEST,
  });
  assert.equal((await registry.get('v2/test/hello/manifests/1.0.0')).status, 502);
  assert.deepEqual(canary.requests, []);
});

test('a namespace that is not defined here cannot come from elsewhere', async (t) => {
  const upstreams = await upstreamsFile(t, 'other', 'registry.example');
  await assert.rejects(
    RunningRegistry.start({ upstreams }),
    (failure) => isRegistryError(failure) && failure.code === 'usage/invalid',
  );
});
