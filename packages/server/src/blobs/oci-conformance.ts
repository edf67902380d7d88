import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import {
  concatBytes,
  digestOf,
  isRegistryError,
  parseDigest,
  utf8,
  type Digest,
  type ErrorCode,
} from '@waybill/protocol';
import { parseOciDigest, parseRepository, type OciAlgorithm, type OciDigest } from '@waybill/protocol/oci';
import type { BlobStore, UploadSession, UploadStore } from '../core/oci-ports.ts';

/* The contract of BlobStore and UploadStore as tests: every driver runs them. */

export interface OciBlobs {
  readonly blobs: BlobStore;
  readonly uploads: UploadStore;
}

/** One fresh, empty place to store in. */
export interface OciBlobHarness extends OciBlobs {
  /** Others over the same place, as after a restart. */
  readonly reopen: () => Promise<OciBlobs>;
  /** The log's content beside it. */
  readonly keepContent: (bytes: Uint8Array) => Promise<Digest>;
  readonly readContent: (digest: Digest) => Promise<Uint8Array | null>;
  /** Removes the place. */
  readonly dispose: () => Promise<void>;
}

type Check = (title: string, run: (harness: OciBlobHarness) => Promise<void>) => void;

/** Registers the suite for one driver; each test gets a place of its own from `open`. */
export function ociBlobSuite(driver: string, open: () => Promise<OciBlobHarness>): void {
  const check: Check = (title, run) => {
    test(title, async () => {
      const harness = await open();
      try {
        await run(harness);
      } finally {
        await harness.dispose();
      }
    });
  };
  describe(`BlobStore and UploadStore: ${driver}`, () => {
    for (const group of [
      checkAbsence,
      checkPushing,
      checkLast,
      checkResuming,
      checkRefusals,
      checkReading,
      checkSharing,
    ])
      group(check);
  });
}

/** Larger than what a driver reads at once, and no multiple of it. */
const LARGE_BYTES = 700_001;
const BYTES_MAX = 1_000_000;
const SESSION = { repository: parseRepository('demo/app'), account: 'ann' };
const ABSENT_ID = '00000000-0000-4000-8000-000000000000';

export function sampleBlob(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + Math.floor(i / 256)) % 251);
}

export function ociDigestOf(bytes: Uint8Array, algorithm: OciAlgorithm = 'sha256'): OciDigest {
  return parseOciDigest(`${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`);
}

/** All in one buffer that is written over with each chunk, as a socket's reader may do it. */
export async function* chunksOf(bytes: Uint8Array, chunkBytes = 65_536): AsyncGenerator<Uint8Array, void, undefined> {
  const buffer = new Uint8Array(chunkBytes);
  for (let start = 0; start < bytes.length; start += chunkBytes) {
    const chunk = bytes.subarray(start, start + chunkBytes);
    buffer.set(chunk);
    yield buffer.subarray(0, chunk.length);
  }
}

/** Pushes a blob in one go. */
export async function pushBlob(
  { uploads }: Pick<OciBlobs, 'uploads'>,
  bytes: Uint8Array,
  algorithm: OciAlgorithm = 'sha256',
): Promise<OciDigest> {
  const { id } = await uploads.start(SESSION);
  await uploads.append(id, chunksOf(bytes), BYTES_MAX);
  const digest = ociDigestOf(bytes, algorithm);
  assert.equal(await uploads.finish(id, digest), bytes.length);
  return digest;
}

/** Pushes a blob whose last bytes come with the request that ends it. */
export async function pushAtOnce({ uploads }: Pick<OciBlobs, 'uploads'>, bytes: Uint8Array): Promise<OciDigest> {
  const { id } = await uploads.start(SESSION);
  const length = await uploads.append(id, chunksOf(bytes, 10_000), BYTES_MAX, true);
  assert.equal((await uploads.find(id))?.length, length);
  const digest = ociDigestOf(bytes);
  assert.equal(await uploads.finish(id, digest), bytes.length);
  return digest;
}

export async function readBlob(
  blobs: Pick<BlobStore, 'read'>,
  digest: OciDigest,
  range: { readonly start: number; readonly end: number },
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of blobs.read(digest, range)) chunks.push(chunk.slice());
  return concatBytes(...chunks);
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const failsWith =
  (code: ErrorCode) =>
  (thrown: unknown): boolean =>
    isRegistryError(thrown, code);

