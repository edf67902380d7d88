import { createHash } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { mkdir, open, rm } from 'node:fs/promises';
import path from 'node:path';
import { isRegistryError } from '@waybill/protocol';
import { algorithmOf, ociDigestOf, type OciDigest } from '@waybill/protocol/oci';
import { blobFileOf, findBlob } from './blobs/oci-files/oci-places.ts';
import { readBlobFile } from './blobs/oci-files/oci-blob-files.ts';
import { MISSING, OTHER_BYTES } from './core/fsck/findings.ts';
import { ociFolderOf, ociStoreFileOf } from './data-folder.ts';
import {
  copyOciSqlite,
  openOciInspection,
  type InspectedLink,
  type OciInspection,
} from './storage/oci-sqlite/oci-inspection.ts';
import { openOciSqliteReader } from './storage/oci-sqlite/oci-sqlite-store.ts';

const FOLDER_MODE = 0o750;
const FILE_MODE = 0o640;
/**
 * What is deleted and swept while it is copied is in the copy of the store still: then that is made once more. Most blobs are
 * there by then, so that each attempt is far shorter than the one before.
 */
const ATTEMPTS_MAX = 5;

export interface OciCopied {
  readonly blobs: number;
  readonly blobBytes: number;
  /** What is missing from the copy because it is damaged here: a digest, and why. */
  readonly damaged: readonly { readonly at: string; readonly problem: string }[];
}

/**
 * Copies the OCI side, beside the server that runs on it: first its store, then the blobs that its links name, each digest
 * checked. Unfinished uploads are left out. Nothing is done for a data folder that has none. Not durable when it resolves,
 * but for the blobs. Throws `storage/…`.
 */
export async function copyOciSide(from: string, to: string): Promise<OciCopied> {
  if (!existsSync(ociStoreFileOf(from))) return { blobs: 0, blobBytes: 0, damaged: [] };
  const copy = new OciCopy(from, to);
  for (let attempt = 1; ; attempt++) {
    await rm(ociStoreFileOf(to), { force: true });
    const problem = copyStore(from, to);
    // Nothing of the log depends on it: the log's backup goes on.
    if (problem !== null) return { blobs: 0, blobBytes: 0, damaged: [{ at: 'oci.sqlite', problem }] };
    if ((await copy.takeLinked()) || attempt === ATTEMPTS_MAX) return copy;
  }
}

/** What is wrong with the store; then there is no copy of it. */
function copyStore(from: string, to: string): string | null {
  try {
    copyOciSqlite(ociStoreFileOf(from), ociStoreFileOf(to));
    return null;
  } catch (failure) {
    if (!isRegistryError(failure, 'storage/damaged')) throw failure;
    rmSync(ociStoreFileOf(to), { force: true });
    return failure.message;
  }
}

/** A small blob can be pushed again in the other way: the copy of the store has no row of it, and its file went meanwhile. */
const MOVED = 'it was deleted and pushed again while the copy was made';

class OciCopy implements OciCopied {
  damaged: { at: string; problem: string }[] = [];
  readonly #from: string;
  readonly #to: string;
  /** Bytes of blobs that were copied, and of those that came with the newest copy of the store. */
  readonly #files = new Map<OciDigest, number>();
  readonly #rows = new Map<OciDigest, number>();

  constructor(from: string, to: string) {
    this.#from = from;
    this.#to = to;
  }

  get blobs(): number {
    return this.#sizes().size;
  }

  get blobBytes(): number {
    return [...this.#sizes().values()].reduce((sum, size) => sum + size, 0);
  }

  #sizes(): ReadonlyMap<OciDigest, number> {
    return new Map([...this.#files, ...this.#rows]);
  }

  /** All that is there. False when links went meanwhile whose blobs were to be copied; those that a manifest names are told of. */
  async takeLinked(): Promise<boolean> {
    this.damaged = [];
    this.#rows.clear();
    let isSteady = true;
    const store = openOciInspection(ociStoreFileOf(this.#to));
    const live = openOciSqliteReader(ociStoreFileOf(this.#from));
    try {
      for (const row of store.links()) {
        if ('problem' in row) {
          this.damaged.push({ at: row.at, problem: row.problem });
          continue;
        }
        const { repository, digest, isNamed } = row.value;
        const problem = await this.#take(store, row.value);
        if (problem === null) continue;
        const isGone = (await live.readLink(repository, digest)) === null;
        isSteady &&= !isGone && problem !== MOVED;
        // A power cut may take what no manifest names.
        if (!isNamed) continue;
        const why = isGone ? 'it was deleted while the copy was made' : problem;
        this.damaged.push({ at: digest, problem: `${why} (${repository} needs it)` });
      }
      return isSteady;
    } finally {
      store.close();
      live.close();
    }
  }

  /** Resolves with what is wrong with the blob; then there is no copy of it. */
  async #take(store: OciInspection, { digest }: InspectedLink): Promise<string | null> {
    if (this.#rows.has(digest)) return null;
    try {
      // It has come with the store.
      const row = store.blob(digest);
      if (row === null) return await this.#takeFile(digest);
      if (ociDigestOf(algorithmOf(digest), row) !== digest) return OTHER_BYTES;
      this.#rows.set(digest, row.length);
      return null;
    } catch (failure) {
      if (!isRegistryError(failure, 'storage/damaged')) throw failure;
      return failure.message;
    }
  }

  async #takeFile(digest: OciDigest): Promise<string | null> {
    if (this.#files.has(digest)) return null;
    const size = findBlob(ociFolderOf(this.#from), digest)?.size;
    try {
      if (size === undefined) return this.#isRowNow(digest) ? MOVED : MISSING;
      if (!(await this.#copy(digest, size))) return OTHER_BYTES;
    } catch (failure) {
      if (!isRegistryError(failure, 'oci/blob-unknown')) throw failure;
      return this.#isRowNow(digest) ? MOVED : failure.message;
    }
    this.#files.set(digest, size);
    return null;
  }

  #isRowNow(digest: OciDigest): boolean {
    const live = openOciInspection(ociStoreFileOf(this.#from));
    try {
      return live.blob(digest) !== null;
    } finally {
      live.close();
    }
  }

  async #copy(digest: OciDigest, size: number): Promise<boolean> {
    const { folder, file } = blobFileOf(ociFolderOf(this.#to), digest);
    await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
    const hash = createHash(algorithmOf(digest));
    const handle = await open(file, 'wx', FILE_MODE);
    let isWhole = false;
    try {
      for await (const chunk of readBlobFile(ociFolderOf(this.#from), digest, { start: 0, end: size })) {
        hash.update(chunk);
        for (let done = 0; done < chunk.length;) done += (await handle.write(chunk, done)).bytesWritten;
      }
      await handle.sync();
      isWhole = `${algorithmOf(digest)}:${hash.digest('hex')}` === digest;
      return isWhole;
    } finally {
      await handle.close();
      if (!isWhole) await rm(file, { force: true });
    }
  }
}

/** Its file is durable only when it is synced. */
export function copiedOciStore(to: string): string | null {
  const file = ociStoreFileOf(to);
  return existsSync(file) ? path.resolve(file) : null;
}
