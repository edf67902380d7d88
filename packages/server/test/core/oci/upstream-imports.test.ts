import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { isRegistryError, parseNamespace, parsePackageName, RegistryError } from '@waybill/protocol';
import { ociDigestOf, parseTag } from '@waybill/protocol/oci';
import { IMPORTS_MAX, IMPORTS_WAITING_MAX, UPSTREAM_LIST_MS, UPSTREAM_RECHECK_MS } from '../../../src/core/limits.ts';
import { RecentMemory } from '../../../src/core/oci/recent-memory.ts';
import { UpstreamImports, type UpstreamImportsParts } from '../../../src/core/oci/upstream-imports.ts';
import { openOciUpstream } from '../../../src/upstream/oci-upstream.ts';
import { addRelease, startFakeUpstream, type FakeUpstream } from '../../upstream/fake-upstream.ts';

const HELLO = parsePackageName('demo:hello');
const TAG = parseTag('1.0.0');

interface Scene {
  readonly upstream: FakeUpstream;
  readonly imports: UpstreamImports;
  readonly told: unknown[];
  now: number;
}

/** Over a real connection; nothing that comes is published. */
async function openScene(t: TestContext, parts: Partial<UpstreamImportsParts> = {}): Promise<Scene> {
  const upstream = await startFakeUpstream(t);
  const place = {
    namespace: parseNamespace('demo'),
    registry: upstream.host,
    prefix: '',
    isPlainHttp: true,
    hosts: [],
    networks: ['127.0.0.1'],
    credentials: null,
  };
  const told: unknown[] = [];
  const scene = { upstream, told, now: 0 };
  const imports = new UpstreamImports({
    upstreams: [openOciUpstream(place)],
    blobs: { take: async () => undefined },
    importRelease: async () => undefined,
    requireMay: async () => undefined,
    observer: {
      imported: (name) => told.push(['imported', name]),
      failed: (name, failure) => told.push(['failed', name, isRegistryError(failure) ? failure.code : null]),
      changed: (name, { was, now }) => told.push(['changed', name, was, now]),
    },
    clock: () => scene.now,
    ...parts,
  });
  return Object.assign(scene, { imports });
}

test('that a tag has moved at the other registry is told, and asked for once an hour', async (t) => {
  const scene = await openScene(t);
  const { upstream, imports, told } = scene;
  const release = { repository: 'demo/hello', tag: TAG };
  const was = ociDigestOf('sha256', addRelease(upstream, { ...release, layer: Uint8Array.of(1) }));
  await imports.recheck(HELLO, TAG, was);
  assert.deepEqual(told, []);
  const now = ociDigestOf('sha256', addRelease(upstream, { ...release, layer: Uint8Array.of(2) }));
  await imports.recheck(HELLO, TAG, was);
  assert.equal(upstream.requests.length, 1);
  scene.now += UPSTREAM_RECHECK_MS;
  await imports.recheck(HELLO, TAG, was);
  assert.deepEqual(told, [['changed', HELLO, was, now]]);
  assert.ok(upstream.requests.every((line) => line.startsWith('HEAD ')));
  scene.now += UPSTREAM_RECHECK_MS;
  await upstream.stop();
  await imports.recheck(HELLO, TAG, was);
  assert.deepEqual(told.at(-1), ['failed', HELLO, 'upstream/failed']);
});

test('a list of tags is asked for once a minute, and is empty where it cannot be had or nothing may come', async (t) => {
  const scene = await openScene(t);
  const { upstream, imports } = scene;
  addRelease(upstream, { repository: 'demo/hello', tag: TAG, layer: Uint8Array.of(1) });
  assert.deepEqual([await imports.tags(HELLO), await imports.tags(HELLO)], [[TAG], [TAG]]);
  assert.equal(upstream.requests.length, 1);
  await upstream.stop();
  assert.deepEqual(await imports.tags(HELLO), [TAG]);
  scene.now += UPSTREAM_LIST_MS;
  assert.deepEqual(await imports.tags(HELLO), []);

  const requireMay = (): Promise<void> => Promise.reject(new RegistryError('oci/gateway', 'it has an owner'));
  const owned = await openScene(t, { requireMay });
  addRelease(owned.upstream, { repository: 'demo/hello', tag: TAG, layer: Uint8Array.of(1) });
  assert.deepEqual(await owned.imports.tags(HELLO), []);
  assert.equal(await owned.imports.import(HELLO, TAG), false);
  assert.deepEqual(owned.upstream.requests, []);
});