function checkAbsence(check: Check): void {
  check('what is not there is null, false or refused', async ({ blobs, uploads }) => {
    const digest = ociDigestOf(utf8('absent'));
    assert.equal(await blobs.size(digest), null);
    assert.equal(await blobs.keptAtMs(digest), null);
    assert.deepEqual(await collect(blobs.list()), []);
    await assert.rejects(readBlob(blobs, digest, { start: 0, end: 1 }), failsWith('oci/blob-unknown'));
    await assert.rejects(blobs.makeDurable([digest]), failsWith('oci/blob-unknown'));
    await assert.rejects(blobs.giveToContent(parseDigest(digest)), failsWith('oci/blob-unknown'));
    await assert.rejects(blobs.adoptContent(parseDigest(digest)), failsWith('content/not-found'));
    await blobs.delete(digest);
    for (const id of [ABSENT_ID, '../blobs', '']) {
      assert.equal(await uploads.find(id), null);
      assert.equal(await uploads.cancel(id), false);
      await assert.rejects(uploads.append(id, chunksOf(utf8('x')), 10), failsWith('oci/upload-unknown'));
      await assert.rejects(uploads.truncate(id, 0), failsWith('oci/upload-unknown'));
      await assert.rejects(uploads.finish(id, digest), failsWith('oci/upload-unknown'));
    }
  });
}

function checkPushing(check: Check): void {
  for (const [algorithm, length] of [
    ['sha256', 0],
    ['sha256', LARGE_BYTES],
    ['sha512', 5],
    ['sha512', LARGE_BYTES],
  ] as const) {
    check(`a blob of ${length} bytes by ${algorithm} is there after a push, and a restart`, async (harness) => {
      const bytes = sampleBlob(length);
      const before = Date.now();
      const digest = await pushBlob(harness, bytes, algorithm);
      const after = await harness.reopen();
      for (const { blobs, uploads } of [harness, after]) {
        assert.equal(await blobs.size(digest), length);
        assert.deepEqual(await readBlob(blobs, digest, { start: 0, end: length }), bytes);
        assert.deepEqual(await collect(blobs.list()), [digest]);
        assert.deepEqual(await collect(uploads.list()), []);
        // A file system's clock is coarser.
        const keptAtMs = await blobs.keptAtMs(digest);
        assert.ok(keptAtMs !== null && keptAtMs >= before - 2_000 && keptAtMs <= Date.now() + 2_000);
      }
      await after.blobs.makeDurable([digest, digest]);
      await after.blobs.makeDurable([digest]);
      assert.deepEqual(await readBlob(after.blobs, digest, { start: 0, end: length }), bytes);
      await after.blobs.delete(digest);
      assert.equal(await after.blobs.size(digest), null);
    });
  }

  check(
    'a blob that is pushed again is the same one, durable or not, also while it is made durable',
    async (harness) => {
      const bytes = sampleBlob(1_000);
      const digest = await pushBlob(harness, bytes);
      await pushBlob(harness, bytes);
      await Promise.all([
        harness.blobs.makeDurable([digest]),
        pushBlob(harness, bytes),
        harness.blobs.makeDurable([digest]),
      ]);
      await pushBlob(harness, bytes);
      assert.deepEqual(await readBlob(harness.blobs, digest, { start: 0, end: 1_000 }), bytes);
      assert.deepEqual(await collect(harness.blobs.list()), [digest]);
    },
  );
}

/** Of those that fit into memory, one at the edge, and one beyond. */
const LAST_BYTES = [0, 1, 65_535, 65_536, 65_537, 130_000, LARGE_BYTES];

