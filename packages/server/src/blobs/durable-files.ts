import { closeSync, constants, fsync, lstatSync, open as openFile, openSync, write, type Stats } from 'node:fs';
import { link, lstat, mkdir, open, readdir, rename, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { messageOf, RegistryError } from '@waybill/protocol';
import { hasSystemCode, withFileFailures, withFileFailuresSync } from './file-failure.ts';

export const FILE_MODE = 0o640;
export const FOLDER_MODE = 0o750;

/** A folder that durably exists when this resolves, and is no link to one. */
export async function ensureFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { mode: FOLDER_MODE });
  } catch (failure) {
    if (!hasSystemCode(failure, 'EEXIST')) throw failure;
    if (!(await lstat(folder)).isDirectory()) throw notOurs(folder);
  }
  // Also when it was there: another upload may have made it just now, and not be as far as this.
  await syncFolder(path.dirname(folder));
}

/**
 * The 256 folders that files named by a digest lie in, all of them at once: made one by one, each would have its first file wait
 * for the disk twice.
 */
export async function ensureDigestFolders(parent: string): Promise<readonly string[]> {
  const names = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'));
  const found = new Set(await readdir(parent));
  for (const name of names) if (!found.has(name)) await mkdir(path.join(parent, name), { mode: FOLDER_MODE });
  await syncFolder(parent);
  return names.map((name) => path.join(parent, name));
}

/** Does `work`, then syncs the folder, which is open by then: nothing but the sync can fail after the work. */
export async function syncFolder(folder: string, work: () => Promise<void> = async () => undefined): Promise<void> {
  // Windows cannot open a folder to sync it; there the file system's journal has to do.
  if (process.platform === 'win32') return work();
  const handle = await open(folder, 'r');
  try {
    await work();
    await syncHandle(handle, folder);
  } finally {
    await handle.close();
  }
}

/** Steps of threads, without the handle that `node:fs/promises` makes of each open file: that costs as much as a small file does. */
const threads = { open: promisify(openFile), write: promisify(write), sync: promisify(fsync) };

/** A new file of bytes that are in memory, durable under its name when this resolves; `temporary` is where it is before. */
export async function writeDurably(
  bytes: Uint8Array,
  { temporary, folder, file }: { readonly temporary: string; readonly folder: string; readonly file: string },
): Promise<void> {
  await closing(await threads.open(temporary, 'wx', FILE_MODE), async (descriptor) => {
    for (let done = 0; done < bytes.length;) done += (await threads.write(descriptor, bytes, done)).bytesWritten;
    await syncOrFail(temporary, () => threads.sync(descriptor));
  });
  // As in {@link syncFolder}.
  if (process.platform === 'win32') return rename(temporary, file);
  await closing(openSync(folder, 'r'), async (descriptor) => {
    await rename(temporary, file);
    await syncOrFail(folder, () => threads.sync(descriptor));
  });
}

/** Closes at once: after a sync nothing is left to be written. */
async function closing(descriptor: number, work: (descriptor: number) => Promise<void>): Promise<void> {
  try {
    await work(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Throws `storage/failed` where the sync fails, whatever it says. */
export function syncHandle(handle: Pick<FileHandle, 'sync'>, file: string): Promise<void> {
  return syncOrFail(file, () => handle.sync());
}

/** Whatever a failed fsync says, also that there is no room, what was written before it is in doubt (SECURITY.md D5). */
async function syncOrFail(file: string, sync: () => Promise<void>): Promise<void> {
  try {
    await sync();
  } catch (cause) {
    throw new RegistryError('storage/failed', `${file}: ${messageOf(cause)}`, {}, { cause });
  }
}

/** `null` when it is not there. A link is not followed. */
export async function openUnlessGone(file: string, flags = constants.O_RDONLY): Promise<FileHandle | null> {
  try {
    return await withFileFailures(file, () => open(file, flags | noFollow()));
  } catch (failure) {
    if (failure instanceof Error && hasSystemCode(failure.cause, 'ENOENT')) return null;
    throw failure;
  }
}

/**
 * Of a file in a folder, neither of them a link; `null` when it is not there. Both are nearly always in the system's memory:
 * asking there costs less than having a thread ask.
 */
export function statNamed(folder: string, file: string): Stats | null {
  return withFileFailuresSync(file, () => {
    const above = lstatSync(folder, ABSENT_IS_NOTHING);
    if (above === undefined) return null;
    if (!above.isDirectory()) throw notOurs(folder);
    const stat = lstatSync(file, ABSENT_IS_NOTHING);
    if (stat === undefined) return null;
    if (!stat.isFile()) throw notOurs(file);
    return stat;
  });
}

/** Not to be there is no failure: an error costs more than the look. */
const ABSENT_IS_NOTHING = { throwIfNoEntry: false } as const;

/** What a file system says that has no hard links, or none between these two places. */
const NO_LINK = ['EXDEV', 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'];

/** False where the file system has no hard link for this. */
export async function linkUnlessRefused(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (failure) {
    if (NO_LINK.some((code) => hasSystemCode(failure, code))) return false;
    throw failure;
  }
}

/** Not defined on Windows. */
export function noFollow(): number {
  return process.platform === 'win32' ? 0 : constants.O_NOFOLLOW;
}

export function notOurs(found: string): RegistryError {
  return new RegistryError('storage/damaged', `${found} is a link or of another kind than expected: remove it`);
}
