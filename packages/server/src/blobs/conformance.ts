import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { concatBytes, digestOf, isRegistryError, utf8, type Digest, type ErrorCode } from '@waybill/protocol';
import type { ByteRange, ContentStore } from '../core/ports.ts';

/* The contract of ContentStore as tests: every driver runs them, and what they do not ask for no caller may rely on. */

/** One fresh, empty place to store in. */
export interface ContentHarness {
  readonly store: ContentStore;
  /** Another store over the same place, as after a restart. */
  readonly reopen: () => Promise<ContentStore>;
  /** Removes the place. */
  readonly dispose: () => Promise<void>;
}

type Check = (title: string, run: (harness: ContentHarness) => Promise<void>) => void;

/** Registers the suite for one driver; each test gets a place of its own from `open`. */
export function contentStoreSuite(driver: string, open: () => Promise<ContentHarness>): void {
  const check: Check = (title, run) => {
    test(title, () => runIn(open, run));
  };
  describe(`ContentStore: ${driver}`, () => {
    for (const group of [
      checkAbsence,
      checkListing,
      checkKeeping,
      checkKeepingBytes,
      checkDiscarding,
      checkConcurrency,
      checkRanges,
    ])
      group(check);
  });
}

async function runIn(
  open: () => Promise<ContentHarness>,
  run: (harness: ContentHarness) => Promise<void>,
): Promise<void> {
  const harness = await open();
  try {
    await run(harness);
  } finally {
    await harness.dispose();
  }
}

/** Larger than any chunk that a driver reads at once, and no multiple of one. */
const LARGE_BYTES = 300_001;

/** Bytes that differ from place to place. */
export function sampleContent(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + Math.floor(i / 256)) % 251);
}

/** Uploads `bytes` in chunks and keeps them. */
export async function keepContent(store: ContentStore, bytes: Uint8Array, chunkBytes = 65_536): Promise<Digest> {
  const upload = await store.startUpload();
  for (let start = 0; start < bytes.length; start += chunkBytes) {
    await upload.write(bytes.subarray(start, start + chunkBytes));
  }
  await upload.keep(digestOf(bytes));
  return digestOf(bytes);
}

async function readContent(store: ContentStore, digest: Digest, start: number, end: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.read(digest, { start, end })) chunks.push(chunk);
  return concatBytes(...chunks);
}

async function readSlices(store: ContentStore, digest: Digest, ranges: readonly ByteRange[]): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.readSlices(digest, ranges)) chunks.push(chunk);
  return concatBytes(...chunks);
}

function failsWith(code: ErrorCode): (thrown: unknown) => boolean {
  return (thrown) => isRegistryError(thrown, code);
}

function checkAbsence(check: Check): void {
  check('content that was never kept is absent', async ({ store }) => {
    const digest = digestOf(utf8('absent'));
    assert.equal(await store.size(digest), null);
    assert.equal(await store.keptAtMs(digest), null);
    await assert.rejects(readContent(store, digest, 0, 1), failsWith('content/not-found'));
    await assert.rejects(readContent(store, digest, 0, 0), failsWith('content/not-found'));
  });
}

function checkListing(check: Check): void {
  check('what is kept is listed, once each, and nothing else is', async ({ store, reopen }) => {
    assert.deepEqual(await listed(store), []);
    const kept: Digest[] = [];
    for (const length of [0, 1, 2]) kept.push(await keepContent(store, sampleContent(length), 10));
    await keepContent(store, sampleContent(1), 10);
    const upload = await store.startUpload();
    await upload.write(utf8('under way'));
    assert.deepEqual(await listed(store), kept.toSorted());
    await upload.discard();
    assert.deepEqual(await listed(await reopen()), kept.toSorted());
  });
}

async function listed(store: ContentStore): Promise<Digest[]> {
  const digests: Digest[] = [];
  for await (const digest of store.list()) digests.push(digest);
  return digests.toSorted();
}

function checkKeeping(check: Check): void {
  for (const length of [0, 1, 65_536, LARGE_BYTES]) {
    check(`${length} bytes are kept, also over a restart`, async ({ store, reopen }) => {
      const bytes = sampleContent(length);
      const digest = await keepContent(store, bytes, 10_007);
      for (const each of [store, await reopen()]) {
        assert.equal(await each.size(digest), length);
        assert.deepEqual(await readContent(each, digest, 0, length), bytes);
        const keptAtMs = await each.keptAtMs(digest);
        assert.ok(Number.isSafeInteger(keptAtMs));
      }
    });
  }

  check('keeping what is there already is no error', async ({ store }) => {
    const bytes = sampleContent(LARGE_BYTES);
    const digest = await keepContent(store, bytes);
    assert.equal(await keepContent(store, bytes), digest);
    assert.deepEqual(await readContent(store, digest, 0, LARGE_BYTES), bytes);
  });

  check('a chunk is kept although the caller uses the buffer again', async ({ store }) => {
    const upload = await store.startUpload();
    const buffer = utf8('first ');
    await upload.write(buffer);
    buffer.set(utf8('second'));
    await upload.write(buffer);
    const bytes = utf8('first second');
    await upload.keep(digestOf(bytes));
    assert.deepEqual(await readContent(store, digestOf(bytes), 0, bytes.length), bytes);
  });
}

