import assert from 'node:assert/strict';
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, test } from 'node:test';
import { isRegistryError } from '@waybill/protocol';
import { blobFileOf } from '../../../src/blobs/oci-files/oci-places.ts';
import { LOOSE_LINK_MS, RECENT_BLOB_MS, UPLOAD_IDLE_MS } from '../../../src/core/limits.ts';
import {
  ANYONE,
  bodyOf,
  digestOf,
  disposeCore,
  IMAGE,
  imageOf,
  openWorld,
  pushBlob,
  putImage,
  readBlob,
  repo,
  tag,
  TestClock,
} from './oci-world.ts';
import { RealDrivers } from './real-drivers.ts';
import { sweepAll } from './sweep-all.ts';

const REPOSITORY = repo('plain/a');
const NO_LINKS = { skip: process.platform === 'win32' };

after(disposeCore);

async function withDrivers(work: (drivers: RealDrivers, clock: TestClock) => Promise<void>): Promise<void> {
  const drivers = await RealDrivers.open();
  const clock = new TestClock();
  clock.nowMs = Date.now();
  try {
    await work(drivers, clock);
  } finally {
    await drivers.dispose();
  }
}

/** Of more bytes than a row has. */
const LARGE = 'layer'.repeat(20_000);

async function kept({ storage }: RealDrivers): Promise<string[]> {
  const digests: string[] = [];
  for await (const digest of storage.blobs.list()) digests.push(digest);
  return digests;
}

async function filesBelow(folder: string): Promise<string[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  return found.filter((entry) => entry.isFile()).map(({ name }) => name);
}

test('everything that was pushed is there after a restart, and an upload goes on', async () => {
  await withDrivers(async (drivers, clock) => {
    const before = await openWorld(clock, { drivers: drivers.storage });
    const first = await putImage(before, 'plain/a', 'x', { layers: ['layer'] });
    const subject = { mediaType: IMAGE, digest: first, size: 9 };
    const referrer = await putImage(before, 'plain/a', 'y', { more: { subject, artifactType: 'text/a' } });
    const { id } = await before.view.uploads.start(ANYONE, REPOSITORY, 'sha256');
    const broken = bodyOf(['abc', new Error('the line broke')], { start: 0, length: 6 });
    await assert.rejects(before.view.uploads.append(ANYONE, REPOSITORY, id, broken), /broke/);

    const world = await openWorld(clock, { drivers: await drivers.restart() });
    const found = await world.view.manifest(ANYONE, REPOSITORY, { tag: tag('x') });
    assert.deepEqual(Buffer.from(found.bytes), Buffer.from(imageOf(['layer'])));
    assert.equal(await readBlob(world, 'plain/a', digestOf('layer')), 'layer');
    const asked = { artifactType: 'text/a', last: null, limit: null };
    const { items } = await world.view.referrers(ANYONE, REPOSITORY, first, asked);
    assert.deepEqual(
      items.map(({ digest }) => digest),
      [referrer],
    );
    assert.equal((await world.view.uploads.place(ANYONE, REPOSITORY, id)).length, 3);
    const skipping = bodyOf(['x'], { start: 4, length: 1 });
    await assert.rejects(world.view.uploads.append(ANYONE, REPOSITORY, id, skipping), (thrown) =>
      isRegistryError(thrown, 'oci/range'),
    );
    const short = bodyOf(['de'], { start: 3, length: 3 });
    await assert.rejects(world.view.uploads.append(ANYONE, REPOSITORY, id, short), (thrown) =>
      isRegistryError(thrown, 'oci/range'),
    );
    const digest = digestOf('abcdef', 'sha512');
    const end = { digest, body: bodyOf(['def'], { start: 3, length: 3 }) };
    await world.view.uploads.finish(ANYONE, REPOSITORY, id, end);
    assert.equal(await readBlob(world, 'plain/a', digest), 'abcdef');
  });
});

test('what nothing names leaves no file, nor does an upload that nobody goes on with', async () => {
  await withDrivers(async (drivers, clock) => {
    const world = await openWorld(clock, { drivers: drivers.storage });
    await putImage(world, 'plain/a', 'x', { layers: [LARGE] });
    await pushBlob(world, 'other/b', LARGE.toUpperCase());
    await pushBlob(world, 'other/b', 'loose');
    const { id } = await world.view.uploads.start(ANYONE, REPOSITORY, 'sha256');
    await world.view.uploads.append(ANYONE, REPOSITORY, id, bodyOf(['abc']));
    clock.nowMs += LOOSE_LINK_MS + RECENT_BLOB_MS + UPLOAD_IDLE_MS;
    await sweepAll(world);
    assert.deepEqual(await filesBelow(path.join(drivers.folder, 'oci')), [digestOf(LARGE).slice('sha256:'.length)]);
    assert.deepEqual((await kept(drivers)).toSorted(), ['{}', LARGE].map((content) => digestOf(content)).toSorted());
    await world.view.deleteManifest(ANYONE, REPOSITORY, { digest: digestOf(imageOf([LARGE])) });
    await sweepAll(world);
    assert.deepEqual(await filesBelow(path.join(drivers.folder, 'oci')), []);
    assert.deepEqual(await kept(drivers), []);
    assert.deepEqual((await world.view.catalog(ANYONE, { last: null, limit: null })).items, []);
  });
});

test('a manifest whose layer a power cut has changed is refused, and its layer can be pushed again', async () => {
  await withDrivers(async (drivers, clock) => {
    const before = await openWorld(clock, { drivers: drivers.storage });
    for (const blob of ['{}', LARGE]) await pushBlob(before, 'plain/a', blob);
    const { file } = blobFileOf(path.join(drivers.folder, 'oci'), digestOf(LARGE));
    await writeFile(file, LARGE.toUpperCase());
    const world = await openWorld(clock, { drivers: await drivers.restart() });
    const push = { reference: { tag: tag('x') }, tags: [], contentType: IMAGE, bytes: imageOf([LARGE]) };
    const put = (): Promise<unknown> => world.view.putManifest(ANYONE, REPOSITORY, push);
    for (let attempt = 0; attempt < 2; attempt++) {
      await assert.rejects(put(), (thrown) => isRegistryError(thrown, 'oci/manifest-blob'));
    }
    await pushBlob(world, 'plain/a', LARGE);
    await put();
    assert.equal(await readBlob(world, 'plain/a', digestOf(LARGE)), LARGE);
  });
});

test('a foreign file in place of a blob keeps no other one from going', NO_LINKS, async () => {
  await withDrivers(async (drivers, clock) => {
    const world = await openWorld(clock, { drivers: drivers.storage });
    const loose = await pushBlob(world, 'plain/a', 'loose');
    const blobs = path.join(drivers.folder, 'oci', 'blobs', 'sha256');
    await mkdir(path.join(blobs, '00'), { recursive: true });
    // Before the other one.
    await symlink(drivers.folder, path.join(blobs, '00', '0'.repeat(64)));
    world.nowMs += LOOSE_LINK_MS + 1;
    await assert.rejects(sweepAll(world), (thrown) => isRegistryError(thrown, 'storage/damaged'));
    await sweepAll(world);
    assert.equal(await world.blobs.size(loose), null);
  });
});
