import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, test } from 'node:test';
import { isRegistryError, type ErrorCode } from '@waybill/protocol';
import { OCI_TAGS_AT_ONCE_MAX } from '../../../src/core/limits.ts';
import type { ManifestPush, ReferrerDescriptor } from '../../../src/core/oci/oci-registry.ts';
import {
  ANYONE,
  bodyOf,
  bytesOf,
  descriptor,
  digestOf,
  disposeCore,
  IMAGE,
  imageOf,
  INDEX,
  memoryDrivers,
  openWorld,
  pushBlob,
  putImage,
  repo,
  storeWith,
  tag,
  TestClock,
  type OciWorld,
} from './oci-world.ts';

const REPOSITORY = repo('plain/a');
const ALL = { last: null, limit: null };

after(disposeCore);

function refused(work: Promise<unknown>, code: ErrorCode, what?: string): Promise<void> {
  return assert.rejects(work, (thrown) => isRegistryError(thrown, code), what);
}

function pushOf(bytes: Uint8Array, more: Partial<ManifestPush> = {}): ManifestPush {
  return { reference: { tag: tag('x') }, tags: [], contentType: IMAGE, bytes, ...more };
}

function put(
  { view }: OciWorld,
  bytes: Uint8Array,
  more: Partial<ManifestPush> = {},
): ReturnType<typeof view.putManifest> {
  return view.putManifest(ANYONE, REPOSITORY, pushOf(bytes, more));
}

async function tagsOf({ view }: OciWorld, page: { last: string | null; limit: number | null } = ALL): Promise<unknown> {
  return view.tags(ANYONE, REPOSITORY, page);
}

test('a manifest comes back as it was pushed, byte for byte', async () => {
  const world = await openWorld(new TestClock());
  await pushBlob(world, 'plain/a', '{}');
  const bytes = bytesOf(`\n {"schemaVersion": 2,  "unknown": [1.0, "\\u00e9"],
    "layers": [], "config": ${JSON.stringify(descriptor('{}'))} }  `);
  const { digest } = await put(world, bytes);
  assert.equal(digest, digestOf(bytes));
  for (const reference of [{ tag: tag('x') }, { digest }]) {
    const found = await world.view.manifest(ANYONE, REPOSITORY, reference);
    assert.deepEqual(found, { mediaType: IMAGE, digest, bytes, warning: null });
  }
});

test('a manifest is found by the digest under which it was pushed, which its tags say', async () => {
  const world = await openWorld(new TestClock());
  await pushBlob(world, 'plain/a', '{}');
  const bytes = imageOf([]);
  const long = digestOf(bytes, 'sha512');
  const pushed = await put(world, bytes, { reference: { digest: long }, tags: ['a', 'b', 'a'].map(tag) });
  assert.deepEqual(pushed, { digest: long, subject: null, tags: ['a', 'b'], warning: null });
  for (const reference of [{ digest: long }, { tag: tag('a') }, { tag: tag('b') }]) {
    assert.equal((await world.view.manifest(ANYONE, REPOSITORY, reference)).digest, long);
  }
  const short = { digest: digestOf(bytes) };
  await refused(world.view.manifest(ANYONE, REPOSITORY, short), 'oci/manifest-unknown');
  await put(world, bytes, { reference: { tag: tag('c') } });
  assert.equal((await world.view.manifest(ANYONE, REPOSITORY, { tag: tag('c') })).digest, short.digest);
  assert.equal((await world.view.manifest(ANYONE, REPOSITORY, { tag: tag('a') })).digest, long);
});