function checkLast(check: Check): void {
  for (const length of LAST_BYTES) {
    check(
      `a blob of ${length} bytes that comes with the request that ends it is there, and after a restart`,
      async (harness) => {
        const bytes = sampleBlob(length);
        const digest = await pushAtOnce(harness, bytes);
        const { blobs, uploads } = await harness.reopen();
        assert.deepEqual(await readBlob(blobs, digest, { start: 0, end: length }), bytes);
        assert.deepEqual(await collect(uploads.list()), []);
        await blobs.makeDurable([digest]);
      },
    );
  }

  for (const length of [0, 10, 50_000, 130_000]) {
    check(`last bytes that break off after ${length} stay, and a restart takes none of them`, async (harness) => {
      const bytes = sampleBlob(150_000);
      const { id } = await harness.uploads.start(SESSION);
      const broken = cutOff(bytes.subarray(0, length));
      await assert.rejects(harness.uploads.append(id, broken, BYTES_MAX, true), /cut off/);
      assert.equal((await harness.uploads.find(id))?.length, length);
      const { uploads } = length === 0 ? harness : await harness.reopen();
      assert.equal(await uploads.append(id, chunksOf(bytes.subarray(length)), BYTES_MAX, true), bytes.length);
      assert.equal(await uploads.finish(id, ociDigestOf(bytes)), bytes.length);
    });
  }

  check('last bytes that are too many, or others than announced, are set back', async ({ uploads }) => {
    const { id } = await uploads.start(SESSION);
    await assert.rejects(uploads.append(id, chunksOf(sampleBlob(51), 10), 50, true), failsWith('oci/size'));
    await uploads.truncate(id, 0);
    await uploads.append(id, chunksOf(utf8('four')), 50, true);
    await uploads.truncate(id, 1);
    assert.equal((await uploads.find(id))?.length, 1);
    await assert.rejects(uploads.finish(id, ociDigestOf(utf8('four'))), failsWith('oci/digest-mismatch'));
    assert.equal(await uploads.find(id), null);
  });
}

function checkResuming(check: Check): void {
  check('an upload goes on after each chunk, and after a restart', async (harness) => {
    const bytes = sampleBlob(LARGE_BYTES);
    const session = await harness.uploads.start(SESSION);
    assert.equal(session.length, 0);
    const { id } = session;
    assert.equal(await harness.uploads.append(id, chunksOf(bytes.subarray(0, 300_000)), BYTES_MAX), 300_000);
    const { uploads, blobs } = await harness.reopen();
    const found = await uploads.find(id);
    assert.ok(found !== null);
    const { touchedAtMs, ...rest } = found;
    assert.deepEqual(rest, { ...SESSION, id, startedAtMs: session.startedAtMs, length: 300_000 });
    assert.ok(Number.isSafeInteger(touchedAtMs));
    assert.deepEqual(await collect(uploads.list()), [found]);
    assert.equal(await uploads.append(id, chunksOf(bytes.subarray(300_000)), BYTES_MAX), LARGE_BYTES);
    assert.equal(await uploads.append(id, chunksOf(new Uint8Array(0)), BYTES_MAX), LARGE_BYTES);
    await uploads.finish(id, ociDigestOf(bytes));
    assert.equal(await uploads.find(id), null);
    assert.deepEqual(await readBlob(blobs, ociDigestOf(bytes), { start: 0, end: LARGE_BYTES }), bytes);
  });

  for (const [title, between] of [
    ['at once', async ({ uploads }: OciBlobHarness) => uploads],
    ['after a restart', async ({ reopen }: OciBlobHarness) => (await reopen()).uploads],
  ] as const) {
    check(`what was cut off is set back, and sent again, ${title}`, async (harness) => {
      const bytes = sampleBlob(200_000);
      const { id } = await harness.uploads.start({ ...SESSION, account: null });
      await harness.uploads.append(id, chunksOf(bytes.subarray(0, 100_000)), BYTES_MAX);
      const broken = cutOff(bytes.subarray(100_000, 170_000));
      await assert.rejects(harness.uploads.append(id, broken, BYTES_MAX), /cut off/);
      const uploads = await between(harness);
      assert.equal((await uploads.find(id))?.length, 170_000);
      await uploads.truncate(id, 100_000);
      assert.equal((await uploads.find(id))?.length, 100_000);
      await uploads.truncate(id, 90_000);
      await uploads.append(id, chunksOf(bytes.subarray(90_000)), BYTES_MAX);
      assert.equal(await uploads.finish(id, ociDigestOf(bytes)), bytes.length);
    });
  }
}

async function* cutOff(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield* chunksOf(bytes, 10_000);
  throw new Error('cut off');
}

