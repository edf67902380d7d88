import { lstat, mkdir, open, readdir, rename } from 'node:fs/promises';
import path from 'node:path';
import { unlessMissing } from './file-failure.ts';
import { clearTemporaries, removeAtOnce, temporaryBeside } from './temporary-file.ts';

/** Others read what is put in place. */
const FOLDER_MODE = 0o755;
const FILE_MODE = 0o644;

/**
 * A folder in the making, beside the place that it is to take. Commit point: the second of two renames. Whoever looks sees what
 * was there, for a moment nothing, or the new folder, whole. What is interrupted before the first rename leaves what was there;
 * between the two, the next {@link FolderSwap.open} puts it back; after them, it removes it.
 */
export class FolderSwap {
  /** The folder in the making; it exists once something was written. */
  readonly staged: string;
  readonly #place: string;
  readonly #aside: string;

  private constructor(place: string, staged: string) {
    this.#place = place;
    this.#aside = asideOf(place);
    this.staged = staged;
  }

  /** Ends first what an interrupted one has left at this place. */
  static async open(target: string): Promise<FolderSwap> {
    const place = path.resolve(target);
    await recover(place);
    return new FolderSwap(place, await temporaryBeside(hidden(place, '')));
  }

  async write(name: string, chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<void> {
    const file = path.join(this.staged, ...name.split('/'));
    await mkdir(path.dirname(file), { recursive: true, mode: FOLDER_MODE });
    const handle = await open(file, 'wx', FILE_MODE);
    try {
      for await (const chunk of chunks) await handle.writeFile(chunk);
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  /** Puts the folder in place, be it an empty one. */
  async commit(): Promise<void> {
    await mkdir(this.staged, { recursive: true, mode: FOLDER_MODE });
    await syncFolders(this.staged);
    await rename(this.#place, this.#aside).catch(unlessMissing);
    await rename(this.staged, this.#place).catch(async (failure: unknown) => {
      await rename(this.#aside, this.#place).catch(unlessMissing);
      throw failure;
    });
    await syncFolder(path.dirname(this.#place));
    await removeAtOnce(this.#aside);
  }

  /** Puts nothing in place: what was there goes. */
  async commitNothing(): Promise<void> {
    await this.discard();
    await removeAtOnce(this.#place);
  }

  /** Also after a commit. */
  async discard(): Promise<void> {
    await removeAtOnce(this.staged);
  }
}

/** Where something stands in the place, what stands aside was replaced by it. */
async function recover(place: string): Promise<void> {
  const aside = asideOf(place);
  if (await isThere(aside)) {
    if (await isThere(place)) await removeAtOnce(aside);
    else await rename(aside, place).catch(unlessMissing);
  }
  await clearTemporaries(path.dirname(place));
}

function asideOf(place: string): string {
  return hidden(place, '.waybill-old');
}

function hidden(place: string, ending: string): string {
  return path.join(path.dirname(place), `.${path.basename(place)}${ending}`);
}

async function isThere(file: string): Promise<boolean> {
  return (await lstat(file).catch(unlessMissing)) !== undefined;
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