test('what is refused leaves nothing', async () => {
  const world = await openWorld(new TestClock());
  await pushBlob(world, 'plain/a', '{}');
  await pushBlob(world, 'plain/b', 'elsewhere');
  const many = Array.from({ length: OCI_TAGS_AT_ONCE_MAX + 1 }, (_, index) => tag(`t${index}`));
  const lie = imageOf([], { layers: [descriptor('{}', { size: 3 })] });
  const twice = imageOf([], { layers: [descriptor('{}', { size: 3 }), descriptor('{}')] });
  const index = { schemaVersion: 2, mediaType: INDEX, manifests: [descriptor('child', { mediaType: IMAGE })] };
  const foreignAndOwn = [descriptor('far', { mediaType: FOREIGN }), descriptor('far')];
  const cases: readonly [string, Uint8Array, Partial<ManifestPush>, ErrorCode][] = [
    ['a layer that is nowhere', imageOf(['nowhere']), {}, 'oci/manifest-blob'],
    ['a layer of another repository', imageOf(['elsewhere']), {}, 'oci/manifest-blob'],
    ['a child that is nowhere', bytesOf(JSON.stringify(index)), { contentType: INDEX }, 'oci/manifest-blob'],
    ['a lie about a size', lie, {}, 'oci/manifest'],
    ['two sizes of one blob', twice, {}, 'oci/manifest'],
    ['no JSON', bytesOf('{'), {}, 'oci/manifest'],
    ['another digest', imageOf([]), { reference: { digest: digestOf('x') } }, 'oci/digest-mismatch'],
    [
      'another digest by sha512',
      imageOf([]),
      { reference: { digest: digestOf('x', 'sha512') } },
      'oci/digest-mismatch',
    ],
    ['too many tags', imageOf([]), { tags: many }, 'oci/tag'],
    ['a layer that is foreign and is not', imageOf([], { layers: foreignAndOwn }), {}, 'oci/manifest-blob'],
  ];
  for (const [what, bytes, more, code] of cases) {
    await refused(put(world, bytes, more), code, what);
    assert.deepEqual(await tagsOf(world), { items: [], more: false }, what);
    await refused(world.view.manifest(ANYONE, REPOSITORY, { digest: digestOf(bytes) }), 'oci/manifest-unknown', what);
  }
});

const FOREIGN = 'application/vnd.oci.image.layer.nondistributable.v1.tar';

