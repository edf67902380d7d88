import assert from 'node:assert/strict';
import {
  lstat,
  mkdir,
  mkdtemp,
  open,
  readFile,
  readdir,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  type FileHandle,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { digestHex, digestOf, isRegistryError, utf8, type Digest, type ErrorCode } from '@waybill/protocol';
import { contentStoreSuite, keepContent, sampleContent } from '../../src/blobs/conformance.ts';
import { FileUpload, openContentFiles } from '../../src/blobs/files/content-files.ts';

contentStoreSuite('files', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-content-'));
  const root = path.join(folder, 'content');
  return {
    store: await openContentFiles(root),
    reopen: () => openContentFiles(root),
    dispose: () => rm(folder, { recursive: true }),
  };
});

async function contentRoot(context: TestContext): Promise<string> {
  const root = await mkdtemp(path.join(tmpdir(), 'waybill-content-'));
  context.after(() => rm(root, { recursive: true }));
  return root;
}

const failsWith =
  (code: ErrorCode) =>
  (thrown: unknown): boolean =>
    isRegistryError(thrown, code);

function fileOf(root: string, digest: Digest): string {
  const hex = digestHex(digest);
  return path.join(root, 'sha256', hex.slice(0, 2), hex);
}

test('content is a file that others may not read, named by its digest', async (context) => {
  const root = await contentRoot(context);
  const digest = await keepContent(await openContentFiles(root), sampleContent(10));
  const { mode, size } = await stat(fileOf(root, digest));
  assert.equal(size, 10);
  if (process.platform !== 'win32') assert.equal(mode % 8, 0);
  assert.deepEqual(await readdir(path.join(root, 'uploads')), []);
});

test('what an earlier process left unfinished is removed at the start; a link there is not followed', async (context) => {
  const root = await contentRoot(context);
  const unfinished = await (await openContentFiles(root)).startUpload();
  const outside = path.join(root, 'outside');
  await mkdir(outside);
  await writeFile(path.join(outside, 'precious'), '');
  await symlink(outside, path.join(root, 'uploads', 'link'));
  await openContentFiles(root);
  assert.deepEqual(await readdir(path.join(root, 'uploads')), []);
  assert.deepEqual(await readdir(outside), ['precious']);
  await unfinished.discard();
});

test('a link in place of content is refused, and replaced by an upload', async (context) => {
  const root = await contentRoot(context);
  const store = await openContentFiles(root);
  const digest = await keepContent(store, sampleContent(10));
  const outside = path.join(root, 'outside');
  await rename(fileOf(root, digest), outside);
  await symlink(outside, fileOf(root, digest));
  await assert.rejects(store.size(digest), failsWith('storage/damaged'));
  const reading = store.read(digest, { start: 0, end: 10 })[Symbol.asyncIterator]();
  await assert.rejects(reading.next(), failsWith('storage/damaged'));
  await writeFile(outside, 'not touched');
  await keepContent(store, sampleContent(10));
  assert.equal(await store.size(digest), 10);
  assert.equal((await lstat(outside)).size, 'not touched'.length);
});

test('a link in place of a folder is refused', async (context) => {
  for (const name of ['uploads', 'sha256']) {
    const root = await contentRoot(context);
    await symlink(tmpdir(), path.join(root, name));
    await assert.rejects(openContentFiles(root), failsWith('storage/damaged'));
  }
  const root = await contentRoot(context);
  const store = await openContentFiles(root);
  const digest = digestOf(sampleContent(10));
  await symlink(tmpdir(), path.dirname(fileOf(root, digest)));
  await assert.rejects(store.size(digest), failsWith('storage/damaged'));
  await assert.rejects(keepContent(store, sampleContent(10)), failsWith('storage/damaged'));
  assert.deepEqual(await readdir(path.join(root, 'uploads')), []);
});

