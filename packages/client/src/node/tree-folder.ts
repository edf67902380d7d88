import { randomUUID } from 'node:crypto';
import { lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import {
  digestHex,
  digestOf,
  encodeHex,
  isRegistryError,
  RegistryError,
  sha256Stream,
  type Digest,
} from '@waybill/protocol';
import { encodeTreeIndex, requireTreePath, type TreeFile } from '@waybill/protocol/content';
import { readCached } from '../content-claim.ts';
import type { ContentCache } from '../ports.ts';
import { hasCode } from './durable-file.ts';
import { listTree, walkTree } from './tree-walk.ts';
import { requireWindowsPath } from './windows-path.ts';

const TREE_FOLDER_MODE = 0o755;
const TREE_FILE_MODE = 0o644;

/** What is done with another tree, or anything else, that is there already. */
export type ReplacePolicy = 'keep' | 'replace';

/**
 * Puts files of a tree in place as one folder: everything or nothing of it. It is written beside the target, made durable and
 * renamed; whoever looks sees the old folder, the new one or, for a moment while one is replaced, none. What a crash has left
 * of that moment is put back by the next call. Resolves with `same` where exactly these files are there already. Throws
 * `usage/invalid` for anything else that is there, `content/digest`.
 */
export async function writeTreeFolder(
  target: string,
  tree: { readonly files: readonly TreeFile[]; readonly cache: ContentCache },
  policy: ReplacePolicy,
): Promise<'written' | 'same'> {
  const place = path.resolve(target);
  const aside = path.join(path.dirname(place), `.${path.basename(place)}.waybill-old`);
  await putBack(place, aside);
  const isThere = await exists(place);
  if (isThere && (await holdsExactly(place, tree.files))) return 'same';
  if (isThere && policy === 'keep') {
    throw new RegistryError('usage/invalid', `${target} is there already, and is not this tree: --force replaces it`);
  }
  const temporary = `${place}.${randomUUID()}.tmp`;
  try {
    await writeBeside(temporary, tree);
    if (isThere) await rename(place, aside);
    await rename(temporary, place).catch(async (failure: unknown) => {
      await putBack(place, aside);
      throw failure;
    });
    await syncFolder(path.dirname(place));
  } catch (failure) {
    await rm(temporary, { recursive: true, force: true });
    throw failure;
  }
  await rm(aside, { recursive: true, force: true });
  return 'written';
}

/** After a crash between the two renames the old tree stands aside, and nothing in its place. */
async function putBack(place: string, aside: string): Promise<void> {
  if (!(await exists(aside))) return;
  if (await exists(place)) await rm(aside, { recursive: true });
  else await rename(aside, place);
}

async function exists(file: string): Promise<boolean> {
  try {
    await lstat(file);
    return true;
  } catch (failure) {
    if (hasCode(failure, 'ENOENT')) return false;
    throw failure;
  }
}

async function holdsExactly(folder: string, files: readonly TreeFile[]): Promise<boolean> {
  if (!(await lstat(folder)).isDirectory()) return false;
  try {
    const names = new Set(await listTree(folder, 'all'));
    if (names.size !== files.length || !files.every((file) => names.has(file.path))) return false;
    return (await walkTree(folder, 'all')).digest === digestOf(encodeTreeIndex(files));
  } catch (failure) {
    if (isRegistryError(failure, 'usage/invalid', 'content/tree')) return false;
    throw failure;
  }
}

async function writeBeside(
  folder: string,
  { files, cache }: { readonly files: readonly TreeFile[]; readonly cache: ContentCache },
): Promise<void> {
  await mkdir(folder, { recursive: true, mode: TREE_FOLDER_MODE });
  for (const { path: name, digest } of files) {
    // The index was read strictly: this is the last look before a name becomes a path (SECURITY.md W3).
    requireTreePath(name);
    if (process.platform === 'win32') requireWindowsPath(name);
    const file = path.join(folder, ...name.split('/'));
    await mkdir(path.dirname(file), { recursive: true, mode: TREE_FOLDER_MODE });
    await writeFile(file, await readCached(cache, digest), digest);
  }
  await syncFolders(folder);
}

/** Hashes once more on the way out. */
async function writeFile(file: string, bytes: AsyncIterable<Uint8Array>, digest: Digest): Promise<void> {
  const hash = sha256Stream();
  const handle = await open(file, 'wx', TREE_FILE_MODE);
  try {
    for await (const chunk of bytes) {
      hash.update(chunk);
      await handle.writeFile(chunk);
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
  if (encodeHex(hash.digest()) === digestHex(digest)) return;
  throw new RegistryError('content/digest', `${digest} changed in the cache`);
}

async function syncFolders(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) await syncFolders(path.join(folder, entry.name));
  }
  await syncFolder(folder);
}

/** Windows cannot open a folder to sync it; there the file system's journal has to do. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