test('a foreign layer may be missing, and nobody connects to where it says it is (SECURITY.md O7)', async () => {
  let connections = 0;
  const canary = createServer((socket) => {
    connections++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => canary.listen(0, '127.0.0.1', resolve));
  const address = canary.address();
  assert.ok(address !== null && typeof address === 'object');
  try {
    const world = await openWorld(new TestClock());
    await pushBlob(world, 'plain/a', '{}');
    const urls = [`http://127.0.0.1:${address.port}/layer`];
    const { digest } = await put(world, imageOf([], { layers: [descriptor('far', { mediaType: FOREIGN, urls })] }));
    await world.view.manifest(ANYONE, REPOSITORY, { digest });
    await refused(world.view.blob(ANYONE, REPOSITORY, digestOf('far')), 'oci/blob-unknown');
    await world.sweep.step();
    assert.equal(connections, 0);
  } finally {
    await new Promise((resolve) => canary.close(resolve));
  }
});

test('an index names its children, and a subject need not be there', async () => {
  const world = await openWorld(new TestClock());
  const child = await putImage(world, 'plain/a', 'child');
  const bytes = imageOf([]);
  const manifests = [{ mediaType: IMAGE, digest: child, size: bytes.length }];
  const missing = { mediaType: IMAGE, digest: digestOf('nowhere'), size: 7 };
  const index = { schemaVersion: 2, mediaType: INDEX, manifests, subject: missing };
  const pushed = await put(world, bytesOf(JSON.stringify(index)), { contentType: INDEX });
  assert.equal(pushed.subject, missing.digest);
  const empty = { schemaVersion: 2, mediaType: INDEX, manifests: [] };
  await put(world, bytesOf(JSON.stringify(empty)), { contentType: INDEX });
});

test('tags move, and are listed in the order of their bytes, page by page', async () => {
  const world = await openWorld(new TestClock());
  await refused(tagsOf(world), 'oci/repository');
  const first = await putImage(world, 'plain/a', 'b');
  const second = await putImage(world, 'plain/a', 'b', { layers: ['other'] });
  assert.notEqual(first, second);
  assert.equal((await world.view.manifest(ANYONE, REPOSITORY, { tag: tag('b') })).digest, second);
  for (const name of ['a', 'B', '_', '10', '9', 'a.b', 'a-b']) await putImage(world, 'plain/a', name);
  const all = ['10', '9', 'B', '_', 'a', 'a-b', 'a.b', 'b'];
  const pages: readonly [string | null, number | null, readonly string[], boolean][] = [
    [null, null, all, false],
    [null, 0, [], false],
    [null, 3, ['10', '9', 'B'], true],
    ['B', 3, ['_', 'a', 'a-b'], true],
    ['a-b', 3, ['a.b', 'b'], false],
    ['a-b', 2, ['a.b', 'b'], false],
    // It need not exist any more.
    ['C', null, ['_', 'a', 'a-b', 'a.b', 'b'], false],
    ['b', null, [], false],
    [null, 1e15, all, false],
  ];
  for (const [last, limit, items, more] of pages) {
    assert.deepEqual(await tagsOf(world, { last, limit }), { items, more }, `${last} ${limit}`);
  }
});

test('a tag goes alone, a manifest with its tags, a blob from its repository', async () => {
  const world = await openWorld(new TestClock());
  const { view } = world;
  const digest = await putImage(world, 'plain/a', 'a', { layers: ['layer'] });
  await putImage(world, 'plain/b', 'a', { layers: ['layer'] });
  await put(world, imageOf(['layer']), { tags: [tag('b'), tag('c')] });
  await view.deleteManifest(ANYONE, REPOSITORY, { tag: tag('a') });
  assert.deepEqual(await tagsOf(world), { items: ['b', 'c', 'x'], more: false });
  await refused(view.deleteManifest(ANYONE, REPOSITORY, { tag: tag('a') }), 'oci/manifest-unknown');
  await view.deleteManifest(ANYONE, REPOSITORY, { digest });
  assert.deepEqual(await tagsOf(world), { items: [], more: false });
  for (const reference of [{ digest }, { tag: tag('b') }]) {
    await refused(view.manifest(ANYONE, REPOSITORY, reference), 'oci/manifest-unknown');
    await refused(view.deleteManifest(ANYONE, REPOSITORY, reference), 'oci/manifest-unknown');
  }
  await view.deleteBlob(ANYONE, REPOSITORY, digestOf('layer'));
  await refused(view.blob(ANYONE, REPOSITORY, digestOf('layer')), 'oci/blob-unknown');
  await refused(view.deleteBlob(ANYONE, REPOSITORY, digestOf('layer')), 'oci/blob-unknown');
  await view.manifest(ANYONE, repo('plain/b'), { tag: tag('a') });
  assert.equal((await view.blob(ANYONE, repo('plain/b'), digestOf('layer'))).size, 5);
});

async function referrers(
  { view }: OciWorld,
  asked: { artifactType?: string; last?: string; limit?: number } = {},
): Promise<{ items: readonly ReferrerDescriptor[]; more: boolean }> {
  const { artifactType = null, last = null, limit = null } = asked;
  return view.referrers(ANYONE, REPOSITORY, digestOf('subject'), { artifactType, last, limit });
}

test('referrers say what they are, by their own type or that of their configuration', async () => {
  const world = await openWorld(new TestClock());
  assert.deepEqual(await referrers(world), { items: [], more: false });
  const subject = { mediaType: IMAGE, digest: digestOf('subject'), size: 7 };
  const typed = await putImage(world, 'plain/a', 'a', { more: { subject, artifactType: 'text/a' } });
  const annotated = await putImage(world, 'plain/a', 'b', { more: { subject, annotations: { by: 'somebody' } } });
  const index = bytesOf(JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [], subject }));
  const { digest: list } = await put(world, index, { contentType: INDEX });
  await putImage(world, 'plain/a', 'c', { more: { subject: { ...subject, digest: digestOf('other') } } });
  await putImage(world, 'plain/b', 'd', { more: { subject } });
  const expected: ReferrerDescriptor[] = [
    { mediaType: IMAGE, digest: typed, size: 0, artifactType: 'text/a', annotations: null },
    {
      mediaType: IMAGE,
      digest: annotated,
      size: 0,
      artifactType: 'application/vnd.oci.empty.v1+json',
      annotations: { by: 'somebody' },
    },
    { mediaType: INDEX, digest: list, size: 0, artifactType: null, annotations: null },
  ];
  const sorted = expected.toSorted((a, b) => (a.digest < b.digest ? -1 : 1));
  const found = await referrers(world);
  for (const { digest, size } of found.items) {
    assert.equal(size, (await world.view.manifest(ANYONE, REPOSITORY, { digest })).bytes.length);
  }
  assert.deepEqual(
    found.items.map((item) => ({ ...item, size: 0 })),
    sorted,
  );
  assert.deepEqual(
    (await referrers(world, { artifactType: 'text/a' })).items.map(({ digest }) => digest),
    [typed],
  );
  assert.deepEqual(await referrers(world, { artifactType: 'text/b' }), { items: [], more: false });
});