test('bytes in memory replace a link and what lost its end; what refuses them leaves nothing', async (context) => {
  const root = await contentRoot(context);
  const store = await openContentFiles(root);
  const bytes = sampleContent(1_000);
  const digest = digestOf(bytes);
  const file = fileOf(root, digest);
  const outside = path.join(root, 'outside');
  await writeFile(outside, 'not touched');
  await store.keepBytes(digest, bytes);
  await truncate(file, 500);
  await store.keepBytes(digest, bytes);
  assert.deepEqual(await readFile(file), Buffer.from(bytes));
  await rm(file);
  await symlink(outside, file);
  await store.keepBytes(digest, bytes);
  assert.equal(await store.size(digest), 1_000);
  assert.equal(await readFile(outside, 'utf8'), 'not touched');
  await rm(file);
  // A folder cannot be replaced.
  await mkdir(file);
  await assert.rejects(store.keepBytes(digest, bytes), failsWith('storage/failed'));
  assert.deepEqual(await readdir(path.join(root, 'uploads')), []);
});

test('content that lost its end is reported as damage, and is whole after another upload', async (context) => {
  const root = await contentRoot(context);
  const store = await openContentFiles(root);
  const digest = await keepContent(store, sampleContent(1_000));
  await writeFile(fileOf(root, digest), sampleContent(500));
  const reading = store.read(digest, { start: 500, end: 1_000 })[Symbol.asyncIterator]();
  await assert.rejects(reading.next(), failsWith('storage/damaged'));
  await keepContent(store, sampleContent(1_000));
  assert.equal(await store.size(digest), 1_000);
});

/** A handle of which one operation fails as the system would fail it. */
function failing(
  handle: FileHandle,
  operation: 'write' | 'sync',
  code: string,
): Pick<FileHandle, 'write' | 'sync' | 'close'> {
  const fail = (): Promise<never> => Promise.reject(Object.assign(new Error(code), { code, syscall: operation }));
  return {
    write: operation === 'write' ? fail : handle.write.bind(handle),
    sync: operation === 'sync' ? fail : () => handle.sync(),
    close: () => handle.close(),
  };
}

const FAULTS = [
  ['write', 'ENOSPC', 'storage/full'],
  ['write', 'EDQUOT', 'storage/full'],
  ['write', 'EIO', 'storage/failed'],
  ['sync', 'ENOSPC', 'storage/failed'],
  ['sync', 'EMFILE', 'storage/failed'],
  ['sync', 'EIO', 'storage/failed'],
] as const;
for (const [operation, system, code] of FAULTS) {
  test(`${system} in ${operation} is ${code} and leaves nothing`, async (context) => {
    const root = await contentRoot(context);
    const store = await openContentFiles(root);
    const temporary = path.join(root, 'uploads', 'one');
    const upload = new FileUpload(root, temporary, failing(await open(temporary, 'wx'), operation, system));
    const bytes = utf8('content');
    const keeping = upload.write(bytes).then(() => upload.keep(digestOf(bytes)));
    await assert.rejects(keeping, failsWith(code));
    assert.deepEqual(await readdir(path.join(root, 'uploads')), []);
    assert.equal(await store.size(digestOf(bytes)), null);
    await upload.discard();
  });
}

test('content is not there for others until its name is durable (threats D6)', async (context) => {
  const root = await contentRoot(context);
  const store = await openContentFiles(root);
  const bytes = sampleContent(1_000);
  const upload = await store.startUpload();
  await upload.write(bytes);
  const kept: string[] = [];
  const keeping = upload.keep(digestOf(bytes)).then(() => kept.push('kept'));
  const size = await store.size(digestOf(bytes));
  assert.deepEqual([size, kept], [1_000, ['kept']]);
  await keeping;
  const other = utf8('in memory');
  const keepingBytes = store.keepBytes(digestOf(other), other).then(() => kept.push('bytes'));
  assert.deepEqual([await store.size(digestOf(other)), kept], [other.length, ['kept', 'bytes']]);
  await keepingBytes;
});
