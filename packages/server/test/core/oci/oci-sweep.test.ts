import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { isRegistryError, RegistryError } from '@waybill/protocol';
import type { OciDigest } from '@waybill/protocol/oci';
import type { OciStore } from '../../../src/core/oci-ports.ts';
import { LOOSE_BLOB_MS, LOOSE_LINK_MS, OCI_SWEEP_STEP, RECENT_BLOB_MS } from '../../../src/core/limits.ts';
import {
  ANYONE,
  digestOf,
  disposeCore,
  IMAGE,
  imageOf,
  memoryDrivers,
  openWorld,
  pushBlob,
  putImage,
  readBlob,
  repo,
  storeWith,
  tag,
  TestClock,
  type OciWorld,
} from './oci-world.ts';
import { sweepAll } from './sweep-all.ts';

const REPOSITORY = repo('plain/a');

after(disposeCore);

async function isHere({ view }: OciWorld, digest: OciDigest, repository = REPOSITORY): Promise<boolean> {
  try {
    await view.blob(ANYONE, repository, digest);
    return true;
  } catch (failure) {
    if (isRegistryError(failure, 'oci/blob-unknown')) return false;
    throw failure;
  }
}

async function isStored({ blobs }: OciWorld, digest: OciDigest): Promise<boolean> {
  return (await blobs.size(digest)) !== null;
}

test('what no manifest names goes after a day, and what one names stays', async () => {
  const world = await openWorld(new TestClock());
  const loose = await pushBlob(world, 'plain/a', 'loose');
  await putImage(world, 'plain/a', 'x', { layers: ['named'] });
  // One place of two is named.
  await pushBlob(world, 'plain/b', 'named');
  world.nowMs += LOOSE_LINK_MS;
  await sweepAll(world);
  assert.equal(await isStored(world, loose), true);
  world.nowMs += 1;
  await sweepAll(world);
  assert.equal(await isStored(world, loose), false);
  assert.equal(await isHere(world, loose), false);
  assert.equal(await isHere(world, digestOf('named'), repo('plain/b')), false);
  assert.equal(await readBlob(world, 'plain/a', digestOf('named')), 'named');
});

test('a manifest stays until it is deleted, without a tag, too; then what it named goes', async () => {
  const world = await openWorld(new TestClock());
  const digest = await putImage(world, 'plain/a', 'x', { layers: ['layer'] });
  await world.view.deleteManifest(ANYONE, REPOSITORY, { tag: tag('x') });
  world.nowMs += 10 * LOOSE_LINK_MS;
  await sweepAll(world);
  assert.equal(await isHere(world, digestOf('layer')), true);
  world.nowMs += RECENT_BLOB_MS;
  await world.view.deleteManifest(ANYONE, REPOSITORY, { digest });
  await sweepAll(world);
  assert.equal(await isStored(world, digestOf('layer')), false);
});

test('a blob that its client was told is here waits for the manifest', async () => {
  const world = await openWorld(new TestClock());
  const digest = await pushBlob(world, 'plain/a', 'layer');
  await pushBlob(world, 'plain/a', '{}');
  world.nowMs += 2 * LOOSE_LINK_MS;
  assert.equal(await isHere(world, digest), true);
  assert.equal(await isHere(world, digestOf('{}')), true);
  await sweepAll(world);
  const push = { reference: { tag: tag('x') }, tags: [], contentType: IMAGE, bytes: imageOf(['layer']) };
  await world.view.putManifest(ANYONE, REPOSITORY, push);
});

test('blobs that are asked for again and again keep no others from going', async () => {
  const world = await openWorld(new TestClock());
  const asked: OciDigest[] = [];
  for (let n = 0; n < 2 * OCI_SWEEP_STEP; n++) asked.push(await pushBlob(world, 'plain/a', `asked for ${n}`));
  world.nowMs += 1;
  const loose = await pushBlob(world, 'plain/a', 'loose');
  world.nowMs += LOOSE_LINK_MS + 1;
  for (const digest of asked) assert.equal(await isHere(world, digest), true);
  await sweepAll(world);
  assert.equal(await isHere(world, loose), false);
  for (const digest of asked) assert.equal(await isHere(world, digest), true);
});

test('a blob pushed again has another day', async () => {
  const world = await openWorld(new TestClock());
  await pushBlob(world, 'plain/a', 'layer');
  world.nowMs += LOOSE_LINK_MS;
  const digest = await pushBlob(world, 'plain/a', 'layer');
  world.nowMs += LOOSE_LINK_MS;
  await sweepAll(world);
  assert.equal(await isStored(world, digest), true);
  world.nowMs += 1;
  await sweepAll(world);
  assert.equal(await isStored(world, digest), false);
});

test('bytes that no repository has go, once they are no push on its way', async () => {
  const world = await openWorld(new TestClock());
  const { id } = await world.uploads.start({ repository: REPOSITORY, account: null });
  const digest = digestOf('');
  await world.uploads.finish(id, digest);
  world.nowMs += LOOSE_BLOB_MS - 1;
  await sweepAll(world);
  assert.equal(await isStored(world, digest), true);
  world.nowMs += 1;
  await sweepAll(world);
  assert.equal(await isStored(world, digest), false);
});

test('where the disk is full, bytes go that no repository has, though no link can', async () => {
  const clock = new TestClock();
  const drivers = memoryDrivers(clock);
  const store = storeWith(drivers.store, {
    deleteLooseLinks: () => Promise.reject(new RegistryError('storage/full', 'made up')),
  });
  const world = await openWorld(clock, { drivers: { ...drivers, store } });
  const linked = await pushBlob(world, 'plain/a', 'linked');
  const { id } = await world.uploads.start({ repository: REPOSITORY, account: null });
  await world.uploads.finish(id, digestOf(''));
  world.nowMs += LOOSE_LINK_MS + 1;
  await assert.rejects(sweepAll(world), (thrown) => isRegistryError(thrown, 'storage/full'));
  assert.equal(await isStored(world, digestOf('')), false);
  assert.equal(await isStored(world, linked), true);
});

test('a blob that is being mounted is left alone until its new repository has it', async () => {
  const clock = new TestClock();
  const drivers = memoryDrivers(clock);
  let [arrive, go] = [(): void => undefined, (): void => undefined];
  const arrived = new Promise<void>((resolve) => (arrive = resolve));
  const gone = new Promise<void>((resolve) => (go = resolve));
  let isGated = false;
  const write: OciStore['write'] = async (change, durable) => {
    if (isGated) {
      arrive();
      await gone;
    }
    return drivers.store.write(change, durable);
  };
  const store = storeWith(drivers.store, { write });
  const world = await openWorld(clock, { drivers: { ...drivers, store } });
  const digest = await pushBlob(world, 'plain/a', 'layer');
  world.nowMs += LOOSE_LINK_MS + 1;
  isGated = true;
  const mounting = world.view.uploads.mount(ANYONE, repo('plain/b'), { digest, from: REPOSITORY });
  await arrived;
  await sweepAll(world);
  go();
  assert.equal(await mounting, true);
  assert.equal(await readBlob(world, 'plain/b', digest), 'layer');
});