test('referrers come page by page, each at least one and of bounded bytes', async () => {
  const world = await openWorld(new TestClock());
  const subject = { mediaType: IMAGE, digest: digestOf('subject'), size: 7 };
  const pushed: string[] = [];
  for (let index = 0; index < 40; index++) {
    pushed.push(
      await putImage(world, 'plain/a', `t${index}`, { more: { subject, annotations: { index: `${index}` } } }),
    );
  }
  for (const limit of [1, 7, 16, 20, 39, 40, 41]) {
    const seen: string[] = [];
    for (
      let page = await referrers(world, { limit });
      ;
      page = await referrers(world, { limit, last: seen.at(-1) ?? '' })
    ) {
      assert.ok(page.items.length <= limit);
      seen.push(...page.items.map(({ digest }) => digest));
      if (!page.more) break;
    }
    assert.deepEqual(seen, pushed.toSorted(), `${limit}`);
  }
  assert.deepEqual(await referrers(world, { limit: 0 }), { items: [], more: false });
  const big = { by: 'x'.repeat(3_900_000) };
  for (let index = 0; index < 4; index++) {
    const more = { subject, artifactType: 'text/big', annotations: { ...big, index: `${index}` } };
    await putImage(world, 'plain/a', 'big', { more });
  }
  const page = await referrers(world, { artifactType: 'text/big' });
  assert.equal(page.items.length, 2);
  assert.equal(page.more, true);
});

test('the catalog has what is served, in order, page by page', async () => {
  const world = await openWorld(new TestClock(), { packageNames: ['plain/aa', 'test/package'] });
  const names = ['other/x', 'plain/a', 'plain/a/b', 'plain/b', 'test/package'];
  for (const name of [...names.toReversed(), 'test/no-package-yet']) await pushBlob(world, name, 'x');
  // Of a prefix that is not configured any more.
  const links = [{ repository: repo('former/x'), digest: digestOf('x'), size: 1, linkedAtMs: 0 }];
  await world.store.write({ links, manifests: [], tags: [] }, false);
  const catalog = (last: string | null, limit: number | null): Promise<unknown> =>
    world.view.catalog(ANYONE, { last, limit });
  assert.deepEqual(await catalog(null, null), { items: names, more: false });
  assert.deepEqual(await catalog(null, 2), { items: names.slice(0, 2), more: true });
  assert.deepEqual(await catalog('plain/a', 3), { items: names.slice(2), more: false });
  assert.deepEqual(await catalog('plain/az', 1), { items: ['plain/b'], more: true });
  assert.deepEqual(await catalog(null, 0), { items: [], more: false });
  assert.deepEqual(await catalog('z', null), { items: [], more: false });
});

