import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { test, type TestContext } from 'node:test';
import {
  decodeSignedRecord,
  digestOf,
  PACKAGE_LOG,
  packageLogId,
  parsePackageName,
  parsePrivateKey,
  utf8,
  wargApi,
} from '@waybill/protocol';
import { OCI_MEDIA_TYPE } from '@waybill/protocol/oci';
import type { ServerOptions } from '../../src/config.ts';
import { joseKeyOf } from '../joint-record.ts';
import { wasmOf } from '../publisher.ts';
import { bodyOf, RunningRegistry, type Answer } from '../running-registry.ts';

/* A real server, from the push of an OCI client to the claim: spec/oci.md 6 and spec/http.md 4.23. */

const NAME = parsePackageName('test:hello');
const LOG_ID = packageLogId(NAME);

async function start(t: TestContext, options: Partial<ServerOptions> = {}): Promise<RunningRegistry> {
  const registry = await RunningRegistry.start(options);
  t.after(() => registry.dispose());
  return registry;
}

async function pushBlob(registry: RunningRegistry, bytes: Uint8Array): Promise<void> {
  const headers = { 'content-type': 'application/octet-stream' };
  const target = `v2/test/hello/blobs/uploads/?digest=${digestOf(bytes)}`;
  const answer = await registry.post(target, { body: bytes, headers });
  assert.equal(answer.status, 201, new TextDecoder().decode(answer.bytes));
}

async function push(registry: RunningRegistry, layer: Uint8Array, tag: string): Promise<Answer> {
  const config = utf8('{}');
  for (const blob of [config, layer]) await pushBlob(registry, blob);
  const json = {
    schemaVersion: 2,
    mediaType: OCI_MEDIA_TYPE.manifest,
    config: { mediaType: OCI_MEDIA_TYPE.empty, digest: digestOf(config), size: config.length },
    layers: [{ mediaType: OCI_MEDIA_TYPE.wasm, digest: digestOf(layer), size: layer.length }],
  };
  const headers = { 'content-type': OCI_MEDIA_TYPE.manifest };
  return registry.send('PUT', `v2/test/hello/manifests/${tag}`, { body: JSON.stringify(json), headers });
}

async function recordCount(registry: RunningRegistry): Promise<number> {
  return (await records(registry)).length;
}

async function records(registry: RunningRegistry) {
  const { contents } = wargApi.decodeSignedCheckpoint((await registry.get('v1/fetch/checkpoint')).bytes);
  const json = { logLength: contents.logLength, packages: { [LOG_ID]: null } };
  const answer = await registry.post('v1/fetch/logs', { json });
  const { packages } = wargApi.decodeFetchLogsResponse(answer.bytes);
  return (packages.get(LOG_ID) ?? []).map(({ envelope }) => decodeSignedRecord(PACKAGE_LOG, envelope));
}

interface Claimed {
  readonly packageName?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function claim(
  registry: RunningRegistry,
  by = 'owner',
  { packageName = NAME, headers = {} }: Claimed = {},
): Promise<Answer> {
  const json = { packageName, publicKey: joseKeyOf(by).publicKey.text };
  return registry.post(`api/v1/package/${LOG_ID}/claim`, { json, headers });
}

test('O1: a push is a release by a key of its own, also after a restart, until the package is claimed', async (t) => {
  const registry = await start(t);
  assert.equal((await push(registry, wasmOf('a'), '1.0.0')).status, 201);
  const file = registry.data('gateway', 'test.key');
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  const { publicKey } = parsePrivateKey(await readFile(file, 'utf8').then((text) => text.trim()));
  assert.notEqual(publicKey.id, registry.operatorKeyId);
  await registry.restart();
  assert.equal((await push(registry, wasmOf('b'), '1.1.0')).status, 201);
  assert.deepEqual(
    (await records(registry)).map(({ envelope }) => envelope.keyId),
    [publicKey.id, publicKey.id],
  );
  assert.equal((await push(registry, wasmOf('b'), '1.0.0')).status, 409);
  assert.equal((await push(registry, wasmOf('a'), '1.0.0')).status, 201);
  const claimed = await claim(registry);
  assert.equal(claimed.status, 201);
  assert.deepEqual(Object.keys(Object(bodyOf(claimed))).toSorted(comparedTexts), [
    'recordId',
    'registryIndex',
    'state',
  ]);
  const refused = await push(registry, wasmOf('c'), '1.2.0');
  assert.equal(refused.status, 403);
  assert.match(new TextDecoder().decode(refused.bytes), /waybill publish/);
  assert.equal(await recordCount(registry), 3);
});

function comparedTexts(a: string, b: string): number {
  return a < b ? -1 : 1;
}

test('O1: of clients that push one version at once with other bytes one is told 201, and the log has one record', async (t) => {
  const registry = await start(t);
  const answers = await Promise.all(['a', 'b', 'c', 'd'].map((text) => push(registry, wasmOf(text), '1.0.0')));
  const statuses = answers.map(({ status }) => status).toSorted((a, b) => a - b);
  assert.deepEqual(statuses, [201, 409, 409, 409]);
  assert.equal(await recordCount(registry), 1);
});

test('a server that was not started for it signs for nobody, and says what to do', async (t) => {
  const registry = await start(t, { gateway: false });
  const refused = await push(registry, wasmOf('a'), '1.0.0');
  assert.equal(refused.status, 403);
  assert.match(new TextDecoder().decode(refused.bytes), /waybill publish/);
});

test('a claim that makes no sense is refused with its code', async (t) => {
  const registry = await start(t);
  assert.deepEqual(coded(await claim(registry)), [404, 'log/not-found']);
  await push(registry, wasmOf('a'), '1.0.0');
  assert.deepEqual(coded(await claim(registry, 'owner', { packageName: 'test:other' })), [400, 'request/invalid']);
  const path = `api/v1/package/${LOG_ID}/claim`;
  assert.equal((await registry.get(path)).status, 405);
  assert.deepEqual(coded(await registry.post(path, { json: {} })), [422, 'wire/shape']);
  assert.equal((await claim(registry)).status, 201);
  assert.deepEqual(coded(await claim(registry, 'thief')), [403, 'oci/gateway']);
});

test('where tokens are needed, so they are for a claim', async (t) => {
  const registry = await start(t, { tokens: 'required', gateway: true });
  assert.deepEqual(coded(await claim(registry)), [401, 'token/required']);
});

function coded(answer: Answer): [number, unknown] {
  return [answer.status, Object(bodyOf(answer)).code];
}

test('W13: no page of another origin claims what its reader pushed', async (t) => {
  const registry = await start(t);
  assert.equal((await push(registry, wasmOf('a'), '1.0.0')).status, 201);
  for (const headers of [
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: registry.url.origin, 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'cross-site' },
  ]) {
    const answer = await claim(registry, 'owner', { headers });
    assert.deepEqual(coded(answer), [403, 'oci/denied'], JSON.stringify(headers));
  }
  assert.equal(await recordCount(registry), 1);
  assert.equal((await claim(registry, 'owner', { headers: { origin: registry.url.origin } })).status, 201);
});
