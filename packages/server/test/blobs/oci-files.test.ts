import assert from 'node:assert/strict';
import fs, {
  chmod,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after as afterAll, test, type TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import {
  concatBytes,
  digestOf,
  isRegistryError,
  parseDigest,
  RegistryError,
  utf8,
  type ErrorCode,
} from '@waybill/protocol';
import { parseRepository } from '@waybill/protocol/oci';
import { keepContent, sampleContent } from '../../src/blobs/conformance.ts';
import { fileOf, openContentFiles } from '../../src/blobs/files/content-files.ts';
import {
  chunksOf,
  ociBlobSuite,
  ociDigestOf,
  pushAtOnce,
  pushBlob,
  readBlob,
  sampleBlob,
  type OciBlobs,
} from '../../src/blobs/oci-conformance.ts';
import { openOciFiles } from '../../src/blobs/oci-files/oci-files.ts';
import { blobFileOf, surveyOciFiles, uploadsFolder } from '../../src/blobs/oci-files/oci-places.ts';
import type { BlobRows } from '../../src/core/oci-ports.ts';
import { openOciSqlite, type OciSqliteStore } from '../../src/storage/oci-sqlite/oci-sqlite-store.ts';
import { SMALL_BLOB_BYTES_MAX } from '../../src/blobs/oci-files/oci-blobs.ts';
import { FileCalls } from './file-calls.ts';

const rootOf = (folder: string): string => path.join(folder, 'oci');
const contentRootOf = (folder: string): string => path.join(folder, 'content');
const open = async (folder: string): Promise<OciBlobs> =>
  openOciFiles(rootOf(folder), await openContentFiles(contentRootOf(folder)), await rows());

let opened: { readonly folder: string; readonly store: OciSqliteStore } | null = null;

/** One store for all: to open one takes longer than most tests here. {@link removeFolder} empties it. */
async function rows(): Promise<BlobRows> {
  if (opened === null) {
    const folder = await mkdtemp(path.join(tmpdir(), 'waybill-oci-'));
    const onFatal = (failure: unknown): void => assert.fail(String(failure));
    opened = { folder, store: await openOciSqlite(path.join(folder, 'oci.sqlite'), onFatal) };
  }
  return opened.store.blobs;
}

afterAll(async () => {
  await opened?.store.close();
  if (opened !== null) await rm(opened.folder, { recursive: true });
});

async function removeFolder(folder: string): Promise<void> {
  const blobs = await rows();
  for (const digest of await blobs.list(null, 1_000)) await blobs.delete(digest);
  await rm(folder, { recursive: true, force: true });
}

ociBlobSuite('files', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-oci-'));
  return {
    ...(await open(folder)),
    reopen: () => open(folder),
    keepContent: async (bytes) => keepContent(await openContentFiles(contentRootOf(folder)), bytes),
    async readContent(digest) {
      const content = await openContentFiles(contentRootOf(folder));
      const size = await content.size(digest);
      if (size === null) return null;
      const chunks: Uint8Array[] = [];
      for await (const chunk of content.read(digest, { start: 0, end: size })) chunks.push(chunk);
      return concatBytes(...chunks);
    },
    dispose: () => removeFolder(folder),
  };
});

async function dataFolder(context: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-oci-'));
  context.after(() => removeFolder(folder));
  return folder;
}

const failsWith =
  (code: ErrorCode) =>
  (thrown: unknown): boolean =>
    isRegistryError(thrown, code);

const SESSION = { repository: parseRepository('demo/app'), account: null };
const BYTES = sampleBlob(1_000);
const DIGEST = ociDigestOf(BYTES);

/** With a byte, which is what a session is kept for. */
async function begin(uploads: OciBlobs['uploads']): Promise<{ readonly id: string }> {
  const session = await uploads.start(SESSION);
  await uploads.append(session.id, chunksOf(utf8('x')), 1);
  return session;
}

async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(uploadsFolder(rootOf(folder)))).toSorted();
}

test('half made sessions, and what else lies among them, go at the start; whole ones stay', async (context) => {
  const folder = await dataFolder(context);
  const { uploads } = await open(folder);
  const ids: string[] = [];
  for (let i = 0; i < 4; i++) ids.push((await begin(uploads)).id);
  const [whole = '', noBytes = '', noFacts = '', torn = ''] = ids;
  const place = uploadsFolder(rootOf(folder));
  await rm(path.join(place, noBytes));
  await rm(path.join(place, `${noFacts}.json`));
  await truncate(path.join(place, `${torn}.json`), 20);
  await writeFile(path.join(place, `${whole}.adopted`), 'half');
  await symlink(folder, path.join(place, 'link'));
  await open(folder);
  assert.deepEqual(await namesIn(folder), [whole, `${whole}.json`]);
  assert.ok((await readdir(folder)).includes('content'));
});