function checkRefusals(check: Check): void {
  for (const algorithm of ['sha256', 'sha512'] as const) {
    check(`an upload of another ${algorithm} than it was said to have is gone`, async ({ blobs, uploads }) => {
      const { id } = await uploads.start(SESSION);
      await uploads.append(id, chunksOf(utf8('one')), BYTES_MAX);
      const other = ociDigestOf(utf8('other'), algorithm);
      await assert.rejects(uploads.finish(id, other), failsWith('oci/digest-mismatch'));
      assert.equal(await uploads.find(id), null);
      assert.equal(await blobs.size(other), null);
      assert.deepEqual(await collect(blobs.list()), []);
    });
  }

  check('no upload grows beyond what it may; what was within stays', async ({ uploads }) => {
    const { id } = await uploads.start(SESSION);
    await uploads.append(id, chunksOf(sampleBlob(50), 10), 100);
    await assert.rejects(uploads.append(id, chunksOf(sampleBlob(51), 10), 100), failsWith('oci/size'));
    assert.equal((await uploads.find(id))?.length, 100);
    const bytes = concatBytes(sampleBlob(50), sampleBlob(50));
    await uploads.finish(id, ociDigestOf(bytes));
  });

  check('an upload that is cancelled is gone', async ({ uploads, reopen }) => {
    const sessions: UploadSession[] = [await uploads.start(SESSION), await uploads.start(SESSION)];
    for (const { id } of sessions) await uploads.append(id, chunksOf(utf8('x')), 1);
    const empty = await uploads.start(SESSION);
    assert.equal(await uploads.cancel(empty.id), true);
    assert.equal(await uploads.find(empty.id), null);
    const [gone, stays] = sessions.map(({ id }) => id);
    assert.ok(gone !== undefined && stays !== undefined && gone !== stays);
    assert.equal(await uploads.cancel(gone), true);
    assert.equal(await uploads.cancel(gone), false);
    const after = await reopen();
    assert.deepEqual(
      (await collect(after.uploads.list())).map(({ id }) => id),
      [stays],
    );
  });
}

function checkReading(check: Check): void {
  check('ranges are read exactly, by several readers at once, and readers may stop', async (harness) => {
    const bytes = sampleBlob(LARGE_BYTES);
    const digest = await pushBlob(harness, bytes);
    const ranges = [
      [0, 0],
      [0, 1],
      [LARGE_BYTES - 1, LARGE_BYTES],
      [262_143, 262_145],
      [1, LARGE_BYTES],
      [LARGE_BYTES, LARGE_BYTES],
    ] as const;
    await Promise.all(
      ranges.map(async ([start, end]) => {
        assert.deepEqual(await readBlob(harness.blobs, digest, { start, end }), bytes.slice(start, end));
      }),
    );
    for await (const chunk of harness.blobs.read(digest, { start: 0, end: LARGE_BYTES })) {
      assert.ok(chunk.length > 0);
      break;
    }
    const tooFar = readBlob(harness.blobs, digest, { start: LARGE_BYTES - 1, end: LARGE_BYTES + 1 });
    await assert.rejects(tooFar, failsWith('storage/damaged'));
  });
}

function checkSharing(check: Check): void {
  check('content of the log becomes a blob, and stays content when the blob goes', async (harness) => {
    const bytes = sampleBlob(LARGE_BYTES);
    const content = await harness.keepContent(bytes);
    const digest = ociDigestOf(bytes);
    await harness.blobs.adoptContent(content);
    await harness.blobs.adoptContent(content);
    await harness.blobs.makeDurable([digest]);
    assert.deepEqual(await readBlob(harness.blobs, digest, { start: 0, end: LARGE_BYTES }), bytes);
    await harness.blobs.delete(digest);
    assert.deepEqual(await harness.readContent(content), bytes);
    // And of the same file again, which was durable under another name.
    await harness.blobs.adoptContent(content);
    assert.equal(await harness.blobs.size(digest), LARGE_BYTES);
  });

  check('many give the same blob to the content, and take the same content, at once', async (harness) => {
    const bytes = sampleBlob(1_000);
    const digest = await pushBlob(harness, bytes);
    await Promise.all(Array.from({ length: 8 }, () => harness.blobs.giveToContent(digestOf(bytes))));
    await harness.blobs.delete(digest);
    await Promise.all(Array.from({ length: 8 }, () => harness.blobs.adoptContent(digestOf(bytes))));
    assert.deepEqual(await readBlob(harness.blobs, digest, { start: 0, end: bytes.length }), bytes);
    assert.deepEqual(await harness.readContent(digestOf(bytes)), bytes);
  });

  check('a blob becomes content of the log, and stays it when the blob goes', async (harness) => {
    const bytes = sampleBlob(LARGE_BYTES);
    const digest = await pushBlob(harness, bytes);
    await harness.blobs.giveToContent(digestOf(bytes));
    await harness.blobs.giveToContent(digestOf(bytes));
    assert.deepEqual(await readBlob(harness.blobs, digest, { start: 0, end: LARGE_BYTES }), bytes);
    await harness.blobs.delete(digest);
    await harness.reopen();
    assert.deepEqual(await harness.readContent(digestOf(bytes)), bytes);
  });
}
