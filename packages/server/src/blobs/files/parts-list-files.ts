import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { digestHex, RegistryError, type Digest } from '@waybill/protocol';
import { PARTS_LIST_BYTES_MAX } from '@waybill/protocol/content';
import type { PartsListStore } from '../../core/ports.ts';
import { partsListFolder } from './content-files.ts';
import { hasSystemCode, withFileFailures } from '../file-failure.ts';

const FILE_MODE = 0o640;
const FOLDER_MODE = 0o750;

/** Lists as files named by the digest of their content, in the folder of the content store that is open on `root`. */
export function openPartsListFiles(root: string): PartsListStore {
  const fileOf = (digest: Digest): string => path.join(partsListFolder(root), `${digestHex(digest)}.parts`);
  return {
    readList: (digest) => readList(fileOf(digest)),
    keepList: (digest, list) => withFileFailures(root, () => keepList(root, fileOf(digest), list), 'storage/failed'),
  };
}

async function readList(file: string): Promise<Uint8Array | null> {
  try {
    return await withFileFailures(file, async () => {
      const handle = await open(file, 'r');
      try {
        const { size } = await handle.stat();
        if (size > PARTS_LIST_BYTES_MAX) throw new RegistryError('storage/damaged', `${file} has ${size} bytes`);
        return await readFile(handle);
      } finally {
        await handle.close();
      }
    });
  } catch (failure) {
    if (failure instanceof Error && hasSystemCode(failure.cause, 'ENOENT')) return null;
    throw failure;
  }
}

async function keepList(root: string, file: string, list: Uint8Array): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true, mode: FOLDER_MODE });
  // An upload that is never kept: the next start removes what a crash leaves of it.
  const temporary = path.join(root, 'uploads', randomUUID());
  const handle = await open(temporary, 'wx', FILE_MODE);
  try {
    await handle.writeFile(list);
    // Before its name: a crash must not leave a name with half a list.
    await handle.sync();
    await rename(temporary, file);
  } catch (failure) {
    await rm(temporary, { force: true });
    throw failure;
  } finally {
    await handle.close();
  }
}
