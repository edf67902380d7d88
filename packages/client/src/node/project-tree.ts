import { randomUUID } from 'node:crypto';
import { cp, lstat, mkdir, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { RegistryError } from '@waybill/protocol';
import { hasCode } from './durable-file.ts';

/** Others read what is installed. */
const FOLDER_MODE = 0o755;
const FILE_MODE = 0o644;

/**
 * A folder in the making, beside the one that it replaces. Commit point: the renaming of the staged folder. Who is interrupted
 * before the first of two renames leaves the old folder; between them the next {@link recoverTree} puts it back; after them it
 * removes it.
 */
export class StagedTree {
  readonly #target: string;
  readonly #staged: string;

  private constructor(target: string) {
    this.#target = target;
    this.#staged = path.join(path.dirname(target), `.${path.basename(target)}.${randomUUID()}.tmp`);
  }

  /** Throws `usage/invalid` where links would have it written elsewhere. */
  static async open(target: string): Promise<StagedTree> {
    for (const folder of [path.dirname(target), target]) await requireFolder(folder);
    await recoverTree(target);
    const tree = new StagedTree(target);
    await mkdir(tree.#staged, { recursive: true, mode: FOLDER_MODE });
    return tree;
  }

  async write(name: string, bytes: Uint8Array): Promise<void> {
    const file = path.join(this.#staged, name);
    await mkdir(path.dirname(file), { recursive: true, mode: FOLDER_MODE });
    await writeFile(file, bytes, { mode: FILE_MODE, flush: true, flag: 'wx' });
  }

  /** Takes over what is in the old folder and not among `replaced`: somebody else has put it there. */
  async keepOthers(replaced: (name: string) => boolean): Promise<void> {
    for (const name of await namesIn(this.#target)) {
      if (replaced(name)) continue;
      await cp(path.join(this.#target, name), path.join(this.#staged, name), {
        recursive: true,
        force: false,
        verbatimSymlinks: true,
      });
    }
  }

  /** Puts the folder in place; one without anything in it is none. */
  async commit(): Promise<void> {
    const old = oldOf(this.#target);
    const isEmpty = (await namesIn(this.#staged)).length === 0;
    await rename(this.#target, old).catch(unlessMissing);
    if (isEmpty) await rm(this.#staged, { recursive: true });
    else await rename(this.#staged, this.#target);
    await rm(old, { recursive: true, force: true });
  }

  /** Also after {@link commit}: what was made on the way and holds nothing goes. */
  async discard(): Promise<void> {
    await rm(this.#staged, { recursive: true, force: true });
    const parent = path.dirname(this.#target);
    if ((await namesIn(parent)).length === 0) await rmdir(parent).catch(unlessMissing);
  }
}

/** A project may be somebody else's: what is installed, and what is cleared away, stays in it. */
async function requireFolder(folder: string): Promise<void> {
  const found = await lstat(folder).catch(unlessMissing);
  if (found === undefined || found.isDirectory()) return;
  const kind = found.isSymbolicLink() ? 'a link, and what is installed would be somewhere else' : 'no folder';
  throw new RegistryError('usage/invalid', `${folder} is ${kind}: remove it`);
}

/** Ends what an interrupted {@link StagedTree} has left. */
export async function recoverTree(target: string): Promise<void> {
  const old = oldOf(target);
  if (await isThere(old)) {
    if (await isThere(target)) await rm(old, { recursive: true });
    else await rename(old, target);
  }
  const [folder, base] = [path.dirname(target), path.basename(target)];
  const left = (await namesIn(folder)).filter((name) => name.startsWith(`.${base}.`) && name.endsWith('.tmp'));
  for (const name of left) await rm(path.join(folder, name), { recursive: true, force: true });
}

function oldOf(target: string): string {
  return path.join(path.dirname(target), `.${path.basename(target)}.old`);
}

async function isThere(file: string): Promise<boolean> {
  return (await lstat(file).catch(unlessMissing)) !== undefined;
}

async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(unlessMissing)) ?? [];
}

function unlessMissing(failure: unknown): undefined {
  if (hasCode(failure, 'ENOENT')) return undefined;
  throw failure;
}
