import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { hasCode } from '@waybill/client/node';
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
 * Puts all files in place, or none: a reader sees the old folder, none for a moment, or the new one. A crash leaves at most a
 * folder beside it whose name ends in `.tmp`. Throws `usage/invalid` where something would be lost that no command of ours made.
 */
export async function writeFolder(output: OutputFolder, files: ReadonlyMap<string, Uint8Array>): Promise<void> {
  const target = path.resolve(output.folder);
  const hasOld = await requireReplaceableFolder(output, target);
  const [fresh, old] = [`${target}.${randomUUID()}.tmp`, `${target}.${randomUUID()}.tmp`];
  try {
    for (const [name, bytes] of files) await writeDurably(path.join(fresh, ...name.split('/')), bytes);
    if (hasOld) await rename(target, old);
    // A crash here leaves the old folder beside the place where it was, whole.
    await rename(fresh, target).catch(async (failure: unknown) => {
      if (hasOld) await rename(old, target);
      throw failure;
    });
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
  await rm(old, { recursive: true, force: true });
}

/** Throws `usage/invalid` for a folder with anything that the mark in it does not list; false where there is none. */
export async function requireReplaceableFolder(
  { folder, mark, listed }: OutputFolder,
  target: string,
): Promise<boolean> {
  const found = await filesIn(target, folder);
  if (found === null) return false;
  if (found.length === 0) return true;
  const known = new Set([mark, ...(found.includes(mark) ? await listed(path.join(target, mark)) : [])]);
  const foreign = found.find((name) => !known.has(name));
  if (foreign === undefined) return true;
  throw new RegistryError(
    'usage/invalid',
    `${folder} has other things in it, such as ${foreign}: name an empty folder`,
  );
}

async function filesIn(target: string, folder: string): Promise<string[] | null> {
  try {
    const entries = await readdir(target, { withFileTypes: true, recursive: true });
    const files = entries.filter((entry) => !entry.isDirectory());
    return files.map(({ parentPath, name }) =>
      path.relative(target, path.join(parentPath, name)).replaceAll(path.sep, '/'),
    );
  } catch (failure) {
    if (hasCode(failure, 'ENOENT')) return null;
    if (hasCode(failure, 'ENOTDIR')) throw new RegistryError('usage/invalid', `${folder} is a file: name a folder`);
    throw failure;
  }
}

async function writeDurably(file: string, bytes: Uint8Array): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  const handle = await open(file, 'wx');
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
