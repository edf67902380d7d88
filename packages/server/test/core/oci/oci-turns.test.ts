import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { OciReader, OciStore } from '../../../src/core/oci-ports.ts';
import { OCI_NAMES_STEP, OCI_PREFIXES_MAX, OCI_TAGS_STEP, REFERRERS_STEP } from '../../../src/core/limits.ts';
import { storedReferrers } from '../../../src/core/oci/stored-referrers.ts';
import { ociChange, sampleLink, sampleManifest } from '../../../src/storage/oci-conformance.ts';
import {
  ANYONE,
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
  repo,
  storeWith,
  tag,
  TestClock,
  type OciDrivers,
} from './oci-world.ts';

const REPOSITORY = repo('plain/a');
const MANY = 2_000;

after(disposeCore);

/** Turns of the event loop that others get while `work` goes on. */
async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let [turns, isOver] = [0, false];
  const count = (): void => {
    if (isOver) return;
    turns++;
    setImmediate(count);
  };
  setImmediate(count);
  await work().finally(() => (isOver = true));
  return turns;
}

/** With a store of which some calls are others; nothing waits for a disk. */
function driversWith(clock: TestClock, change: (store: OciStore) => Partial<OciStore>): OciDrivers {
  const drivers = memoryDrivers(clock);
  return { ...drivers, store: storeWith(drivers.store, change(drivers.store)) };
}

test('a manifest of many layers leaves turns to others', async () => {
  const world = await openWorld(new TestClock());
  const layers = Array.from({ length: MANY }, (_, n) => `layer ${n}`);
  for (const layer of ['{}', ...layers]) await pushBlob(world, REPOSITORY, layer);
  const push = { reference: { tag: tag('x') }, tags: [], contentType: IMAGE, bytes: imageOf(layers) };
  const turns = await turnsDuring(() => world.view.putManifest(ANYONE, REPOSITORY, push));
  assert.ok(turns >= MANY / 200, `${turns}`);
});

test('an index of many manifests leaves turns to others, and reads none of them', async () => {
  const clock = new TestClock();
  const drivers = driversWith(clock, () => ({ readManifest: () => assert.fail('a manifest was read') }));
  const world = await openWorld(clock, { drivers });
  const names = Array.from({ length: MANY }, (_, n) => `manifest ${n}`);
  const manifests = names.map((name) => sampleManifest(REPOSITORY, digestOf(name)));
  await world.store.write(ociChange({ manifests }), true);
  const index = { schemaVersion: 2, mediaType: INDEX, manifests: names.map((name) => descriptor(name)) };
  const bytes = bytesOf(JSON.stringify(index));
  const push = { reference: { tag: tag('x') }, tags: [], contentType: INDEX, bytes };
  const turns = await turnsDuring(() => world.view.putManifest(ANYONE, REPOSITORY, push));
  assert.ok(turns >= MANY / 200, `${turns}`);
});

test('a whole list of tags is read in steps, is whole, and leaves turns to others', async () => {
  const clock = new TestClock();
  const drivers = driversWith(clock, (store) => ({
    listTags(repository, page) {
      assert.ok(page.limit <= OCI_TAGS_STEP);
      return store.listTags(repository, page);
    },
  }));
  const world = await openWorld(clock, { drivers });
  const names = Array.from({ length: 5 * OCI_TAGS_STEP }, (_, n) => tag(`t${n}`));
  const tags = names.map((name) => ({ repository: REPOSITORY, tag: name, digest: digestOf('x') }));
  await world.store.write(ociChange({ tags }), true);
  const sorted = names.toSorted();
  const list = (last: string | null, limit: number | null): Promise<unknown> =>
    world.view.tags(ANYONE, REPOSITORY, { last, limit });
  const turns = await turnsDuring(async () => {
    assert.deepEqual(await list(null, null), { items: sorted, more: false });
  });
  assert.ok(turns >= 4, `${turns}`);
  for (const limit of [1, OCI_TAGS_STEP - 1, OCI_TAGS_STEP, OCI_TAGS_STEP + 1, 2 * OCI_TAGS_STEP]) {
    assert.deepEqual(await list(null, limit), { items: sorted.slice(0, limit), more: true });
    const rest = sorted.slice(-limit);
    assert.deepEqual(await list(sorted.at(-limit - 1) ?? null, limit), { items: rest, more: false });
  }
});

test('a catalog of what nobody may read any more leaves turns to others', async () => {
  const packageNames = Array.from({ length: 5 * OCI_NAMES_STEP }, (_, n) => `former/n${n}`).toSorted();
  const world = await openWorld(new TestClock(), { packageNames });
  const turns = await turnsDuring(async () => {
    assert.deepEqual(await world.view.catalog(ANYONE, { last: null, limit: null }), { items: [], more: false });
  });
  assert.ok(turns >= 4, `${turns}`);
});

test('a catalog of many prefixes leaves turns to others', async () => {
  const prefixes = Array.from({ length: OCI_PREFIXES_MAX }, (_, n) => `p${n}`);
  const world = await openWorld(new TestClock(), { prefixes });
  const links = prefixes.map((prefix) => sampleLink(repo(`${prefix}/a`), digestOf('x')));
  await world.store.write(ociChange({ links }), true);
  const turns = await turnsDuring(async () => {
    const { items } = await world.view.catalog(ANYONE, { last: null, limit: null });
    assert.equal(items.length, OCI_PREFIXES_MAX);
  });
  assert.ok(turns >= OCI_PREFIXES_MAX - 1, `${turns}`);
});

test('referrers are read a few at a time, however many a page has', async () => {
  const { store } = memoryDrivers(new TestClock());
  const subject = digestOf('subject');
  const bytes = imageOf([]);
  const digests = Array.from({ length: 10 * REFERRERS_STEP + 1 }, (_, n) => digestOf(`referrer ${n}`)).toSorted();
  const manifests = digests.map((digest) => sampleManifest(REPOSITORY, digest, { subject, bytes }));
  await store.write(ociChange({ manifests }), true);
  const listReferrers: OciReader['listReferrers'] = (repository, asked) => {
    assert.ok(asked.limit <= REFERRERS_STEP);
    return store.listReferrers(repository, asked);
  };
  const asked = { subject, artifactType: null, after: null };
  for (const limit of [0, 1, REFERRERS_STEP, digests.length - 1, digests.length, digests.length + 1]) {
    const page = await storedReferrers({ listReferrers }, REPOSITORY, { ...asked, limit });
    assert.deepEqual(
      page.items.map(({ digest }) => digest),
      digests.slice(0, limit),
    );
    assert.equal(page.more, limit < digests.length);
  }
});