test(
  'a link in place of a blob or of an upload is refused',
  { skip: process.platform === 'win32' },
  async (context) => {
    const folder = await dataFolder(context);
    const { blobs, uploads } = await open(folder);
    await pushBlob({ uploads }, BYTES);
    const { file } = blobFileOf(rootOf(folder), DIGEST);
    const outside = path.join(folder, 'outside');
    await rename(file, outside);
    await symlink(outside, file);
    await assert.rejects(blobs.size(DIGEST), failsWith('storage/damaged'));
    await assert.rejects(readBlob(blobs, DIGEST, { start: 0, end: 1 }), failsWith('storage/damaged'));
    await assert.rejects(blobs.makeDurable([DIGEST]), failsWith('storage/damaged'));
    await assert.rejects(blobs.giveToContent(parseDigest(DIGEST)), failsWith('storage/damaged'));
    const { id } = await begin(uploads);
    const upload = path.join(uploadsFolder(rootOf(folder)), id);
    await rm(upload);
    await symlink(outside, upload);
    await assert.rejects(uploads.append(id, chunksOf(BYTES), 10_000), failsWith('oci/upload-unknown'));
    assert.equal((await stat(outside)).size, BYTES.length);
  },
);

test('a blob that lost its bytes in a power cut is found out when it is to be durable, and can be pushed again', async (context) => {
  const folder = await dataFolder(context);
  await pushBlob(await open(folder), BYTES);
  await truncate(blobFileOf(rootOf(folder), DIGEST).file, 10);
  const after = await open(folder);
  await assert.rejects(after.blobs.makeDurable([DIGEST]), failsWith('oci/blob-unknown'));
  assert.equal(await after.blobs.size(DIGEST), null);
  await pushBlob(after, BYTES);
  await after.blobs.makeDurable([DIGEST]);
  assert.deepEqual(await readBlob((await open(folder)).blobs, DIGEST, { start: 0, end: BYTES.length }), BYTES);
});

test('content and a blob of the same bytes are one file', { skip: process.platform === 'win32' }, async (context) => {
  const folder = await dataFolder(context);
  const content = await openContentFiles(contentRootOf(folder));
  const { blobs, uploads } = await openOciFiles(rootOf(folder), content, await rows());
  const inode = async (file: string): Promise<number> => (await stat(file)).ino;
  const given = await keepContent(content, sampleContent(500));
  await utimes(fileOf(contentRootOf(folder), given).file, 1_000, 1_000);
  await blobs.adoptContent(given);
  const adopted = blobFileOf(rootOf(folder), ociDigestOf(sampleContent(500)));
  assert.equal(await inode(adopted.file), await inode(fileOf(contentRootOf(folder), given).file));
  // A sweep would take an old one; the content's own time stays.
  assert.ok(((await blobs.keptAtMs(ociDigestOf(sampleContent(500)))) ?? 0) > Date.now() - 60_000);
  assert.equal(await content.keptAtMs(given), 1_000_000);
  await pushBlob({ uploads }, BYTES);
  await blobs.giveToContent(digestOf(BYTES));
  const { file } = blobFileOf(rootOf(folder), DIGEST);
  assert.equal(await inode(file), await inode(fileOf(contentRootOf(folder), digestOf(BYTES)).file));
  assert.deepEqual(await readdir(path.join(contentRootOf(folder), 'uploads')), []);
  assert.deepEqual(await namesIn(folder), []);
});

test('a blob is given to the content while the same bytes are uploaded there', async (context) => {
  const folder = await dataFolder(context);
  const content = await openContentFiles(contentRootOf(folder));
  const { blobs, uploads } = await openOciFiles(rootOf(folder), content, await rows());
  for (let round = 0; round < 20; round++) {
    const bytes = sampleContent(500 + round);
    await pushBlob({ uploads }, bytes);
    await Promise.all([keepContent(content, bytes), blobs.giveToContent(digestOf(bytes))]);
    assert.equal(await content.size(digestOf(bytes)), bytes.length);
  }
  assert.deepEqual(await readdir(path.join(contentRootOf(folder), 'uploads')), []);
});

