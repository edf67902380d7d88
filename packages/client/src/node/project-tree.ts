import { cp, lstat, mkdir, readdir, rmdir } from 'node:fs/promises';
import path from 'node:path';
import { RegistryError } from '@waybill/protocol';
import { unlessMissing } from './file-failure.ts';
import { FolderSwap } from './folder-swap.ts';

/** A folder of a project, which what is installed shares with what others put there. */
export class StagedTree {
  readonly #target: string;
  readonly #swap: FolderSwap;

  private constructor(target: string, swap: FolderSwap) {
    this.#target = target;
    this.#swap = swap;
  }

  /** Throws `usage/invalid` where links would have it written elsewhere. */
  static async open(target: string): Promise<StagedTree> {
    for (const folder of [path.dirname(target), target]) await requireFolder(folder);
    await mkdir(path.dirname(target), { recursive: true });
    return new StagedTree(target, await FolderSwap.open(target));
  }

  async write(name: string, bytes: Uint8Array): Promise<void> {
    await this.#swap.write(name, [bytes]);
  }

  /** Takes over what is in the old folder and not among `replaced`: somebody else has put it there. */
  async keepOthers(replaced: (name: string) => boolean): Promise<void> {
    for (const name of await namesIn(this.#target)) {
      if (replaced(name)) continue;
      await cp(path.join(this.#target, name), path.join(this.#swap.staged, name), {
        recursive: true,
        force: false,
        verbatimSymlinks: true,
      });
    }
  }

  /** Puts the folder in place; one without anything in it is none. */
  async commit(): Promise<void> {
    const isEmpty = (await namesIn(this.#swap.staged)).length === 0;
    await (isEmpty ? this.#swap.commitNothing() : this.#swap.commit());
  }

  /** Also after {@link commit}: what was made on the way and holds nothing goes. */
  async discard(): Promise<void> {
    await this.#swap.discard();
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

async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(unlessMissing)) ?? [];
}
