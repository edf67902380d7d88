import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { writeVerified, type ContentCache } from '@waybill/client';
import { openContentCache } from '@waybill/client/node';
import { digestOf, parseDigest } from '@waybill/protocol';
import { FileDelivery } from '../src/file-delivery.ts';

const BYTES = Uint8Array.from({ length: 100_000 }, (_, i) => i % 249);
const DIGEST = digestOf(BYTES);

let folder: string;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'waybill-delivery-'));
});
after(() => rm(folder, { recursive: true, force: true }));

async function* whole(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}

const otherwise = (found: string): Error => new Error(`found ${found}`);

/** A delivery into a folder of its own, of what `listen` objects to or not. */
async function deliveryOf(objection: Error | null, cacheOf = (cache: ContentCache): ContentCache => cache) {
  const place = await mkdtemp(path.join(folder, 'place-'));
  const cache = cacheOf(openContentCache(path.join(place, 'cache')));
  const heard = createHash('sha256');
  const listen = () => ({
    update: (chunk: Uint8Array) => void heard.update(chunk),
    finish() {
      if (objection !== null) throw objection;
    },
  });
  const delivery = new FileDelivery({ cache, digest: DIGEST, output: path.join(place, 'out'), listen });
  return { delivery, place, cache, heard };
}

async function fetched({ cache }: FileDelivery, bytes: Uint8Array): Promise<void> {
  await writeVerified(whole(bytes), await cache.writer(DIGEST), { digest: DIGEST, otherwise });
}

const filesIn = async (place: string): Promise<string[]> => (await readdir(place)).filter((name) => name !== 'cache');

test('what is fetched is in the cache, in its place, and heard, all at once', async () => {
  const { delivery, place, cache, heard } = await deliveryOf(null);
  await fetched(delivery, BYTES);
  assert.notDeepEqual(await filesIn(place), ['out']);
  await delivery.finish();
  assert.deepEqual(await filesIn(place), ['out']);
  assert.deepEqual(new Uint8Array(await readFile(path.join(place, 'out'))), BYTES);
  assert.equal(await cache.size(DIGEST), BYTES.length);
  assert.equal(`sha256:${heard.digest('hex')}`, DIGEST);
});

test('T2: other bytes are delivered nowhere, and what was there stays', async () => {
  const { delivery, place, cache } = await deliveryOf(null);
  await writeFile(path.join(place, 'out'), 'old');
  await assert.rejects(fetched(delivery, BYTES.slice(1)), /found/);
  await assert.rejects(delivery.finish(), { code: 'content/not-found' });
  await delivery.discard();
  assert.deepEqual(await filesIn(place), ['out']);
  assert.equal(await readFile(path.join(place, 'out'), 'utf8'), 'old');
  assert.equal(await cache.size(DIGEST), null);
});

test('P4: an objection leaves the content in the cache and the place as it was', async () => {
  for (const isCached of [false, true]) {
    const { delivery, place, cache } = await deliveryOf(new Error('another kind'));
    if (isCached) await writeVerified(whole(BYTES), await cache.writer(DIGEST), { digest: DIGEST, otherwise });
    else await fetched(delivery, BYTES);
    await assert.rejects(delivery.finish(), /another kind/);
    assert.deepEqual(await filesIn(place), []);
    assert.equal(await cache.size(DIGEST), BYTES.length);
  }
});

test('T2: what the cache has had and was changed there is not delivered', async () => {
  const { delivery, place, cache } = await deliveryOf(null);
  const other = parseDigest(digestOf(Uint8Array.of(1)));
  await writeVerified(whole(BYTES), await cache.writer(DIGEST), { digest: DIGEST, otherwise });
  await writeFile(path.join(place, 'cache', 'sha256', DIGEST.slice('sha256:'.length)), 'changed');
  await assert.rejects(delivery.finish(), { code: 'content/digest' });
  assert.deepEqual(await filesIn(place), []);
  assert.equal(await cache.size(other), null);
});

test('a cache that cannot be written leaves nothing beside the file', async () => {
  const full = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  const { delivery, place } = await deliveryOf(null, (cache) => ({ ...cache, writer: () => Promise.reject(full) }));
  await assert.rejects(fetched(delivery, BYTES), full);
  assert.deepEqual(await filesIn(place), []);
});