test('W1: of many that ask few are fetched at one time, some wait, and the rest are told to come back', async (t) => {
  const { upstream, imports } = await openScene(t);
  const held: (() => void)[] = [];
  upstream.lie = (_request, response) => {
    held.push(() => response.writeHead(404).end());
    return true;
  };
  const room = IMPORTS_MAX + IMPORTS_WAITING_MAX;
  const running = Array.from({ length: room }, (_, i) => imports.import(HELLO, parseTag(`1.0.${i}`)));
  await assert.rejects(
    imports.import(HELLO, parseTag('2.0.0')),
    (failure) => isRegistryError(failure) && failure.code === 'request/too-many',
  );
  let atOnce = 0;
  const all = Promise.all(running);
  for (let answered = 0; answered < room;) {
    await new Promise((resolve) => setImmediate(resolve));
    atOnce = Math.max(atOnce, held.length);
    for (const answer of held.splice(0)) {
      answer();
      answered += 1;
    }
  }
  assert.deepEqual(new Set(await all), new Set([false]));
  assert.ok(atOnce <= IMPORTS_MAX, String(atOnce));
  upstream.lie = () => false;
  assert.equal(await imports.import(HELLO, parseTag('2.0.0')), false);
});

test('W1: a list is asked for once by all who wait for it, few lists at one time, and imports go on meanwhile', async (t) => {
  const { upstream, imports } = await openScene(t);
  const held: (() => void)[] = [];
  upstream.lie = ({ url }, response) => {
    if (url?.endsWith('/tags/list') !== true) return false;
    held.push(() => response.writeHead(404).end());
    return true;
  };
  const room = IMPORTS_MAX + IMPORTS_WAITING_MAX;
  const running = Array.from({ length: room }, (_, i) => imports.tags(parsePackageName(`demo:p${i}`)));
  const same = imports.tags(parsePackageName('demo:p0'));
  await assert.rejects(imports.tags(HELLO), (failure) => isRegistryError(failure, 'request/too-many'));
  assert.equal(await imports.import(HELLO, TAG), false);
  let atOnce = 0;
  for (let answered = 0; answered < room;) {
    await new Promise((resolve) => setImmediate(resolve));
    atOnce = Math.max(atOnce, held.length);
    for (const answer of held.splice(0)) {
      answer();
      answered += 1;
    }
  }
  assert.deepEqual(
    await Promise.all([...running, same]),
    Array.from({ length: room + 1 }, () => []),
  );
  assert.ok(atOnce <= IMPORTS_MAX, String(atOnce));
  assert.equal(upstream.requests.filter((line) => line.includes('/p0/')).length, 1);
});

test('W16: what is remembered has a size, and what is too large for it is not remembered', () => {
  let now = 0;
  const memory = new RecentMemory<string>({ lifeMs: 10, sizeMax: 5, sizeOf: ({ length }) => length, clock: () => now });
  for (const [key, value] of [
    ['a', 'xx'],
    ['b', 'xxx'],
    ['c', 'x'],
    ['d', 'xxxxxx'],
    ['c', 'xx'],
  ] as const)
    memory.set(key, value);
  assert.deepEqual(
    ['a', 'b', 'c', 'd'].map((key) => memory.get(key)),
    [null, 'xxx', 'xx', null],
  );
  now = 10;
  assert.equal(memory.get('b'), null);
});