test('a small blob that comes at once is a row, and no file; a larger one is a file', async (context) => {
  const folder = await dataFolder(context);
  const stores = await open(folder);
  const [small, large] = [sampleBlob(SMALL_BLOB_BYTES_MAX - 1), sampleBlob(SMALL_BLOB_BYTES_MAX + 1)];
  const [row, file] = [await pushAtOnce(stores, small), await pushAtOnce(stores, large)];
  const blobFiles = async (): Promise<string[]> => {
    const names = await readdir(path.join(rootOf(folder), 'blobs'), { recursive: true });
    return names.filter((name) => /[0-9a-f]{64}$/.test(name));
  };
  assert.deepEqual(await blobFiles(), [
    path.relative(path.join(rootOf(folder), 'blobs'), blobFileOf(rootOf(folder), file).file),
  ]);
  assert.deepEqual(await namesIn(folder), []);
  const listed: string[] = [];
  for await (const digest of stores.blobs.list()) listed.push(digest);
  assert.deepEqual(listed, [file, row]);
  const empty = await pushAtOnce(stores, new Uint8Array(0));
  assert.equal(await stores.blobs.size(empty), 0);
  assert.equal((await readBlob(stores.blobs, empty, { start: 0, end: 0 })).length, 0);
  const range = { start: 5, end: small.length };
  assert.deepEqual(await readBlob(stores.blobs, row, range), small.subarray(5));
  const beyond = { start: 0, end: small.length + 1 };
  await assert.rejects(readBlob(stores.blobs, row, beyond), failsWith('storage/damaged'));
  // Pushed in parts it was a file already: both are one blob, and go together.
  await pushBlob(stores, small);
  assert.equal((await blobFiles()).length, 2);
  await stores.blobs.makeDurable([row, file]);
  await stores.blobs.delete(row);
  assert.equal((await blobFiles()).length, 1);
  assert.deepEqual([await stores.blobs.size(row), await stores.blobs.keptAtMs(row)], [null, null]);
  await assert.rejects(stores.blobs.makeDurable([row]), failsWith('oci/blob-unknown'));
});

const DAMAGE: readonly (readonly [string, (bytes: Uint8Array) => Uint8Array])[] = [
  ['has other bytes', (bytes) => bytes.map((byte) => byte ^ 1)],
  ['is cut off', (bytes) => bytes.subarray(1)],
];

for (const [title, harm] of DAMAGE) {
  test(`a row that ${title} is right again when its blob is pushed or adopted, in whichever way`, async (context) => {
    const folder = await dataFolder(context);
    const content = await openContentFiles(contentRootOf(folder));
    const stores = await openOciFiles(rootOf(folder), content, await rows());
    const bytes = sampleContent(500);
    const digest = await pushAtOnce(stores, bytes);
    const adopted = await keepContent(content, bytes);
    const again = {
      'at once': () => pushAtOnce(stores, bytes),
      'in parts': () => pushBlob(stores, bytes),
      'from the content': () => stores.blobs.adoptContent(adopted),
    };
    for (const [way, push] of Object.entries(again)) {
      await (await rows()).put(digest, harm(bytes), 1);
      await push();
      assert.equal(await stores.blobs.size(digest), bytes.length, way);
      assert.deepEqual(await readBlob(stores.blobs, digest, { start: 0, end: bytes.length }), bytes, way);
    }
  });

  test(`a row that ${title} is not given to the content: the log would have it for ever`, async (context) => {
    const folder = await dataFolder(context);
    const content = await openContentFiles(contentRootOf(folder));
    const stores = await openOciFiles(rootOf(folder), content, await rows());
    const bytes = sampleContent(501);
    const digest = await pushAtOnce(stores, bytes);
    await (await rows()).put(digest, harm(bytes), 1);
    const give = (): Promise<void> => stores.blobs.giveToContent(parseDigest(digest));
    await assert.rejects(give(), failsWith('oci/blob-unknown'));
    assert.deepEqual([await content.size(parseDigest(digest)), await stores.blobs.size(digest)], [null, null]);
    await pushAtOnce(stores, bytes);
    await give();
    assert.equal(await content.size(parseDigest(digest)), bytes.length);
  });
}

