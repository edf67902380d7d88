import assert from 'node:assert/strict';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { isRegistryError } from '@waybill/protocol';
import { logLength } from '../operator.ts';
import { Publisher, releaseOf, wasmOf } from '../publisher.ts';
import { assertEmpty, assertJson, bodyOf, RunningRegistry } from '../running-registry.ts';

let registry: RunningRegistry;

before(async () => {
  registry = await RunningRegistry.start();
});
after(() => registry.dispose());

test('a second server on the same folder is refused, and the first goes on', async () => {
  await assert.rejects(registry.startTwin(), (thrown) => isRegistryError(thrown, 'storage/busy'));
  assert.equal((await registry.get('healthz')).status, 200);
});

test('a record that waits for content takes its upload after a restart', async () => {
  const publisher = new Publisher(registry, 'test:patient');
  const [one, two] = [wasmOf('patient one'), wasmOf('patient two')];
  const record = await publisher.record([publisher.init, releaseOf('1.0.0', one), releaseOf('2.0.0', two)]);
  const earlier = await publisher.post(record);
  assertEmpty(await publisher.upload(record.id, one), 201);
  await registry.restart();
  const later = await publisher.post(record);
  assert.equal(later.status, 202);
  assert.notDeepEqual(bodyOf(later), bodyOf(earlier));
  assertJson(await publisher.status(record.id), 200, { recordId: record.id, state: 'processing' });
  const length = await logLength(registry);
  assertEmpty(await publisher.upload(record.id, two), 201);
  const published = { recordId: record.id, state: 'published', registryIndex: length };
  assertJson(await publisher.status(record.id), 200, published);
  await registry.restart();
  assertJson(await publisher.status(record.id), 200, published);
});

test('a rejection is remembered over a restart', async () => {
  const publisher = new Publisher(registry, 'test:rejected');
  const record = await publisher.record([publisher.init, releaseOf('1.0.0', new Uint8Array())]);
  await publisher.post(record);
  assert.equal((await publisher.upload(record.id, new Uint8Array())).status, 422);
  const earlier = bodyOf(await publisher.status(record.id));
  await registry.restart();
  assertJson(await publisher.status(record.id), 200, earlier);
  await publisher.start();
});

test('what is served is the same after a restart', async () => {
  const publisher = new Publisher(registry, 'test:same');
  await publisher.start();
  const length = await logLength(registry);
  const asked = { json: { logLength: length, packages: { [publisher.logId]: null } } };
  const read = async (): Promise<unknown[]> =>
    Promise.all([
      registry.get('v1/fetch/checkpoint').then(bodyOf),
      registry.post('v1/fetch/logs', asked).then(bodyOf),
      registry.get('v1/ledger').then(bodyOf),
      registry.post('v1/proof/inclusion', { json: { logLength: length, leafs: [length - 1] } }).then(bodyOf),
    ]);
  const earlier = await read();
  await registry.restart();
  assert.deepEqual(await read(), earlier);
});

test('a restart clears away what an earlier process left of its uploads', async () => {
  await writeFile(registry.data('content', 'uploads', 'leftover'), 'half a component');
  await registry.restart();
  assert.deepEqual(await readdir(registry.data('content', 'uploads')), []);
});

test('a store without its operator key is not given a new one', async () => {
  const other = await RunningRegistry.start();
  const twin = { data: other.data(), listen: '127.0.0.1:0' };
  await other.stopKeepingFiles();
  await rm(other.operatorKeyFile);
  await assert.rejects(RunningRegistry.start(twin), (thrown) => isRegistryError(thrown, 'key/not-found'));
  assert.ok(!(await readdir(other.data())).includes('operator.key'));
  await other.removeFiles();
});
