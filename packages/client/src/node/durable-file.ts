import { link, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { RegistryError } from '@waybill/protocol';
import { hasCode } from './file-failure.ts';
import { temporaryBeside } from './temporary-file.ts';

/** Only the user reads and writes what the client keeps (SECURITY.md U3). */
export const FILE_MODE = 0o600;
export const FOLDER_MODE = 0o700;

/** Replaces a file at once: a reader sees the old bytes or the new ones, whole. Throws as {@link requireReplaceable}. */
export async function replaceFile(file: string, bytes: Uint8Array | string): Promise<void> {
  await requireReplaceable(file);
  const temporary = await writeTemporary(file, bytes, FILE_MODE);
  await rename(temporary, file).catch(async (failure: unknown) => {
    await rm(temporary, { force: true });
    throw failure;
  });
}

/** Throws `usage/invalid` for a folder, a device or a pipe: a rename would put a plain file in the place of /dev/null. */
export async function requireReplaceable(file: string): Promise<void> {
  const found = await stat(file).catch((failure: unknown) => {
    if (hasCode(failure, 'ENOENT')) return null;
    throw failure;
  });
  if (found === null || found.isFile()) return;
  const kind = found.isDirectory() ? 'folder' : 'device or pipe';
  throw new RegistryError('usage/invalid', `${file} is a ${kind}: name a file`);
}

/** Makes a file that must not exist yet; false when it does. Of many processes exactly one succeeds. */
export async function createFile(file: string, bytes: Uint8Array | string, mode: number = FILE_MODE): Promise<boolean> {
  const temporary = await writeTemporary(file, bytes, mode);
  try {
    await link(temporary, file);
    return true;
  } catch (failure) {
    if (hasCode(failure, 'EEXIST')) return false;
    throw failure;
  } finally {
    await rm(temporary, { force: true });
  }
}

async function writeTemporary(file: string, bytes: Uint8Array | string, mode: number): Promise<string> {
  await mkdir(path.dirname(file), { recursive: true, mode: FOLDER_MODE });
  const temporary = await temporaryBeside(file);
  const handle = await open(temporary, 'wx', mode);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
  return temporary;
}