test('the catalog has packages, too, each once, however many there are', async () => {
  const packageNames = Array.from({ length: 1_001 }, (_, index) => `test/p${String(index).padStart(4, '0')}`);
  // No repository can have these names, or there is no such namespace.
  const others = [`a/${'b'.repeat(300)}`, 'gone/package', 'test/UPPER'];
  const world = await openWorld(new TestClock(), { packageNames: [...others, ...packageNames].toSorted() });
  // A package that has blobs is listed once, and not before its log is there.
  for (const name of ['plain/a', 'test/p0003', 'test/p0003x']) await pushBlob(world, name, 'x');
  const all = ['plain/a', ...packageNames];
  const seen: string[] = [];
  for (let page = await world.view.catalog(ANYONE, ALL); ;) {
    seen.push(...page.items);
    if (!page.more) break;
    page = await world.view.catalog(ANYONE, { last: seen.at(-1) ?? null, limit: 77 });
  }
  assert.deepEqual(seen, all);
});

test('the catalog has repositories below each prefix, and reads past none that lie elsewhere', async () => {
  const clock = new TestClock();
  const drivers = memoryDrivers(clock);
  let read = 0;
  const store = storeWith(drivers.store, {
    listRepositories: async (page) => {
      const names = await drivers.store.listRepositories(page);
      read += names.length;
      return names;
    },
  });
  const prefixes = ['z', 'p/q', 'p', 'p-q'];
  const world = await openWorld(clock, { drivers: { ...drivers, store }, prefixes });
  const served = ['p-q/a', 'p/a', ...Array.from({ length: 450 }, (_, n) => `p/q/${1_000 + n}`), 'p/z', 'z/a', 'z/b'];
  // Blobs of packages that never came, and what prefixes have left.
  const others = Array.from({ length: 3_000 }, (_, n) => `test/n${n}`).concat('a/x', 'p.q/x', 'pq/x', 'zz/x');
  const names = [...served, ...others];
  const links = names.map((name) => ({ repository: repo(name), digest: digestOf('x'), size: 1, linkedAtMs: 0 }));
  await world.store.write({ links, manifests: [], tags: [] }, false);
  assert.deepEqual(await world.view.catalog(ANYONE, ALL), { items: served, more: false });
  assert.ok(read < 2_000, `${read} names were read`);
  for (const last of ['p', 'p-q/a', 'p/q/1200', 'p/zz', 'test/n1', 'z/a', 'z/z']) {
    const items = served.filter((name) => name > last);
    assert.deepEqual((await world.view.catalog(ANYONE, { last, limit: null })).items, items, last);
  }
});

test('of two pushes that race one tag, one is the last, and both manifests are there', async () => {
  const world = await openWorld(new TestClock());
  for (const layer of ['{}', 'one', 'two']) await pushBlob(world, 'plain/a', layer);
  const [one, two] = await Promise.all([put(world, imageOf(['one'])), put(world, imageOf(['two']))]);
  const { digest } = await world.view.manifest(ANYONE, REPOSITORY, { tag: tag('x') });
  assert.ok([one.digest, two.digest].includes(digest));
  for (const pushed of [one, two]) await world.view.manifest(ANYONE, REPOSITORY, { digest: pushed.digest });
});

test('a blob whose bytes a power cut took is not here, and can be pushed again', async () => {
  const world = await openWorld(new TestClock());
  const digest = await pushBlob(world, 'plain/a', 'layer');
  await pushBlob(world, 'plain/a', '{}');
  await world.blobs.delete(digest);
  await refused(world.view.blob(ANYONE, REPOSITORY, digest), 'oci/blob-unknown');
  await refused(put(world, imageOf(['layer'])), 'oci/manifest-blob');
  const source = { digest, from: REPOSITORY };
  assert.equal(await world.view.uploads.mount(ANYONE, repo('plain/b'), source), false);
  await world.view.uploads.push(ANYONE, REPOSITORY, { digest, body: bodyOf(['layer']) });
  await put(world, imageOf(['layer']));
});
