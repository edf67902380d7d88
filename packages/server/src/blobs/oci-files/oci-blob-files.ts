import { createHash, randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { RegistryError, type Digest } from '@waybill/protocol';
import { algorithmOf, parseOciDigest, type OciDigest } from '@waybill/protocol/oci';
import type { BlobStore, ContentLinks } from '../../core/oci-ports.ts';
import type { ByteRange, ContentStore } from '../../core/ports.ts';
import { FILE_MODE, FOLDER_MODE, linkUnlessRefused, openUnlessGone, syncFolder, syncHandle } from '../durable-files.ts';
import { hasSystemCode, withFileFailures } from '../file-failure.ts';
import { writeAt, writeNew } from './block-writer.ts';
import { fileChunks } from './file-chunks.ts';
import { blobFileOf, DURABLE_MODE, findBlob, surveyOciFiles, uploadsFolder } from './oci-places.ts';
import { RecentBlobs } from './recent-blobs.ts';

/** Digests of blobs that this process has seen whole and that are not durable yet: beyond it the oldest are read again. */
const FRESH_MAX = 65_536;
/** Files that are made durable at once. */
const SYNCS_MAX = 16;
const SYNC_ATTEMPTS_MAX = 3;

/** The log's content, with which blobs share files. */
export type SharedContentStore = ContentLinks & Pick<ContentStore, 'size' | 'read'>;

/** Blobs as files named by digest. Paths come from parsed digests only, and a link in place of one is refused. */
export class OciBlobFiles implements BlobStore {
  readonly #root: string;
  readonly #content: SharedContentStore;
  readonly #fresh = new Set<OciDigest>();
  readonly #recent = new RecentBlobs();
  readonly #syncing = new Map<OciDigest, Promise<void>>();
  /** Folders whose own names are durable. */
  readonly #knownFolders: Set<string>;

  constructor(root: string, content: SharedContentStore, durableFolders: readonly string[]) {
    this.#root = root;
    this.#knownFolders = new Set(durableFolders);
    this.#content = content;
  }

  async size(digest: OciDigest): Promise<number | null> {
    return findBlob(this.#root, digest)?.size ?? null;
  }

  async keptAtMs(digest: OciDigest): Promise<number | null> {
    return findBlob(this.#root, digest)?.keptAtMs ?? null;
  }

  read(digest: OciDigest, range: ByteRange): AsyncGenerator<Uint8Array, void, undefined> {
    const recent = this.#recent.get(digest);
    if (recent !== null && range.end <= recent.length && findBlob(this.#root, digest) !== null)
      return once(recent.subarray(range.start, range.end));
    return readBlobFile(this.#root, digest, range);
  }

  async *list(): AsyncGenerator<OciDigest, void, undefined> {
    for await (const { digest } of surveyOciFiles(this.#root)) if (digest !== null) yield digest;
  }

  async delete(digest: OciDigest): Promise<void> {
    this.#fresh.delete(digest);
    this.#recent.delete(digest);
    const { file } = blobFileOf(this.#root, digest);
    await withFileFailures(file, () => rm(file, { force: true }), 'storage/failed');
  }

  /** A whole file becomes the blob, without waiting for the disk: a crash may take it, a power cut may take its bytes. */
  async take(temporary: string, digest: OciDigest): Promise<void> {
    const { folder, file } = blobFileOf(this.#root, digest);
    await withFileFailures(
      file,
      async () => {
        // What others count on must not be replaced by what a power cut may take.
        if (findBlob(this.#root, digest)?.isDurable === true) await syncFile(temporary);
        await renameInto(folder, { from: temporary, to: file });
      },
      'storage/failed',
    );
    this.#noteFresh(digest);
  }

  /** {@link take} of bytes that are in memory, by way of a file that is not there yet. */
  async keep(temporary: string, digest: OciDigest, bytes: Uint8Array): Promise<void> {
    try {
      await writeNew(temporary, bytes);
      await this.take(temporary, digest);
      this.#recent.set(digest, bytes);
    } catch (failure) {
      await rm(temporary, { force: true }).catch(() => undefined);
      throw failure;
    }
  }

  async makeDurable(digests: readonly OciDigest[]): Promise<void> {
    let left: readonly OciDigest[] = [...new Set(digests)];
    for (let attempt = 1; attempt <= SYNC_ATTEMPTS_MAX; attempt++) {
      const waits = this.#beginSyncs(left);
      // All of them end before this does, also when one fails.
      await Promise.allSettled(waits);
      await Promise.all(waits);
      if (process.platform === 'win32') return;
      // Pushed again meanwhile: then another file has the name.
      left = left.filter((digest) => {
        const isDurable = findBlob(this.#root, digest)?.isDurable === true;
        if (isDurable) this.#fresh.delete(digest);
        return !isDurable;
      });
      if (left.length === 0) return;
    }
    throw new RegistryError('storage/busy', `${left[0]} is pushed again and again: try again`);
  }

  #beginSyncs(digests: readonly OciDigest[]): Promise<void>[] {
    const found = digests.map((digest) => ({ digest, blob: findBlob(this.#root, digest) }));
    const missing = found.find(({ blob }) => blob === null);
    if (missing !== undefined) throw unknownBlob(missing.digest);
    const waits = new Set<Promise<void>>();
    const groups = new Map<string, OciDigest[]>();
    for (const { digest, blob } of found) {
      if (blob === null || blob.isDurable) continue;
      const underWay = this.#syncing.get(digest);
      if (underWay !== undefined) waits.add(underWay);
      else groups.set(blob.folder, [...(groups.get(blob.folder) ?? []), digest]);
    }
    const turns = new Turns(SYNCS_MAX);
    for (const [folder, those] of groups) {
      waits.add(
        this.#watch(
          those,
          turns.run(() => this.#syncFolderOf(folder, those)),
        ),
      );
    }
    return [...waits];
  }

  async #watch(digests: readonly OciDigest[], work: Promise<void>): Promise<void> {
    for (const digest of digests) this.#syncing.set(digest, work);
    try {
      await work;
    } finally {
      for (const digest of digests) if (this.#syncing.get(digest) === work) this.#syncing.delete(digest);
    }
  }

  /** The bytes of blobs of one folder, then their names; the mode says it last. */
  async #syncFolderOf(folder: string, digests: readonly OciDigest[]): Promise<void> {
    const opened: { readonly digest: OciDigest; readonly handle: FileHandle }[] = [];
    try {
      for (const digest of digests) {
        const { file } = blobFileOf(this.#root, digest);
        const handle = await openToSync(file);
        if (handle === null) throw unknownBlob(digest);
        opened.push({ digest, handle });
        if (!this.#fresh.has(digest)) await this.#requireWhole(digest, handle);
        await syncHandle(handle, file);
      }
      await withFileFailures(folder, () => this.#syncNames(folder), 'storage/failed');
      for (const { handle } of opened) {
        // Of the file that was synced: another one may have taken its name by now.
        await markDurable(handle);
      }
    } finally {
      for (const { handle } of opened) await handle.close();
    }
  }

  async #syncNames(folder: string): Promise<void> {
    await syncFolder(folder);
    if (this.#knownFolders.has(folder)) return;
    await syncFolder(path.dirname(folder));
    this.#knownFolders.add(folder);
  }

  /** What an earlier process left may have lost its bytes since; then it goes, so that it can be pushed again. */
  async #requireWhole(digest: OciDigest, handle: FileHandle): Promise<void> {
    const { file } = blobFileOf(this.#root, digest);
    const { size } = await handle.stat();
    const hash = createHash(algorithmOf(digest));
    for await (const chunk of fileChunks(handle, file, { start: 0, end: size })) hash.update(chunk);
    if (`${algorithmOf(digest)}:${hash.digest('hex')}` === digest) return;
    await this.delete(digest);
    throw unknownBlob(digest);
  }

  async adoptContent(digest: Digest): Promise<void> {
    const temporary = path.join(uploadsFolder(this.#root), `${randomUUID()}.adopted`);
    try {
      const plain = await this.#content.plainFile(digest);
      const isLinked =
        plain !== null && (await withFileFailures(plain, () => linkUnlessRefused(plain, temporary), 'storage/failed'));
      if (!isLinked) await this.#copyContent(digest, temporary);
      const blob = parseOciDigest(digest);
      await this.take(temporary, blob);
      // A file that came from a blob says so still, but of another name.
      const found = findBlob(this.#root, blob);
      if (found?.isDurable === true)
        await withFileFailures(found.folder, () => this.#syncNames(found.folder), 'storage/failed');
    } finally {
      // Where both were names of one file already, the renaming did nothing.
      await rm(temporary, { force: true });
    }
  }

  async #copyContent(digest: Digest, temporary: string): Promise<void> {
    const size = await this.#content.size(digest);
    if (size === null) throw new RegistryError('content/not-found', `there is no content ${digest}`, { digest });
    const hash = createHash('sha256');
    const handle = await withFileFailures(temporary, () => open(temporary, 'wx', FILE_MODE), 'storage/failed');
    try {
      let position = 0;
      for await (const chunk of this.#content.read(digest, { start: 0, end: size })) {
        hash.update(chunk);
        await writeAt(handle, { file: temporary, chunk, position });
        position += chunk.length;
      }
    } finally {
      await handle.close();
    }
    if (`sha256:${hash.digest('hex')}` !== digest)
      throw new RegistryError('storage/damaged', `content ${digest} is damaged`);
  }

  async giveToContent(digest: Digest): Promise<void> {
    const blob = parseOciDigest(digest);
    await this.makeDurable([blob]);
    const found = findBlob(this.#root, blob);
    if (found === null) throw unknownBlob(blob);
    await this.#content.keepFile(digest, found.file);
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
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  if (bytes.length > 0) yield bytes;
}

/** Throws `oci/blob-unknown`. */
export async function* readBlobFile(
  root: string,
  digest: OciDigest,
  range: ByteRange,
): AsyncGenerator<Uint8Array, void, undefined> {
  const found = findBlob(root, digest);
  const handle = found && (await openUnlessGone(found.file));
  if (found === null || handle === null) throw unknownBlob(digest);
  try {
    yield* fileChunks(handle, found.file, range);
  } finally {
    await handle.close();
  }
}

/** 256 folders for each algorithm: once they are there, nothing is asked before. */
async function renameInto(folder: string, { from, to }: { readonly from: string; readonly to: string }): Promise<void> {
  try {
    await rename(from, to);
  } catch (failure) {
    if (!hasSystemCode(failure, 'ENOENT')) throw failure;
    await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
    await rename(from, to);
  }
}

async function syncFile(file: string): Promise<void> {
  const handle = await openToSync(file);
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

function unknownBlob(digest: OciDigest): RegistryError {
  return new RegistryError('oci/blob-unknown', `there is no blob ${digest}`, { digest });
}

/** So many at a time. */
class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(max: number) {
    this.#free = max;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}
