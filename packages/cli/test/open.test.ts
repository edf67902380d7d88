import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { open, openMemory, type OpenOptions } from '@waybill/client';
import { openMemoryFiles } from '@waybill/client/node';
import { digestOf, isRegistryError, type ErrorCode } from '@waybill/protocol';
import { COMPONENT, CORE_MODULE, openRegistry, openUser, type TestRegistry, type TestUser } from './registry.ts';

/* A program that reads from a registry with `open` of @waybill/client. */

let registry: TestRegistry;
let user: TestUser;
let pinned: OpenOptions;
let component: Uint8Array;

before(async () => {
  registry = await openRegistry();
  pinned = { operatorKey: registry.operatorKeyId };
  component = await readFile(COMPONENT);
  user = await openUser({ WAYBILL_REGISTRY: registry.url.href });
  await user.ok('key', 'new', '--alg', 'Ed25519');
  for (const version of ['1.0.0', '1.1.0', '1.2.0', '2.0.0']) {
    await user.ok(
      'publish',
      version === '1.0.0' ? CORE_MODULE : COMPONENT,
      '--package',
      'test:tool',
      '--version',
      version,
    );
  }
  await user.ok('yank', 'test:tool@2.0.0', '--reason', 'wrong file');
  const advisory = JSON.stringify({ id: 'WB-1', severity: 'high' });
  await user.ok('annotate', 'test:tool@1.2.0', '--type', 'advisory', '--body', advisory);
  await user.ok('deprecate', 'test:tool@1.0.0', '--message', 'too old');
});

after(async () => {
  await registry.dispose();
  await user.dispose();
});

function failsWith(code: ErrorCode) {
  return (thrown: unknown): boolean => isRegistryError(thrown, code);
}

test('package: every release, with what its log says of it', async () => {
  const opened = await open(registry.url.href, pinned);
  const { name, unrooted, releases, checkpoint } = await opened.package('test:tool');
  assert.deepEqual({ name, unrooted }, { name: 'test:tool', unrooted: null });
  assert.deepEqual(
    releases.map(({ version, yanked, deprecation, advisories }) => [
      version,
      yanked?.reason,
      deprecation?.message,
      advisories.map(({ id }) => id),
    ]),
    [
      ['2.0.0', 'wrong file', undefined, []],
      ['1.2.0', undefined, undefined, ['WB-1']],
      ['1.1.0', undefined, undefined, []],
      ['1.0.0', undefined, 'too old', []],
    ],
  );
  const [newest] = releases;
  assert.equal(newest?.digest, digestOf(component));
  assert.equal(newest?.size, component.length);
  assert.equal(newest?.mediaType, 'application/wasm');
  assert.ok(releases.every(({ registryIndex }) => registryIndex < checkpoint.contents.logLength));
});

test('find: the release that a requirement means, and what to be told of it', async () => {
  const opened = await open(registry.url.href, pinned);
  const found = await opened.find('test:tool@^1');
  assert.equal(found.release.version, '1.1.0');
  assert.deepEqual(
    found.warnings.map(({ kind, version }) => [kind, version]),
    [['passed over', '1.2.0']],
  );
  const affected = await opened.find('test:tool@^1', { advisories: 'allow' });
  assert.equal(affected.release.version, '1.2.0');
  assert.deepEqual(
    affected.warnings.map(({ kind }) => kind),
    ['advisory'],
  );
  const exact = await opened.find('test:tool@2.0.0');
  assert.deepEqual(
    exact.warnings.map(({ kind, text }) => [kind, text]),
    [['yanked', 'test:tool@2.0.0 was yanked: wrong file']],
  );
  await assert.rejects(opened.find('test:tool@^9'), failsWith('release/not-found'));
  await assert.rejects(opened.find('test:none'), failsWith('log/not-found'));
  await assert.rejects(opened.find('Test:Tool'), failsWith('text/package-name'));
});

test('get: the bytes that the log names, and no more of them than allowed', async () => {
  const opened = await open(registry.url.href, pinned);
  const progress: number[] = [];
  const { release, bytes } = await opened.get('test:tool@^1', { onProgress: (received) => progress.push(received) });
  assert.equal(release.version, '1.1.0');
  assert.ok(Buffer.from(bytes).equals(component));
  assert.equal(progress.at(-1), component.length);
  // What was found before is fetched as it was chosen, and from memory.
  const again = await opened.get(await opened.find('test:tool@1.2.0'));
  assert.ok(Buffer.from(again.bytes).equals(component));
  await assert.rejects(opened.get('test:tool@1.1.0', { bytesMax: 1000 }), failsWith('content/size'));
});

