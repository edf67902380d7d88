import { lstat } from 'node:fs/promises';
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
import { unlessMissing } from './file-failure.ts';
import { FolderSwap } from './folder-swap.ts';
import { listTree, walkTree } from './tree-walk.ts';
import { requireWindowsPath } from './windows-path.ts';

/** What is done with another tree, or anything else, that is there already. */
export type ReplacePolicy = 'keep' | 'replace';

/**
 * Puts files of a tree in place as one folder: everything or nothing of it ({@link FolderSwap}). Resolves with `same` where
 * exactly these files are there already. Throws `usage/invalid` for anything else that is there, `content/digest`.
 */
export async function writeTreeFolder(
  target: string,
  tree: { readonly files: readonly TreeFile[]; readonly cache: ContentCache },
  policy: ReplacePolicy,
): Promise<'written' | 'same'> {
  const swap = await FolderSwap.open(target);
  const there = await lstat(path.resolve(target)).catch(unlessMissing);
  if (there?.isDirectory() === true && (await holdsExactly(target, tree.files))) return 'same';
  if (there !== undefined && policy === 'keep') {
    throw new RegistryError('usage/invalid', `${target} is there already, and is not this tree: --force replaces it`);
  }
  try {
    for (const { path: name, digest } of tree.files) {
      // The index was read strictly: this is the last look before a name becomes a path (SECURITY.md W3).
      requireTreePath(name);
      if (process.platform === 'win32') requireWindowsPath(name);
      await swap.write(name, checked(await readCached(tree.cache, digest), digest));
    }
    await swap.commit();
  } finally {
    await swap.discard();
  }
  return 'written';
}

async function holdsExactly(folder: string, files: readonly TreeFile[]): Promise<boolean> {
  try {
    const names = new Set(await listTree(folder, 'all'));
    if (names.size !== files.length || !files.every((file) => names.has(file.path))) return false;
    return (await walkTree(folder, 'all')).digest === digestOf(encodeTreeIndex(files));
  } catch (failure) {
    if (isRegistryError(failure, 'usage/invalid', 'content/tree')) return false;
    throw failure;
  }
}

/** Hashes once more on the way out. */
async function* checked(bytes: AsyncIterable<Uint8Array>, digest: Digest): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = sha256Stream();
  for await (const chunk of bytes) {
    hash.update(chunk);
    yield chunk;
  }
  if (encodeHex(hash.digest()) === digestHex(digest)) return;
  throw new RegistryError('content/digest', `${digest} changed in the cache`);
}