test('others have their turn while many small blobs are made durable', async (context) => {
  const stores = await open(await dataFolder(context));
  const digests = await Promise.all(Array.from({ length: 600 }, (_, n) => pushAtOnce(stores, utf8(`small ${n}`))));
  let turns = 0;
  const count = (): void => {
    turns++;
    timer = setImmediate(count);
  };
  let timer = setImmediate(count);
  await stores.blobs.makeDurable(digests);
  clearImmediate(timer);
  assert.ok(turns > 1);
});

test('a full disk keeps a row, but not the file beside it', async (context) => {
  const folder = await dataFolder(context);
  const full = new RegistryError('storage/full', 'made up');
  const fullRows = { ...(await rows()), delete: () => Promise.reject(full) };
  const stores = await openOciFiles(rootOf(folder), await openContentFiles(contentRootOf(folder)), fullRows);
  const digest = await pushAtOnce(stores, BYTES);
  await pushBlob(stores, BYTES);
  const { file } = blobFileOf(rootOf(folder), digest);
  await stat(file);
  await assert.rejects(stores.blobs.delete(digest), failsWith('storage/full'));
  await assert.rejects(stat(file));
});

test('what is in the wrong place is told from blobs', async (context) => {
  const folder = await dataFolder(context);
  await pushBlob(await open(folder), BYTES);
  const strays = ['stray', 'blobs/md5', 'blobs/sha256/zz', 'uploads/x', `blobs/sha256/${DIGEST.slice(7, 9)}/x`];
  for (const stray of strays) await writeFile(path.join(rootOf(folder), stray), '');
  const found: string[] = [];
  for await (const { file, digest } of surveyOciFiles(rootOf(folder))) {
    if (digest === null) found.push(path.relative(rootOf(folder), file));
    else assert.equal(digest, DIGEST);
  }
  assert.deepEqual(found.toSorted(), strays.toSorted());
});

test('a blob that is pushed waits for no disk; made durable it waits once for its bytes and its names', async (context) => {
  const folder = await dataFolder(context);
  const stores = await open(folder);
  const calls = new FileCalls(null);
  try {
    const digests = [await pushBlob(stores, BYTES), await pushBlob(stores, utf8('second'), 'sha512')];
    assert.deepEqual(syncs(calls, folder), []);
    await Promise.all([stores.blobs.makeDurable(digests), stores.blobs.makeDurable(digests)]);
    const expected = digests.flatMap((digest) => {
      const { file, folder: below } = blobFileOf('oci', digest);
      // The folders of the usual algorithm are durable from the start.
      return digest.startsWith('sha256:') ? [file, below] : [file, below, path.dirname(below)];
    });
    assert.deepEqual(syncs(calls, folder).toSorted(), expected.toSorted());
    if (process.platform === 'win32') return;
    await stores.blobs.makeDurable(digests);
    await (await open(folder)).blobs.makeDurable(digests);
    assert.equal(syncs(calls, folder).filter((file) => /[0-9a-f]{64}$/.test(file)).length, 2);
  } finally {
    await calls.dispose();
  }
});

function syncs(calls: FileCalls, folder: string): string[] {
  const below = calls.log.filter((call) => call.startsWith(`sync ${rootOf(folder)}`));
  return below.map((call) => path.relative(folder, call.slice('sync '.length)));
}

test('a failed fsync says so, and the blob does not count as durable', async (context) => {
  const folder = await dataFolder(context);
  const stores = await open(folder);
  await pushBlob(stores, BYTES);
  const isSync = async (interrupt: number): Promise<boolean> => {
    const calls = new FileCalls({ call: interrupt, done: false, how: 'EIO' });
    try {
      await assert.rejects(stores.blobs.makeDurable([DIGEST]), failsWith('storage/failed'));
      return calls.hasCome;
    } finally {
      await calls.dispose();
    }
  };
  // Opening the blob is the first call, its sync the second; opening the folder the third, its sync the fourth.
  for (const call of [2, 4]) assert.ok(await isSync(call));
  assert.equal((await stat(blobFileOf(rootOf(folder), DIGEST).file)).mode & 0o200, 0o200);
});

const STEPS: readonly (readonly [string, (stores: OciBlobs) => Promise<unknown>])[] = [
  ['a push', (stores) => pushBlob(stores, BYTES)],
  [
    'a push with one request, and a gift to the content',
    async (stores) => {
      await pushAtOnce(stores, BYTES);
      await stores.blobs.giveToContent(parseDigest(DIGEST));
    },
  ],
  [
    'a push and a durable mark',
    async (stores) => {
      await pushBlob(stores, BYTES);
      await stores.blobs.makeDurable([DIGEST]);
    },
  ],
  [
    'a gift to the content',
    async (stores) => {
      await pushBlob(stores, BYTES);
      await stores.blobs.giveToContent(parseDigest(DIGEST));
    },
  ],
];
const CALLS_MAX = 60;

