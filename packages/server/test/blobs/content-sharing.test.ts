import assert from 'node:assert/strict';
import fs, { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import {
  concatBytes,
  digestHex,
  digestOf,
  isRegistryError,
  utf8,
  type Digest,
  type ErrorCode,
} from '@waybill/protocol';
import { keepContent, sampleContent } from '../../src/blobs/conformance.ts';
import { openContentFiles, readContentFiles } from '../../src/blobs/files/content-files.ts';
import { openContentSharing } from '../../src/blobs/files/content-sharing.ts';
import { ContentScrub } from '../../src/core/content-scrub.ts';
import { contentProblem } from '../../src/core/fsck/content-check.ts';
import type { ByteRange, ContentSharing, ContentStore, SharedSlice } from '../../src/core/ports.ts';

const BASE = sampleContent(300_000);
const HEAD = utf8('a head of its own');
const TAIL = sampleContent(70_001).toReversed();
const CONTENT = concatBytes(HEAD, BASE.subarray(100_000, 250_000), TAIL, BASE.subarray(0, 10));
const DIGEST = digestOf(CONTENT);
const SLICES: readonly SharedSlice[] = [
  { baseStart: null, length: HEAD.length },
  { baseStart: 100_000, length: 150_000 },
  { baseStart: null, length: TAIL.length },
  { baseStart: 0, length: 10 },
];

interface Place {
  readonly root: string;
  readonly store: ContentStore;
  readonly sharing: ContentSharing;
}

/** Both contents are kept; the second is shared unless told otherwise. */
async function openPlace(context: TestContext, { isShared = true } = {}): Promise<Place> {
  const root = await mkdtemp(path.join(tmpdir(), 'waybill-sharing-'));
  context.after(() => rm(root, { recursive: true }));
  const store = await openContentFiles(root);
  await keepContent(store, BASE);
  await keepContent(store, CONTENT);
  const sharing = openContentSharing(root);
  if (isShared) await sharing.share(DIGEST, digestOf(BASE), SLICES);
  return { root, store, sharing };
}

async function read(store: Pick<ContentStore, 'read'>, start: number, end: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.read(DIGEST, { start, end })) chunks.push(chunk);
  return concatBytes(...chunks);
}

function fileOf(root: string, below: string, digest: Digest): string {
  const hex = digestHex(digest);
  return path.join(root, below, hex.slice(0, 2), hex);
}

const failsWith =
  (code: ErrorCode) =>
  (thrown: unknown): boolean =>
    isRegistryError(thrown, code);

test('shared content reads as it did, whole and in ranges, also over a restart', async (context) => {
  const { root, store } = await openPlace(context);
  const edges = [0, 1, HEAD.length, HEAD.length + 1, 150_000, 150_000 + HEAD.length, 200_000, CONTENT.length - 10];
  for (const each of [store, await openContentFiles(root), readContentFiles(root)]) {
    assert.equal(await each.size(DIGEST), CONTENT.length);
    for (const start of edges) {
      for (const end of [...edges, CONTENT.length].filter((edge) => edge >= start)) {
        assert.deepEqual(await read(each, start, end), CONTENT.slice(start, end));
      }
    }
    await assert.rejects(read(each, 0, CONTENT.length + 1), failsWith('storage/damaged'));
  }
});

test('many ranges of it are read as one, and in one go over its slices', async (context) => {
  const { store } = await openPlace(context);
  for (const bytes of [1, 7, 50_000]) {
    const ranges: ByteRange[] = [];
    for (let start = 0; start + bytes <= CONTENT.length; start += 3 * bytes) ranges.push({ start, end: start + bytes });
    const chunks: Uint8Array[] = [];
    const some = ranges.slice(-2_000);
    for await (const chunk of store.readSlices(DIGEST, some)) chunks.push(chunk);
    assert.deepEqual(concatBytes(...chunks), concatBytes(...some.map(({ start, end }) => CONTENT.slice(start, end))));
  }
});

test('it takes the room of what it has alone, is listed once, and keeps its time', async (context) => {
  const { root, store, sharing } = await openPlace(context, { isShared: false });
  const keptAtMs = await store.keptAtMs(DIGEST);
  await sharing.share(DIGEST, digestOf(BASE), SLICES);
  await assert.rejects(stat(fileOf(root, 'sha256', DIGEST)));
  const { size } = await stat(fileOf(root, 'shared', DIGEST));
  assert.ok(size < HEAD.length + TAIL.length + 300);
  assert.equal(await store.keptAtMs(DIGEST), keptAtMs);
  assert.equal(await sharing.baseOf(DIGEST), digestOf(BASE));
  assert.equal(await sharing.baseOf(digestOf(BASE)), null);
  const listed: Digest[] = [];
  for await (const digest of store.list()) listed.push(digest);
  assert.deepEqual(listed.toSorted(), [DIGEST, digestOf(BASE)].toSorted());
  assert.deepEqual(await readdir(path.join(root, 'uploads')), []);
});

test('it stands alone again, or where it is uploaded again', async (context) => {
  const { root, store, sharing } = await openPlace(context);
  await sharing.unshare(DIGEST);
  assert.deepEqual(new Uint8Array(await readFile(fileOf(root, 'sha256', DIGEST))), CONTENT);
  await assert.rejects(stat(fileOf(root, 'shared', DIGEST)));
  await sharing.share(DIGEST, digestOf(BASE), SLICES);
  await keepContent(store, CONTENT);
  assert.equal(await sharing.baseOf(DIGEST), null);
  await rm(fileOf(root, 'sha256', digestOf(BASE)));
  assert.deepEqual(await read(store, 0, CONTENT.length), CONTENT);
});