test('verify: which release the bytes are', async () => {
  const opened = await open(registry.url.href, pinned);
  assert.equal((await opened.verify(component, 'test:tool')).release.version, '1.2.0');
  assert.equal((await opened.verify(component, 'test:tool@1.1.0')).release.version, '1.1.0');
  await assert.rejects(opened.verify(component, 'test:tool@1.0.0'), failsWith('content/digest'));
  await assert.rejects(opened.verify(component.subarray(1), 'test:tool'), failsWith('content/digest'));
});

test('U1: nothing is asked of a registry that nothing vouches for; what is remembered vouches', async () => {
  let asked = 0;
  const fetch = (url: string, init: RequestInit): Promise<Response> => {
    asked++;
    return globalThis.fetch(url.replace('https://registry.example/', registry.url.href), init);
  };
  const open_ = (options: OpenOptions) => open('https://registry.example', { fetch, ...options });
  await assert.rejects(open_({ operatorKey: null }), failsWith('operator/unpinned'));
  const memory = openMemory();
  await assert.rejects(open_({ operatorKey: null, memory }), failsWith('operator/unpinned'));
  assert.equal(asked, 0);
  await (await open_({ ...pinned, memory })).find('test:tool');
  assert.ok(asked > 0);
  await (await open_({ operatorKey: null, memory })).find('test:tool');
  const other = await open_({ operatorKey: digestOf(component) });
  await assert.rejects(other.find('test:tool'), failsWith('operator/changed'));
  // Whoever runs a registry on this machine is the one who asks.
  await (await open(registry.url.href, { operatorKey: null })).find('test:tool');
});

test('a memory on disk is one for many programs', async () => {
  const folder = path.join(user.home, 'memory');
  const options = { operatorKey: null, memory: openMemoryFiles(folder, registry.url.href) };
  await (await open(registry.url.href, options)).get('test:tool@1.1.0');
  const asked: string[] = [];
  const fetch = (url: string, init: RequestInit): Promise<Response> => {
    asked.push(url);
    return globalThis.fetch(url, init);
  };
  await (await open(registry.url.href, { ...options, fetch })).get('test:tool@1.1.0');
  assert.deepEqual(
    asked.filter((url) => url.includes('content')),
    [],
  );
});

type Lie = (url: string, body: Buffer) => Buffer;

const LIES: readonly (readonly [title: string, codes: readonly ErrorCode[], lie: Lie])[] = [
  ['other bytes', ['content/digest'], (_, body) => (body.length === component.length ? changed(body) : body)],
  [
    'another log',
    ['log/invalid', 'registry/protocol'],
    (url, body) => (url.endsWith('/fetch/logs') ? changed(body) : body),
  ],
  [
    'another checkpoint',
    ['checkpoint/signature', 'registry/protocol'],
    (url, body) => (url.endsWith('/checkpoint') ? changed(body) : body),
  ],
];

/** Changed in the contents of its last record; what has none, half way through. */
function changed(body: Buffer): Buffer {
  const copy = Buffer.from(body);
  const contents = copy.lastIndexOf('"contentBytes":"');
  const at = contents < 0 ? Math.floor(copy.length / 2) : contents + 60;
  copy[at] = copy[at] === 0x41 ? 0x42 : 0x41;
  return copy;
}

test('T1: of a registry that changes what it serves nothing is given, and the evidence is kept', async () => {
  for (const [title, codes, lie] of LIES) {
    const fetch = async (url: string, init: RequestInit): Promise<Response> => {
      const answer = await globalThis.fetch(url, init);
      return new Response(new Uint8Array(lie(url, Buffer.from(await answer.arrayBuffer()))), { status: answer.status });
    };
    const memory = openMemory();
    const opened = await open(registry.url.href, { ...pinned, memory, fetch });
    const isCaught = (thrown: unknown): boolean => isRegistryError(thrown, ...codes) && 'evidence' in thrown.detail;
    await assert.rejects(opened.get('test:tool@1.1.0'), isCaught, title);
    assert.equal(memory.evidence.length, 1, title);
    assert.equal(await memory.contents.read(digestOf(component)), null, title);
  }
});