function checkKeepingBytes(check: Check): void {
  for (const length of [0, 1, 65_536, LARGE_BYTES]) {
    check(`${length} bytes in memory are kept, also over a restart and again`, async ({ store, reopen }) => {
      const bytes = sampleContent(length);
      const digest = digestOf(bytes);
      await store.keepBytes(digest, bytes);
      await Promise.all([store.keepBytes(digest, bytes), keepContent(store, bytes)]);
      for (const each of [store, await reopen()]) {
        assert.equal(await each.size(digest), length);
        assert.deepEqual(await readContent(each, digest, 0, length), bytes);
        assert.deepEqual(await listed(each), [digest]);
      }
    });
  }
}

function checkDiscarding(check: Check): void {
  check('an upload that is unfinished or discarded leaves nothing', async ({ store, reopen }) => {
    const bytes = sampleContent(1_000);
    const [discarded, unfinished] = [await store.startUpload(), await store.startUpload()];
    for (const upload of [discarded, unfinished]) {
      await upload.write(bytes);
      assert.equal(await store.size(digestOf(bytes)), null);
    }
    await discarded.discard();
    assert.equal(await (await reopen()).size(digestOf(bytes)), null);
    await unfinished.discard();
  });

  check('discarding twice, or what was kept, does no harm', async ({ store }) => {
    const bytes = sampleContent(1_000);
    const upload = await store.startUpload();
    await upload.write(bytes);
    await upload.keep(digestOf(bytes));
    await upload.discard();
    await upload.discard();
    assert.deepEqual(await readContent(store, digestOf(bytes), 0, 1_000), bytes);
  });
}

function checkConcurrency(check: Check): void {
  check('uploads at the same time do not touch each other', async ({ store }) => {
    const contents = [7, 1_000, 70_000, 70_000, 1_000, 7].map(sampleContent);
    const digests = await Promise.all(contents.map((bytes) => keepContent(store, bytes, 500)));
    for (const [i, bytes] of contents.entries()) {
      const digest = digests[i] ?? assert.fail('an upload has no digest');
      assert.deepEqual(await readContent(store, digest, 0, bytes.length), bytes);
    }
  });

  check('a reader goes on while the same content is kept again', async ({ store }) => {
    const bytes = sampleContent(LARGE_BYTES);
    const digest = await keepContent(store, bytes);
    const chunks: Uint8Array[] = [];
    for await (const chunk of store.read(digest, { start: 0, end: LARGE_BYTES })) {
      if (chunks.length === 0) await keepContent(store, bytes);
      chunks.push(chunk);
    }
    assert.deepEqual(concatBytes(...chunks), bytes);
  });
}

function checkRanges(check: Check): void {
  check('ranges are read exactly', async ({ store }) => {
    const bytes = sampleContent(LARGE_BYTES);
    const digest = await keepContent(store, bytes);
    const edges = [0, 1, 65_535, 65_536, 65_537, 131_072, LARGE_BYTES - 1, LARGE_BYTES];
    for (const start of edges) {
      for (const end of edges.filter((edge) => edge >= start)) {
        assert.deepEqual(await readContent(store, digest, start, end), bytes.slice(start, end));
      }
    }
  });

  check('many ranges are read as one', async ({ store }) => {
    const bytes = sampleContent(LARGE_BYTES);
    const digest = await keepContent(store, bytes);
    const lists = [[], [0, 1, 1, 2, 70_000, 200_000, LARGE_BYTES - 1, LARGE_BYTES], [5, 5, 5, 6, 9, 9]];
    for (const edges of lists) {
      const ranges = edges.flatMap((start, i) => (i % 2 === 0 ? [{ start, end: edges[i + 1] ?? 0 }] : []));
      const expected = concatBytes(...ranges.map(({ start, end }) => bytes.slice(start, end)));
      assert.deepEqual(await readSlices(store, digest, ranges), expected);
    }
    const beyond = [0, LARGE_BYTES].map((start) => ({ start, end: start + 1 }));
    await assert.rejects(readSlices(store, digest, beyond), failsWith('storage/damaged'));
    await assert.rejects(readSlices(store, digestOf(utf8('absent')), []), failsWith('content/not-found'));
  });

  check('content that ends before the range means damage', async ({ store }) => {
    const digest = await keepContent(store, sampleContent(1_000));
    await assert.rejects(readContent(store, digest, 0, 1_001), failsWith('storage/damaged'));
    await assert.rejects(readContent(store, digest, 1_000, 1_001), failsWith('storage/damaged'));
  });

  check('a reader may stop early', async ({ store }) => {
    const digest = await keepContent(store, sampleContent(LARGE_BYTES));
    for (let round = 0; round < 20; round++) {
      const chunks = store.read(digest, { start: 0, end: LARGE_BYTES })[Symbol.asyncIterator]();
      assert.equal((await chunks.next()).done, false);
      await chunks.return?.();
    }
  });
}