for (const [title, work] of STEPS) {
  test(`a process that dies at any step of ${title} leaves a whole blob or none, and the next one goes on`, async (context) => {
    let hasCome = true;
    for (let call = 1; hasCome && call <= CALLS_MAX; call++) {
      for (const done of [false, true]) {
        const folder = await dataFolder(context);
        const stores = await open(folder);
        const calls = new FileCalls({ call, done, how: 'freeze' });
        try {
          await Promise.race([work(stores), calls.frozen]);
          hasCome = calls.hasCome;
        } finally {
          await calls.dispose();
        }
        await checkAfterDeath(folder);
        await removeFolder(folder);
      }
    }
    assert.equal(hasCome, false, 'more calls than were tried');
  });
}

async function checkAfterDeath(folder: string): Promise<void> {
  const content = await openContentFiles(contentRootOf(folder));
  const after = await openOciFiles(rootOf(folder), content, await rows());
  const wholeOrNone = async (size: number | null, read: () => Promise<Uint8Array>): Promise<void> => {
    if (size !== null) assert.deepEqual(await read(), BYTES);
  };
  const range = { start: 0, end: BYTES.length };
  await wholeOrNone(await after.blobs.size(DIGEST), () => readBlob(after.blobs, DIGEST, range));
  const inContent = await content.size(parseDigest(DIGEST));
  assert.ok(inContent === null || inContent === BYTES.length);
  for (const name of await namesIn(folder)) assert.match(name, /^[0-9a-f-]{36}(?:\.json)?$/);
  for await (const { id } of after.uploads.list()) await after.uploads.cancel(id);
  assert.deepEqual(await namesIn(folder), []);
  await pushBlob(after, BYTES);
  await after.blobs.giveToContent(parseDigest(DIGEST));
  assert.equal(await content.size(parseDigest(DIGEST)), BYTES.length);
}

test('where the disk has no hard links content is copied, and so is what is given to it', async (context) => {
  const folder = await dataFolder(context);
  const { link } = fs;
  fs.link = () => Promise.reject(Object.assign(new Error('made up'), { code: 'EXDEV', syscall: 'link' }));
  syncBuiltinESMExports();
  context.after(() => {
    fs.link = link;
    syncBuiltinESMExports();
  });
  const content = await openContentFiles(contentRootOf(folder));
  const { blobs, uploads } = await openOciFiles(rootOf(folder), content, await rows());
  const adopted = await keepContent(content, sampleContent(300_001));
  await blobs.adoptContent(adopted);
  await pushBlob({ uploads }, BYTES);
  await blobs.giveToContent(parseDigest(DIGEST));
  const range = { start: 0, end: 300_001 };
  assert.deepEqual(await readBlob(blobs, ociDigestOf(sampleContent(300_001)), range), sampleContent(300_001));
  assert.equal(await content.size(parseDigest(DIGEST)), BYTES.length);
  const inode = async (file: string): Promise<number> => (await stat(file)).ino;
  const { file } = blobFileOf(rootOf(folder), DIGEST);
  assert.notEqual(await inode(file), await inode(fileOf(contentRootOf(folder), parseDigest(DIGEST)).file));
  assert.deepEqual(await readdir(path.join(contentRootOf(folder), 'uploads')), []);
  assert.deepEqual(await namesIn(folder), []);
});

/** So many blobs that lie in one folder. */
function neighbours(count: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let n = 0; found.length < count; n++) {
    const bytes = utf8(`neighbour ${n}`);
    if (ociDigestOf(bytes).startsWith('sha256:00')) found.push(bytes);
  }
  return found;
}

/** Has calls of the file system go through `fs` as it is changed by `change`, until the test ends. */
function changeCalls(context: TestContext, change: Partial<Pick<typeof fs, 'open' | 'rename'>>): void {
  const before = { open: fs.open, rename: fs.rename };
  Object.assign(fs, change);
  syncBuiltinESMExports();
  context.after(() => {
    Object.assign(fs, before);
    syncBuiltinESMExports();
  });
}

const NO_MODES = { skip: process.platform === 'win32' };

