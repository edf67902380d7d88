import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, mkdir, open, readdir, rename, rm, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { digestHex, RegistryError, type Digest } from '@waybill/protocol';
import type { ContentStore, ContentUpload } from '../../core/ports.ts';

const FILE_MODE = 0o640;
const FOLDER_MODE = 0o750;

/**
 * Content as files named by digest under `root`. An upload is written beside them, made durable, and renamed into place, so
 * that a file under a digest is always whole. Paths come from parsed digests only (threats W2).
 */
export async function openContentFiles(root: string): Promise<ContentStore> {
  const uploads = path.join(root, 'uploads');
  await mkdir(uploads, { recursive: true, mode: FOLDER_MODE });
  // Whatever an earlier process left unfinished: no record waits for it under that name.
  for (const leftover of await readdir(uploads)) await rm(path.join(uploads, leftover), { recursive: true });
  return {
    size: async (digest) => (await statOf(fileOf(root, digest)))?.size ?? null,
    keptAtMs: async (digest) => (await statOf(fileOf(root, digest)))?.mtimeMs ?? null,
    startUpload: () => startUpload(root, path.join(uploads, randomUUID())),
    read: (digest, range) => readFile(fileOf(root, digest), digest, range),
  };
}

function fileOf(root: string, digest: Digest): string {
  const hex = digestHex(digest);
  return path.join(root, 'sha256', hex.slice(0, 2), hex);
}

async function statOf(file: string): Promise<{ size: number; mtimeMs: number } | null> {
  try {
    const stat = await lstat(file);
    return stat.isFile() ? stat : null;
  } catch (failure) {
    if (hasCode(failure, 'ENOENT')) return null;
    throw failure;
  }
}

async function startUpload(root: string, temporary: string): Promise<ContentUpload> {
  const file = await withRoom(() => open(temporary, 'wx', FILE_MODE));
  return {
    write: (chunk) => withRoom(() => writeAll(file, chunk)),
    async keep(digest) {
      await withRoom(() => file.sync());
      await file.close();
      const target = fileOf(root, digest);
      await mkdir(path.dirname(target), { recursive: true, mode: FOLDER_MODE });
      await rename(temporary, target);
      // The rename is durable only once the folders that hold it are.
      for (const folder of [path.dirname(target), path.join(root, 'sha256'), root]) await syncFolder(folder);
    },
    async discard() {
      await file.close().catch(() => undefined);
      await rm(temporary, { force: true }).catch(() => undefined);
    },
  };
}

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let offset = 0; offset < chunk.length;) {
    const { bytesWritten } = await file.write(chunk, offset, chunk.length - offset);
    offset += bytesWritten;
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function* readFile(
  file: string,
  digest: Digest,
  { start, end }: { readonly start: number; readonly end: number },
): AsyncIterable<Uint8Array> {
  if (end <= start) return;
  try {
    yield* createReadStream(file, { start, end: end - 1 });
  } catch (failure) {
    if (!hasCode(failure, 'ENOENT')) throw failure;
    throw new RegistryError('content/not-found', `there is no content ${digest}`, { digest });
  }
}

async function withRoom<T>(write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (failure) {
    if (!hasCode(failure, 'ENOSPC') && !hasCode(failure, 'EDQUOT')) throw failure;
    throw new RegistryError('storage/full', 'there is no room left for content', {}, { cause: failure });
  }
}

function hasCode(failure: unknown, code: string): boolean {
  return failure instanceof Error && 'code' in failure && failure.code === code;
}
