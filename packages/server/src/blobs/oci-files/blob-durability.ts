import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { rm, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { isRegistryError, RegistryError } from '@waybill/protocol';
import { algorithmOf, type OciDigest } from '@waybill/protocol/oci';
import { openUnlessGone, syncFolder, syncHandle } from '../durable-files.ts';
import { withFileFailures } from '../file-failure.ts';
import { fileChunks } from './file-chunks.ts';
import { OneByOne } from './one-by-one.ts';
import { blobFileOf, DURABLE_MODE, findBlob, inodeOf } from './oci-places.ts';
import { Turns } from './turns.ts';

/** Digests of blobs that this process has seen whole and that are not durable yet: beyond it the oldest are read again. */
const FRESH_MAX = 65_536;
/** Groups of files that are made durable at once, over all pushes, and files of one: so many are open at a time. */
const GROUPS_MAX = 16;
const GROUP_FILES_MAX = 16;
const ATTEMPTS_MAX = 3;
/** Blobs looked for in one turn of the event loop, which is some milliseconds. */
const LOOKS_A_TURN = 256;

interface Looked {
  readonly digest: OciDigest;
  /** `null` when it is not here. */
  readonly folder: string | null;
}

/** Which blobs are durable, which are whole, and which are on their way to either. */
export class BlobDurability {
  readonly #root: string;
  readonly #fresh = new Set<OciDigest>();
  /** How many want the blob to be durable. */
  readonly #wanted = new Map<OciDigest, number>();
  readonly #syncing = new Map<OciDigest, Promise<void>>();
  readonly #checking = new Map<OciDigest, Promise<boolean>>();
  readonly #naming = new OneByOne<OciDigest>();
  readonly #turns = new Turns(GROUPS_MAX);
  /** Folders whose own names are durable. */
  readonly #knownFolders: Set<string>;

  constructor(root: string, durableFolders: readonly string[]) {
    this.#root = root;
    this.#knownFolders = new Set(durableFolders);
  }

  /**
   * Has `giveName` give a whole file the blob's name. What others count on, or are about to, is not replaced by what a power cut
   * may take.
   */
  async replace(digest: OciDigest, temporary: string, giveName: () => Promise<void>): Promise<void> {
    await this.#naming.run(digest, async () => {
      if (this.#wanted.has(digest) || findBlob(this.#root, digest)?.isDurable === true) await syncFile(temporary);
      await giveName();
    });
    this.#noteFresh(digest);
  }

  async delete(digest: OciDigest): Promise<void> {
    const { file } = blobFileOf(this.#root, digest);
    await this.#naming.run(digest, async () => {
      this.#fresh.delete(digest);
      await withFileFailures(file, () => rm(file, { force: true }), 'storage/failed');
    });
  }

  /** False for a blob that an earlier process left and that has lost its bytes; then it is gone. It is read to its end once. */
  async checkWhole(digest: OciDigest): Promise<boolean> {
    const found = findBlob(this.#root, digest);
    if (found === null || found.isDurable || this.#fresh.has(digest)) return true;
    const underWay = this.#checking.get(digest) ?? this.#readWhole(digest);
    this.#checking.set(digest, underWay);
    try {
      return await underWay;
    } finally {
      this.#checking.delete(digest);
    }
  }

  async #readWhole(digest: OciDigest): Promise<boolean> {
    const { file } = blobFileOf(this.#root, digest);
    const handle = await openUnlessGone(file);
    if (handle === null) return true;
    try {
      return await this.#isWhole(digest, handle);
    } finally {
      await handle.close();
    }
  }

  /** Throws `oci/blob-unknown`, `storage/busy`. */
  async makeDurable(digests: readonly OciDigest[]): Promise<void> {
    const all = [...new Set(digests)];
    for (const digest of all) this.#wanted.set(digest, (this.#wanted.get(digest) ?? 0) + 1);
    try {
      // A file that gets a name from here on is durable when it gets it.
      await this.#naming.idle(all);
      await this.#syncAll(all);
    } finally {
      for (const digest of all) this.#unwant(digest);
    }
  }

  async #syncAll(all: readonly OciDigest[]): Promise<void> {
    let left = all;
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      const { own, others } = await this.#beginSyncs(left);
      if (own.length === 0 && others.length === 0) return;
      // All of them end before this does, also when one fails.
      await Promise.allSettled([...own, ...others]);
      await Promise.all([...own, ...others.map(unlessUnknown)]);
      if (process.platform === 'win32') return;
      // Those of which somebody else's attempt ended early, or another file has the name by now.
      const still = new Set((await this.#notDurable(left)).map(({ digest }) => digest));
      for (const digest of left) if (!still.has(digest)) this.#fresh.delete(digest);
      left = [...still];
      if (left.length === 0) return;
    }
    throw new RegistryError('storage/busy', `${left[0]} is pushed again and again: try again`);
  }

  async #notDurable(digests: readonly OciDigest[]): Promise<readonly Looked[]> {
    const left: Looked[] = [];
    for (const [i, digest] of digests.entries()) {
      if (i % LOOKS_A_TURN === LOOKS_A_TURN - 1) await nextTurn();
      const blob = findBlob(this.#root, digest);
      if (blob?.isDurable !== true) left.push({ digest, folder: blob?.folder ?? null });
    }
    return left;
  }

  async #beginSyncs(
    digests: readonly OciDigest[],
  ): Promise<{ readonly own: readonly Promise<void>[]; readonly others: readonly Promise<void>[] }> {
    const groups = new Map<string, OciDigest[]>();
    for (const { digest, folder } of await this.#notDurable(digests)) {
      if (folder === null) throw unknownBlob(digest);
      const group = groups.get(folder);
      if (group === undefined) groups.set(folder, [digest]);
      else group.push(digest);
    }
    const others = new Set<Promise<void>>();
    const own: Promise<void>[] = [];
    for (const [folder, those] of groups) {
      const idle = those.filter((digest) => {
        const underWay = this.#syncing.get(digest);
        if (underWay !== undefined) others.add(underWay);
        return underWay === undefined;
      });
      for (let start = 0; start < idle.length; start += GROUP_FILES_MAX) {
        const group = idle.slice(start, start + GROUP_FILES_MAX);
        own.push(this.#watch(group, () => this.#syncFolderOf(folder, group)));
      }
    }
    return { own, others: [...others] };
  }

  async #watch(digests: readonly OciDigest[], work: () => Promise<void>): Promise<void> {
    const underWay = this.#turns.run(work);
    for (const digest of digests) this.#syncing.set(digest, underWay);
    try {
      await underWay;
    } finally {
      for (const digest of digests) if (this.#syncing.get(digest) === underWay) this.#syncing.delete(digest);
    }
  }

  /** The bytes of blobs of one folder, then their names; the mode says it last. */
  async #syncFolderOf(folder: string, digests: readonly OciDigest[]): Promise<void> {
    const opened: FileHandle[] = [];
    try {
      for (const digest of digests) {
        const { file } = blobFileOf(this.#root, digest);
        const handle = await openToSync(file);
        if (handle === null) throw unknownBlob(digest);
        opened.push(handle);
        if (!this.#fresh.has(digest) && !(await this.#isWhole(digest, handle))) throw unknownBlob(digest);
        await syncHandle(handle, file);
      }
      await this.syncNames(folder);
      // Of the files that were synced: others may have taken their names by now.
      for (const handle of opened) await markDurable(handle);
    } finally {
      for (const handle of opened) await handle.close();
    }
  }

  async syncNames(folder: string): Promise<void> {
    const sync = async (): Promise<void> => {
      await syncFolder(folder);
      if (this.#knownFolders.has(folder)) return;
      await syncFolder(path.dirname(folder));
      this.#knownFolders.add(folder);
    };
    await withFileFailures(folder, sync, 'storage/failed');
  }

  /** What has lost its bytes goes, so that it can be pushed again; but not what was pushed meanwhile. */
  async #isWhole(digest: OciDigest, handle: FileHandle): Promise<boolean> {
    const { file } = blobFileOf(this.#root, digest);
    const { size, ino } = await handle.stat({ bigint: true });
    const hash = createHash(algorithmOf(digest));
    for await (const chunk of fileChunks(handle, file, { start: 0, end: Number(size) })) hash.update(chunk);
    const isWhole = `${algorithmOf(digest)}:${hash.digest('hex')}` === digest;
    return this.#naming.run(digest, async () => {
      if (inodeOf(file) !== ino) return true;
      if (isWhole) this.#noteFresh(digest);
      else await withFileFailures(file, () => rm(file, { force: true }), 'storage/failed');
      return isWhole;
    });
  }

  #noteFresh(digest: OciDigest): void {
    this.#fresh.delete(digest);
    this.#fresh.add(digest);
    if (this.#fresh.size <= FRESH_MAX) return;
    for (const oldest of this.#fresh) {
      this.#fresh.delete(oldest);
      break;
    }
  }

  #unwant(digest: OciDigest): void {
    const left = (this.#wanted.get(digest) ?? 1) - 1;
    if (left === 0) this.#wanted.delete(digest);
    else this.#wanted.set(digest, left);
  }
}

/** What somebody else asked for besides may be missing; a disk that failed has failed for all. */
async function unlessUnknown(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (failure) {
    if (!isRegistryError(failure, 'oci/blob-unknown')) throw failure;
  }
}

async function syncFile(file: string): Promise<void> {
  const handle = await withFileFailures(file, () => openToSync(file), 'storage/failed');
  if (handle === null) return;
  try {
    await syncHandle(handle, file);
    await markDurable(handle);
  } finally {
    await handle.close();
  }
}

/** Windows syncs only what is open for writing; elsewhere a durable blob cannot be opened so. */
function openToSync(file: string): Promise<FileHandle | null> {
  return openUnlessGone(file, process.platform === 'win32' ? constants.O_RDWR : constants.O_RDONLY);
}

async function markDurable(handle: FileHandle): Promise<void> {
  if (process.platform !== 'win32') await handle.chmod(DURABLE_MODE);
}

export function unknownBlob(digest: OciDigest): RegistryError {
  return new RegistryError('oci/blob-unknown', `there is no blob ${digest}`, { digest });
}