test('a push that takes a name while it is made durable leaves a durable file there', NO_MODES, async (context) => {
  const folder = await dataFolder(context);
  const stores = await open(folder);
  await pushBlob(stores, BYTES);
  let [arrive, go] = [(): void => undefined, (): void => undefined];
  const arrived = new Promise<void>((resolve) => (arrive = resolve));
  const gone = new Promise<void>((resolve) => (go = resolve));
  const realRename = fs.rename;
  changeCalls(context, {
    async rename(from, to) {
      arrive();
      await gone;
      return realRename(from, to);
    },
  });
  const pushing = pushBlob(stores, BYTES);
  await arrived;
  const durable = stores.blobs.makeDurable([DIGEST]);
  // It has to wait for the name, however long that takes.
  await Promise.race([durable, setTimeout(200)]);
  go();
  await Promise.all([pushing, durable]);
  assert.equal((await stat(blobFileOf(rootOf(folder), DIGEST).file)).mode & 0o200, 0);
});

test('what is found to have lost its bytes does not take along what was pushed meanwhile', async (context) => {
  const folder = await dataFolder(context);
  await pushBlob(await open(folder), BYTES);
  const { file } = blobFileOf(rootOf(folder), DIGEST);
  await truncate(file, 10);
  const after = await open(folder);
  const realOpen = fs.open;
  let isPushed = false;
  changeCalls(context, {
    async open(name, ...more) {
      const handle = await realOpen(name, ...more);
      if (name !== file || isPushed) return handle;
      isPushed = true;
      // Asked before it is read.
      const realStat = handle.stat.bind(handle);
      Object.assign(handle, {
        async stat(...asked: Parameters<typeof realStat>) {
          await pushBlob(after, BYTES);
          return realStat(...asked);
        },
      });
      return handle;
    },
  });
  await after.blobs.makeDurable([DIGEST]);
  assert.deepEqual(await readBlob(after.blobs, DIGEST, { start: 0, end: BYTES.length }), BYTES);
});

test('many blobs of one folder, pushed at once, open few files at a time', async (context) => {
  const stores = await open(await dataFolder(context));
  const digests = [];
  for (const bytes of neighbours(400)) digests.push(await pushBlob(stores, bytes));
  const realOpen = fs.open;
  let [now, most] = [0, 0];
  changeCalls(context, {
    async open(...call) {
      const handle = await realOpen(...call);
      most = Math.max(most, ++now);
      const close = handle.close.bind(handle);
      handle.close = () => {
        now--;
        return close();
      };
      return handle;
    },
  });
  await Promise.all([stores.blobs.makeDurable(digests.slice(0, 300)), stores.blobs.makeDurable(digests.slice(100))]);
  // Blobs, and the folder that each group of them syncs.
  assert.ok(most <= 16 * 17, `${most} were open`);
  assert.equal(now, 0);
});

test('a blob that somebody else misses is no reason to refuse another one', async (context) => {
  const folder = await dataFolder(context);
  const before = await open(folder);
  const digests = [];
  for (const bytes of neighbours(2)) digests.push(await pushBlob(before, bytes));
  const [whole, lost] = digests;
  assert.ok(whole !== undefined && lost !== undefined);
  await truncate(blobFileOf(rootOf(folder), lost).file, 1);
  const { blobs } = await open(folder);
  const both = assert.rejects(blobs.makeDurable([whole, lost]), failsWith('oci/blob-unknown'));
  await blobs.makeDurable([whole]);
  await both;
});

test('bytes that an earlier process left and a power cut changed are served under no digest', async (context) => {
  const folder = await dataFolder(context);
  const before = await open(folder);
  await pushBlob(before, BYTES);
  const kept = await pushBlob(before, utf8('kept'));
  const { file } = blobFileOf(rootOf(folder), DIGEST);
  await chmod(file, 0o640);
  await writeFile(file, new Uint8Array(BYTES.length));
  const { blobs } = await open(folder);
  const readers = [1, 2].map(() => readBlob(blobs, DIGEST, { start: 0, end: 1 }));
  for (const reading of readers) await assert.rejects(reading, failsWith('oci/blob-unknown'));
  assert.equal(await blobs.size(DIGEST), null);
  assert.deepEqual(await readBlob(blobs, kept, { start: 0, end: 4 }), utf8('kept'));
  assert.deepEqual(await readFile(blobFileOf(rootOf(folder), kept).file, 'utf8'), 'kept');
});
