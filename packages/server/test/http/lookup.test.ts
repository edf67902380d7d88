import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, before, test } from 'node:test';
import { digestOf, parseVersion, type Digest, type PackageEntry } from '@waybill/protocol';
import { openDatabase } from '../../src/storage/sqlite-module.ts';
import { Publisher, releaseOf, wasmOf } from '../publisher.ts';
import { assertEmpty, bodyOf, RunningRegistry, type Answer } from '../running-registry.ts';

let registry: RunningRegistry;
const shared = wasmOf('shared');
const own = wasmOf('own');

before(async () => {
  registry = await RunningRegistry.start();
  const one = new Publisher(registry, 'test:one');
  await one.publish(
    [one.init, releaseOf('1.0.0', shared), releaseOf('1.0.1', own), releaseOf('1.1.0', shared)],
    [shared, own],
  );
  const two = new Publisher(registry, 'test:two');
  await two.publish([two.init, releaseOf('2.0.0', shared)]);
  const yank: PackageEntry = { type: 'yank', version: parseVersion('1.1.0') };
  await one.publish([yank]);
});
after(() => registry.dispose());

interface Page {
  readonly logLength: number;
  readonly releases: readonly Record<string, unknown>[];
  readonly next: string | null;
}

function lookUp(digest: string, query = ''): Promise<Answer> {
  return registry.get(`api/v1/content/${digest}/releases${query}`);
}

function pageOf(answer: Answer): Page {
  assert.equal(answer.status, 200);
  const body = bodyOf(answer);
  assert.ok(isPage(body));
  return body;
}

function isPage(body: unknown): body is Page {
  return typeof body === 'object' && body !== null && 'releases' in body && 'next' in body && 'logLength' in body;
}

function named({ releases }: Page): string[] {
  return releases.map((release) => `${String(release['package'])}@${String(release['version'])}`);
}

const ALL = ['test:one@1.0.0', 'test:one@1.1.0', 'test:two@2.0.0'];

test('http 4.22: every release that holds a content is named, in the order of the log', async () => {
  const answer = await lookUp(digestOf(shared));
  assert.equal(answer.headers.get('cache-control'), 'no-store');
  const page = pageOf(answer);
  assert.deepEqual(named(page), ALL);
  assert.equal(page.next, null);
  const [first] = page.releases;
  assert.deepEqual(Object.keys(first ?? {}), ['package', 'version', 'recordId', 'registryIndex', 'kind']);
  assert.equal(first?.['kind'], 'wasm');
  assert.deepEqual(named(pageOf(await lookUp(digestOf(own)))), ['test:one@1.0.1']);
});

test('http 4.22: a content that no release holds is an empty list', async () => {
  const { releases, next } = pageOf(await lookUp(digestOf(wasmOf('nobody'))));
  assert.deepEqual([releases, next], [[], null]);
});

test('http 4.22: pages of any size make up the same list, also within a record', async () => {
  for (const limit of [1, 2, 3]) {
    const found: string[] = [];
    let next: string | null = '';
    while (next !== null) {
      const page: Page = pageOf(await lookUp(digestOf(shared), `?limit=${limit}${next && `&after=${next}`}`));
      assert.ok(page.releases.length <= limit);
      found.push(...named(page));
      next = page.next;
    }
    assert.deepEqual(found, ALL);
  }
});

const REFUSED: readonly (readonly [string, string, number])[] = [
  ['no digest', 'sha256:00', 400],
  ['another algorithm', `sha512:${'ab'.repeat(64)}`, 400],
  ['no limit', `${digestOf(shared)}?limit=0`, 400],
  ['a limit beyond the largest', `${digestOf(shared)}?limit=101`, 400],
  ['a limit that is no number', `${digestOf(shared)}?limit=1e1`, 400],
  ['a place that is none', `${digestOf(shared)}?after=1`, 400],
  ['a place beyond all numbers', `${digestOf(shared)}?after=9999999999999999.0`, 400],
];

for (const [what, asked, status] of REFUSED) {
  test(`http 4.22: ${what} is refused`, async () => {
    const [digest = '', query = ''] = asked.split('?');
    const answer = await lookUp(digest, query && `?${query}`);
    assert.equal(answer.status, status);
    const body = bodyOf(answer);
    assert.ok(typeof body === 'object' && body !== null && 'code' in body && typeof body.code === 'string');
  });
}

test('http 4.22: nothing is posted there', async () => {
  assertEmpty(await registry.post(`api/v1/content/${digestOf(shared)}/releases`, { json: {} }), 405);
});

test('a store of a build without holdings answers when its records were gone through (threats D11)', async (context) => {
  const old = await RunningRegistry.start();
  context.after(() => old.dispose());
  const digests: Digest[] = [];
  for (let n = 0; n < 5; n++) {
    const publisher = new Publisher(old, `test:p${'abcde'[n]}`);
    await publisher.start();
    digests.push(digestOf(wasmOf(publisher.name)));
  }
  await old.stopKeepingFiles();
  const database = openDatabase(old.data('registry.sqlite'), 'write');
  database.exec('DROP TABLE holdings; DROP TABLE holdings_gap; DROP TABLE first_heads; PRAGMA user_version = 5;');
  database.close();
  await old.restart();
  for (const digest of digests) {
    let answer = await old.get(`api/v1/content/${digest}/releases`);
    for (; answer.status === 503; answer = await old.get(`api/v1/content/${digest}/releases`)) {
      assert.equal(answer.headers.get('retry-after'), '1');
      await sleep(5);
    }
    assert.equal(pageOf(answer).releases.length, 1);
  }
});

test('a row that leads to another release is a fault of the store, not an answer', async (context) => {
  const damaged = await RunningRegistry.start();
  context.after(() => damaged.dispose());
  await new Publisher(damaged, 'test:one').start();
  const database = openDatabase(damaged.data('registry.sqlite'), 'write');
  database.exec('UPDATE holdings SET digest = zeroblob(32)');
  database.close();
  const answer = await damaged.get(`api/v1/content/sha256:${'00'.repeat(32)}/releases`);
  assert.equal(answer.status, 500);
});
