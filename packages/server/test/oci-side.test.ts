import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { isRegistryError } from '@waybill/protocol';
import { openDatabase } from '../src/storage/sqlite-module.ts';
import { digestOf, IMAGE, imageOf } from './core/oci/oci-world.ts';
import { bodyOf, RunningRegistry, type Answer } from './running-registry.ts';

const MODULE = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

async function withRegistry(
  options: Parameters<typeof RunningRegistry.start>[0],
  work: (registry: RunningRegistry) => Promise<void>,
): Promise<void> {
  const registry = await RunningRegistry.start(options);
  try {
    await work(registry);
  } finally {
    await registry.dispose();
  }
}

async function pushImage(registry: RunningRegistry, repository: string, tag: string): Promise<Answer> {
  for (const blob of [Buffer.from('{}'), MODULE]) {
    const { status } = await registry.post(`v2/${repository}/blobs/uploads/?digest=${digestOf(blob)}`, { body: blob });
    assert.equal(status, 201);
  }
  const layer = { mediaType: 'application/wasm', digest: digestOf(MODULE), size: MODULE.length };
  const body = imageOf([], { layers: [layer] });
  return registry.send('PUT', `v2/${repository}/manifests/${tag}`, { body, headers: { 'content-type': IMAGE } });
}

test('a server keeps what it was pushed, in repositories of either sort', async () => {
  await withRegistry({ ociPrefixes: ['plain'] }, async (registry) => {
    for (const repository of ['plain/a', 'test/a']) {
      assert.equal((await pushImage(registry, repository, '1.0.0')).status, 201, repository);
    }
    await registry.restart();
    assert.deepEqual(bodyOf(await registry.get('v2/_catalog')), { repositories: ['plain/a', 'test/a'] });
    for (const repository of ['plain/a', 'test/a']) {
      const manifest = await registry.get(`v2/${repository}/manifests/1.0.0`);
      assert.equal(manifest.headers.get('docker-content-digest'), digestOf(manifest.bytes));
      const layer = await registry.get(`v2/${repository}/blobs/${digestOf(MODULE)}`);
      assert.deepEqual(layer.bytes, MODULE);
      const removed = await registry.send('DELETE', `v2/${repository}/manifests/1.0.0`);
      assert.equal(removed.status, repository === 'plain/a' ? 202 : 405);
    }
  });
});

test('a repository is listed when it can be read: blobs alone make no package', async () => {
  await withRegistry({ ociPrefixes: ['plain'] }, async (registry) => {
    for (const repository of ['plain/a', 'test/a']) {
      const body = MODULE;
      await registry.post(`v2/${repository}/blobs/uploads/?digest=${digestOf(body)}`, { body });
    }
    assert.deepEqual(bodyOf(await registry.get('v2/_catalog')), { repositories: ['plain/a'] });
    assert.deepEqual(await tagStatuses(registry), [200, 404]);
    await pushImage(registry, 'test/a', '1.0.0');
    assert.deepEqual(bodyOf(await registry.get('v2/_catalog')), { repositories: ['plain/a', 'test/a'] });
    assert.deepEqual(await tagStatuses(registry), [200, 200]);
  });
});

async function tagStatuses(registry: RunningRegistry): Promise<number[]> {
  const lists = ['plain/a', 'test/a'].map((repository) => registry.get(`v2/${repository}/tags/list`));
  return (await Promise.all(lists)).map(({ status }) => status);
}

test('a data folder of a build without OCI is served, and its releases are there', async () => {
  await withRegistry({}, async (registry) => {
    await pushImage(registry, 'test/a', '1.0.0');
    const before = await registry.get('v2/test/a/tags/list');
    await registry.stopKeepingFiles();
    for (const name of ['oci.sqlite', 'oci.sqlite-wal', 'oci.sqlite-shm', 'oci-token.key', 'oci']) {
      await rm(registry.data(name), { recursive: true, force: true });
    }
    await registry.restart();
    assert.deepEqual(await bodyOf(await registry.get('v2/test/a/tags/list')), bodyOf(before));
    assert.deepEqual(bodyOf(await registry.get('v2/_catalog')), { repositories: ['test/a'] });
    const layer = await registry.get(`v2/test/a/blobs/${digestOf(MODULE)}`);
    assert.deepEqual(layer.bytes, MODULE);
  });
});

for (const [title, leave] of [
  ['gone', () => undefined],
  ['empty', (store) => writeFile(store, '')],
  ['a copy without its write-ahead log', noTables],
] as const satisfies readonly (readonly [string, (store: string) => Promise<void> | void])[]) {
  test(`a server whose store is ${title} and whose blobs are not does not start, and sweeps none`, async () => {
    await withRegistry({ ociPrefixes: ['plain'] }, async (registry) => {
      await pushImage(registry, 'plain/a', '1.0.0');
      await registry.stopKeepingFiles();
      const store = registry.data('oci.sqlite');
      const kept = await readFile(store);
      await rm(store);
      await leave(store);
      await assert.rejects(registry.restart(), (thrown) => isRegistryError(thrown, 'storage/damaged'));
      await writeFile(store, kept);
      await registry.restart();
      const layer = await registry.get(`v2/plain/a/blobs/${digestOf(MODULE)}`);
      assert.deepEqual(layer.bytes, MODULE);
    });
  });
}

/** All that a store is has been in its write-ahead log until now. */
function noTables(store: string): void {
  const database = openDatabase(store, 'write');
  database.exec('PRAGMA journal_mode = WAL');
  database.close();
}

test('a first start that died before the store was whole is made good by the next', async () => {
  await withRegistry({ ociPrefixes: ['plain'] }, async (registry) => {
    await registry.stopKeepingFiles();
    for (const name of ['oci.sqlite', 'oci']) await rm(registry.data(name), { recursive: true });
    noTables(registry.data('oci.sqlite'));
    await registry.restart();
    await pushImage(registry, 'plain/a', '1.0.0');
  });
});

test('a prefix that is a namespace of packages keeps a server from starting, and holds nothing', async () => {
  await assert.rejects(RunningRegistry.start({ ociPrefixes: ['plain', 'test/more'] }), (thrown) =>
    isRegistryError(thrown, 'usage/invalid'),
  );
  await withRegistry({}, async (registry) => {
    await registry.stopKeepingFiles();
    const again = { ociPrefixes: ['test'], data: registry.data() };
    await assert.rejects(RunningRegistry.start(again), (thrown) => isRegistryError(thrown, 'usage/invalid'));
    await registry.restart();
  });
});

test('who shows no token where one is needed pulls, and pushes nothing', async () => {
  await withRegistry({ ociPrefixes: ['plain'], tokens: 'required' }, async (registry) => {
    for (const repository of ['plain/a', 'test/a', 'nowhere/a']) {
      const { status, headers } = await registry.post(`v2/${repository}/blobs/uploads/`);
      assert.equal(status, 401, repository);
      assert.match(headers.get('www-authenticate') ?? '', /^Bearer realm="http/);
    }
    assert.equal((await registry.get('v2/plain/a/tags/list')).status, 404);
    assert.deepEqual(bodyOf(await registry.get('v2/_catalog')), { repositories: [] });
  });
});
