import { constants } from 'node:fs';
import { lstat, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import {
  decodeSignedRecord,
  digestHex,
  isRegistryError,
  messageOf,
  OPERATOR_LOG_ID,
  PACKAGE_LOG,
  RegistryError,
  sha256Stream,
  encodeHex,
  type Digest,
  type Envelope,
} from '@waybill/protocol';
import { readContentFiles } from './blobs/files/content-files.ts';
import { withFileFailures } from './blobs/file-failure.ts';
import { DigestSet } from './core/fsck/digest-set.ts';
import { MISSING, OTHER_BYTES } from './core/fsck/findings.ts';
import { recordKindOf } from './core/log-kind.ts';
import { namedContents } from './core/named-content.ts';
import { RegistryTakedowns } from './core/registry-takedowns.ts';
import type { ContentStore, StoredRecord, StoreInspection } from './core/ports.ts';
import { findTreeIndex } from './core/tree-index-reading.ts';
import { dataFolder, existingDataFolder, type DataFolder } from './data-folder.ts';
import { listGatewayKeys } from './gateway-key-files.ts';
import { logKeyFile } from './log-keys.ts';
import { copiedOciStore, copyOciSide } from './oci-backup.ts';
import { copySqliteStore } from './storage/sqlite/sqlite-copy.ts';
import { openSqliteInspection } from './storage/sqlite/sqlite-inspection.ts';

const FOLDER_MODE = 0o750;
const FILE_MODE = 0o640;
const KEY_MODE = 0o600;

export interface BackupOptions {
  readonly data: string;
  /** The folder to make. */
  readonly out: string;
  /** Private keys are copied, too. */
  readonly keys: boolean;
  readonly onProgress: (step: string) => void;
}

/** What could not be copied, and why. */
export interface BackupDamage {
  /** A digest, or a record. */
  readonly at: string;
  readonly problem: string;
}

export interface BackupReport {
  readonly out: string;
  /** Records of the head that is in the backup; 0 for a store that has none yet. */
  readonly logLength: number;
  readonly contents: number;
  readonly contentBytes: number;
  /** Of the OCI side. */
  readonly blobs: number;
  readonly blobBytes: number;
  /** Files of private keys that are in it. */
  readonly keys: readonly string[];
  /** What is missing from the backup because it is damaged here. */
  readonly damaged: readonly BackupDamage[];
}

/**
 * Copies a registry as of one moment, beside the server that runs on it: first the store, then all content that the copied
 * records name, each digest checked; then the OCI side in the same way. What was last signed is left out on purpose: put back together with the store it could
 * not tell that the store is old. `out` appears when everything is durable. Throws `usage/invalid` when it is there already,
 * `storage/…`.
 */
export async function backup({ data, out, keys, onProgress }: BackupOptions): Promise<BackupReport> {
  const from = await existingDataFolder(data);
  await requireAbsent(out);
  const partial = `${path.resolve(out)}.partial`;
  await makePartial(partial);
  try {
    return await withFileFailures(
      out,
      async () => {
        const to = dataFolder(partial);
        onProgress('copying the store');
        copySqliteStore(from.storeFile, to.storeFile);
        await syncFile(to.storeFile);
        const copied = await copyContents(from, to, onProgress);
        onProgress('copying what was pushed as OCI artifacts');
        const oci = await copyOciSide(from.directory, to.directory);
        const ociStore = copiedOciStore(to.directory);
        if (ociStore !== null) await syncFile(ociStore);
        const keyFiles = keys ? await copyKeys(from, to) : [];
        onProgress('making the backup durable');
        await syncFolders(partial);
        await requireAbsent(out);
        await rename(partial, out);
        await syncFolder(path.dirname(path.resolve(out)));
        const { blobs, blobBytes } = oci;
        return { out, keys: keyFiles, ...copied, blobs, blobBytes, damaged: [...copied.damaged, ...oci.damaged] };
      },
      'storage/failed',
    );
  } catch (failure) {
    await rm(partial, { recursive: true, force: true });
    throw failure;
  }
}

async function requireAbsent(out: string): Promise<void> {
  if ((await lstat(out).catch(() => null)) === null) return;
  throw new RegistryError('usage/invalid', `${out} is there already: name a folder that is not`);
}

async function makePartial(partial: string): Promise<void> {
  try {
    await mkdir(partial, { mode: FOLDER_MODE });
  } catch (cause) {
    const message = `cannot make ${partial}: ${messageOf(cause)}. If no other backup runs, an earlier one was cut off: remove it`;
    throw new RegistryError('usage/invalid', message, {}, { cause });
  }
}

type Copied = Pick<BackupReport, 'logLength' | 'contents' | 'contentBytes' | 'damaged'>;

async function copyContents(from: DataFolder, to: DataFolder, onProgress: (step: string) => void): Promise<Copied> {
  await mkdir(path.join(to.contentFolder, 'sha256'), { recursive: true, mode: FOLDER_MODE });
  const store = openSqliteInspection(to.storeFile);
  const takedowns = new RegistryTakedowns();
  const copy = new ContentCopy(readContentFiles(from.contentFolder), to.contentFolder);
  try {
    for await (const page of store.recordsInOrder()) {
      for (const row of page) {
        if ('problem' in row) {
          copy.damaged.push({ at: `record ${row.key}`, problem: row.problem });
          continue;
        }
        takedowns.follow(row.value);
        if (namesContent(row.value)) await copy.takeAll(`record ${row.key}`, row.value.envelope, true);
      }
      onProgress(`copying content: ${copy.contents} files, ${copy.contentBytes} bytes`);
    }
    // A record that waits may have some of its content already.
    for (const row of await store.listPending()) {
      if ('value' in row) await copy.takeAll(`pending record ${row.key}`, row.value.envelope, false);
    }
    copy.nameMissing(takedowns);
    const logLength = await newestLength(store);
    const { contents, contentBytes, damaged } = copy;
    return { logLength, contents, contentBytes, damaged };
  } finally {
    store.close();
  }
}

/** Of logs that are no package's, records name none. One that is damaged may be any log's, and is named for it. */
function namesContent(record: StoredRecord): boolean {
  const kind = recordKindOf(record);
  return kind === 'package' || (kind === null && record.logId !== OPERATOR_LOG_ID);
}

async function newestLength(store: StoreInspection): Promise<number> {
  let length = 0;
  for await (const page of store.heads()) length = page.at(-1)?.key ?? length;
  return length;
}

/** Content that is needed, by what. */
interface Missing {
  readonly digest: Digest;
  /** The tree that names it, if one does. */
  readonly index: Digest | null;
  readonly at: string;
}

class ContentCopy {
  readonly damaged: BackupDamage[] = [];
  contents = 0;
  contentBytes = 0;
  readonly #content: Pick<ContentStore, 'size' | 'read'>;
  readonly #folder: string;
  readonly #taken = new DigestSet();
  readonly #missing: Missing[] = [];

  constructor(content: Pick<ContentStore, 'size' | 'read'>, folder: string) {
    this.#content = content;
    this.#folder = folder;
  }

  /** After all records: content that is taken down may be missing, for somebody may have had to delete it. */
  nameMissing(takedowns: RegistryTakedowns): void {
    const told = new DigestSet();
    for (const { digest, index, at } of this.#missing) {
      if (takedowns.has(digest) || (index !== null && takedowns.has(index))) continue;
      if (told.add(digest)) this.damaged.push({ at: digest, problem: `${MISSING} (${at} needs it)` });
    }
  }

  /** Everything that a record names; what is not `required` may be missing. */
  async takeAll(at: string, envelope: Envelope, required: boolean): Promise<void> {
    try {
      for (const { digest, kind } of namedContents(decodeSignedRecord(PACKAGE_LOG, envelope))) {
        await this.#take({ digest, index: null, at }, required);
        if (kind !== 'tree') continue;
        // What is wrong with an index was told just now; no file of it can be found.
        const files = (await findTreeIndex(this.#content, digest)) ?? [];
        for (const file of files) await this.#take({ digest: file.digest, index: digest, at }, required);
      }
    } catch (failure) {
      if (!isRegistryError(failure, 'record/decode')) throw failure;
      this.damaged.push({ at, problem: failure.message });
    }
  }

  async #take(named: Missing, required: boolean): Promise<void> {
    const { digest, at } = named;
    if (this.#taken.has(digest)) return;
    const size = await this.#sizeOrProblem(digest);
    if (size === null) {
      // Also when it was missed before: each that needs it may have another excuse.
      if (required) this.#missing.push(named);
      return;
    }
    this.#taken.add(digest);
    const problem = typeof size === 'number' ? await this.#copy(digest, size) : size;
    if (problem !== null) this.damaged.push({ at: digest, problem: `${problem} (${at} needs it)` });
  }

  async #sizeOrProblem(digest: Digest): Promise<number | string | null> {
    try {
      return await this.#content.size(digest);
    } catch (failure) {
      if (isRegistryError(failure, 'storage/damaged')) return failure.message;
      throw failure;
    }
  }

  /** Resolves with what is wrong with the content; then there is no copy of it. */
  async #copy(digest: Digest, size: number): Promise<string | null> {
    const hex = digestHex(digest);
    const folder = path.join(this.#folder, 'sha256', hex.slice(0, 2));
    await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
    const file = path.join(folder, hex);
    const hash = sha256Stream();
    const handle = await open(file, 'wx', FILE_MODE);
    try {
      for await (const chunk of this.#content.read(digest, { start: 0, end: size })) {
        hash.update(chunk);
        await writeWhole(handle, chunk);
      }
      await handle.sync();
    } catch (failure) {
      // Only the reading says this: what cannot be written ends the backup.
      if (!isRegistryError(failure, 'storage/damaged')) throw failure;
      await rm(file);
      return failure.message;
    } finally {
      await handle.close();
    }
    if (encodeHex(hash.digest()) !== hex) {
      await rm(file);
      return OTHER_BYTES;
    }
    this.contents++;
    this.contentBytes += size;
    return null;
  }
}

async function writeWhole(handle: Awaited<ReturnType<typeof open>>, chunk: Uint8Array): Promise<void> {
  for (let done = 0; done < chunk.length;) done += (await handle.write(chunk, done)).bytesWritten;
}

async function copyKeys(from: DataFolder, to: DataFolder): Promise<string[]> {
  const own = [from.operatorKeyFile, logKeyFile(from.directory, 'records'), logKeyFile(from.directory, 'heads')];
  const files = [...own, ...(await listGatewayKeys(from.directory))];
  const names = files.map((file) => path.relative(from.directory, file));
  for (const [i, file] of files.entries()) {
    const text = await readFile(file).catch((cause: unknown) => {
      throw new RegistryError('key/not-found', `cannot read ${file}: ${messageOf(cause)}`, {}, { cause });
    });
    const target = path.join(to.directory, names[i] ?? '');
    await mkdir(path.dirname(target), { recursive: true, mode: FOLDER_MODE });
    const copy = await open(target, 'wx', KEY_MODE);
    try {
      await copy.writeFile(text);
      await copy.sync();
    } finally {
      await copy.close();
    }
  }
  return names;
}

async function syncFile(file: string): Promise<void> {
  const handle = await open(file, constants.O_RDWR);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Names are durable only when their folders are. */
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
