import { cp, lstat, mkdir, readdir, rmdir } from 'node:fs/promises';
import path from 'node:path';
import { RegistryError } from '@waybill/protocol';
import { unlessMissing } from './file-failure.ts';
import { FolderSwap } from './folder-swap.ts';
import { readInstalledList, writeInstalledList } from './installed-list.ts';

/** A folder of a project, which what is installed shares with what others put there. */
export class StagedTree {
  readonly #target: string;
  readonly #swap: FolderSwap;
  /** What stands in the old folder because something was installed. */
  readonly #old: ReadonlySet<string>;
  readonly #new = new Set<string>();

  private constructor(target: string, swap: FolderSwap, old: ReadonlySet<string>) {
    this.#target = target;
    this.#swap = swap;
    this.#old = old;
  }

  /** Throws `usage/invalid` where links would have it written elsewhere. */
  static async open(target: string): Promise<StagedTree> {
    for (const folder of [path.dirname(target), target]) await requireFolder(folder);
    await mkdir(path.dirname(target), { recursive: true });
    return new StagedTree(target, await FolderSwap.open(target), await readInstalledList(listOf(target)));
  }

  async write(name: string, bytes: Uint8Array): Promise<void> {
    const [top = name] = name.split(/[\\/]/);
    this.#new.add(top);
    await this.#swap.write(name, [bytes]);
  }

  /** Takes over what is in the old folder, was not installed, and is not among `replaced`: somebody else has put it there. */
  async keepOthers(replaced: (name: string) => boolean): Promise<void> {
    for (const name of await namesIn(this.#target)) {
      if (this.#old.has(name) || this.#new.has(name) || replaced(name)) continue;
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
    // Whichever of the two folders a crash leaves, all that was installed in it is listed.
    await writeInstalledList(listOf(this.#target), [...this.#old, ...this.#new]);
    await (isEmpty ? this.#swap.commitNothing() : this.#swap.commit());
    await writeInstalledList(listOf(this.#target), this.#new);
  }

  /** Also after {@link commit}: what was made on the way and holds nothing goes. */
  async discard(): Promise<void> {
    await this.#swap.discard();
    const parent = path.dirname(this.#target);
    if ((await namesIn(parent)).length === 0) await rmdir(parent).catch(unlessMissing);
  }
}

function listOf(target: string): string {
  return path.join(path.dirname(target), `.${path.basename(target)}.waybill-list`);
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
