import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { FolderSwap, hasCode } from '@waybill/client/node';
import { RegistryError } from '@waybill/protocol';

/** A folder that a command fills; what stands in it is replaced where it is known by the name of one of its files. */
export interface OutputFolder {
  readonly folder: string;
  /** A file that says that a command of ours made the folder, and that lists what is in it. */
  readonly mark: string;
  /** What the mark lists; the mark itself is not among them. */
  readonly listed: (mark: string) => Promise<readonly string[]>;
}

/**
 * Puts all files in place, or none ({@link FolderSwap}). Throws `usage/invalid` where something would be lost that no command of
 * ours made.
 */
export async function writeFolder(output: OutputFolder, files: ReadonlyMap<string, Uint8Array>): Promise<void> {
  const swap = await FolderSwap.open(output.folder);
  await requireReplaceableFolder(output);
  try {
    for (const [name, bytes] of files) await swap.write(name, [bytes]);
    await swap.commit();
  } finally {
    await swap.discard();
  }
}

/** Throws `usage/invalid` for a folder with anything that the mark in it does not list. */
export async function requireReplaceableFolder({ folder, mark, listed }: OutputFolder): Promise<void> {
  const target = path.resolve(folder);
  const found = await filesIn(target, folder);
  if (found.length === 0) return;
  const known = new Set([mark, ...(found.includes(mark) ? await listed(path.join(target, mark)) : [])]);
  const foreign = found.find((name) => !known.has(name));
  if (foreign === undefined) return;
  throw new RegistryError(
    'usage/invalid',
    `${folder} has other things in it, such as ${foreign}: name an empty folder`,
  );
}

async function filesIn(target: string, folder: string): Promise<string[]> {
  try {
    const entries = await readdir(target, { withFileTypes: true, recursive: true });
    const files = entries.filter((entry) => !entry.isDirectory());
    return files.map(({ parentPath, name }) =>
      path.relative(target, path.join(parentPath, name)).replaceAll(path.sep, '/'),
    );
  } catch (failure) {
    if (hasCode(failure, 'ENOENT')) return [];
    if (hasCode(failure, 'ENOTDIR')) throw new RegistryError('usage/invalid', `${folder} is a file: name a folder`);
    throw failure;
  }
}