test('slices that make other content change nothing', async (context) => {
  const { root, store, sharing } = await openPlace(context, { isShared: false });
  const wrong = SLICES.map((slice) => (slice.baseStart === 0 ? { ...slice, baseStart: 1 } : slice));
  for (const slices of [wrong, SLICES.slice(1), []]) {
    await assert.rejects(sharing.share(DIGEST, digestOf(BASE), slices), failsWith('storage/damaged'));
    await assert.rejects(stat(fileOf(root, 'shared', DIGEST)));
    assert.deepEqual(await read(store, 0, CONTENT.length), CONTENT);
  }
});

test('a crash after the shared file has its name leaves both, and the plain one counts', async (context) => {
  const { root, store, sharing } = await openPlace(context);
  const shared = await readFile(fileOf(root, 'shared', DIGEST));
  await sharing.unshare(DIGEST);
  await writeFile(fileOf(root, 'shared', DIGEST), shared.subarray(0, 20));
  assert.deepEqual(await read(store, 0, CONTENT.length), CONTENT);
  await sharing.share(DIGEST, digestOf(BASE), SLICES);
  assert.deepEqual(await read(store, 0, CONTENT.length), CONTENT);
});

test('a reader that has begun goes on while the content is shared', async (context) => {
  const { store, sharing } = await openPlace(context, { isShared: false });
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.read(DIGEST, { start: 0, end: CONTENT.length })) {
    if (chunks.length === 0) await sharing.share(DIGEST, digestOf(BASE), SLICES);
    chunks.push(chunk);
  }
  assert.deepEqual(concatBytes(...chunks), CONTENT);
});

test('it is found by who looks while it is made to stand alone', async (context) => {
  const { open } = fs;
  context.after(() => {
    fs.open = open;
    syncBuiltinESMExports();
  });
  for (const look of ['size', 'read'] as const) {
    const { store, sharing } = await openPlace(context);
    let waits = true;
    fs.open = async (file, ...rest) => {
      const isFirst = waits && String(file).includes(`${path.sep}shared${path.sep}`);
      if (isFirst) waits = false;
      if (isFirst) await sharing.unshare(DIGEST);
      return open(file, ...rest);
    };
    syncBuiltinESMExports();
    if (look === 'size') assert.equal(await store.size(DIGEST), CONTENT.length);
    else assert.deepEqual(await read(store, 0, CONTENT.length), CONTENT);
    assert.equal(waits, false);
  }
});

test('W2: a link in place of a folder or a file of shared content is refused', async (context) => {
  for (const replaced of ['shared', 'shared folder', 'base folder'] as const) {
    const { root, store } = await openPlace(context);
    const shared = fileOf(root, 'shared', DIGEST);
    const places = {
      shared,
      'shared folder': path.dirname(shared),
      'base folder': path.dirname(fileOf(root, 'sha256', digestOf(BASE))),
    };
    const place = places[replaced];
    await fs.rename(place, `${place}-away`);
    await fs.symlink(`${place}-away`, place);
    await assert.rejects(store.size(DIGEST), failsWith('storage/damaged'), replaced);
    await assert.rejects(read(store, 0, CONTENT.length), failsWith('storage/damaged'), replaced);
  }
});

test('D7: bytes of a base that rot are told of everything that has slices of them', async (context) => {
  const { root, store } = await openPlace(context);
  await writeFile(
    fileOf(root, 'sha256', digestOf(BASE)),
    BASE.map((byte, i) => (i === 120_000 ? byte + 1 : byte)),
  );
  const damaged: Digest[] = [];
  const scrub = new ContentScrub({ content: store, observer: { contentDamaged: (digest) => damaged.push(digest) } });
  for (let step = 0; step < 20; step++) await scrub.step();
  assert.deepEqual(new Set(damaged), new Set([DIGEST, digestOf(BASE)]));
  for (const digest of [DIGEST, digestOf(BASE)]) assert.match((await contentProblem(store, digest)) ?? '', /digest/);
});

test('D7: a base that is missing or cut, and a damaged header, are damage and no wrong bytes', async (context) => {
  const { root, store, sharing } = await openPlace(context);
  const file = fileOf(root, 'shared', DIGEST);
  const whole = await readFile(file);
  for (let length = 0; length < whole.length; length += length < 200 ? 1 : 10_000) {
    await writeFile(file, whole.subarray(0, length));
    await assert.rejects(read(store, 0, CONTENT.length), failsWith('storage/damaged'));
  }
  for (const header of ['{}', '[]', 'null', '{"base":"sha256:00","slices":[]}', '{"base":1,"slices":1}']) {
    const start = Buffer.from(whole.subarray(0, 8));
    start.writeUInt32LE(header.length, 4);
    await writeFile(file, Buffer.concat([start, Buffer.from(header)]));
    await assert.rejects(store.size(DIGEST), failsWith('storage/damaged'));
  }
  await writeFile(file, whole);
  await writeFile(fileOf(root, 'sha256', digestOf(BASE)), BASE.subarray(0, 120_000));
  await assert.rejects(store.size(DIGEST), failsWith('storage/damaged'));
  await assert.rejects(read(store, 0, CONTENT.length), failsWith('storage/damaged'));
  await rm(fileOf(root, 'sha256', digestOf(BASE)));
  await assert.rejects(store.size(DIGEST), failsWith('storage/damaged'));
  await assert.rejects(store.keptAtMs(DIGEST), failsWith('storage/damaged'));
  await assert.rejects(read(store, 0, CONTENT.length), failsWith('storage/damaged'));
  await assert.rejects(sharing.unshare(DIGEST), failsWith('storage/damaged'));
});
