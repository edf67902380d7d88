import { randomUUID } from 'node:crypto';
import { constants, lstatSync } from 'node:fs';
import { lstat, mkdir, open, readdir, rename, rm, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { digestHex, messageOf, parseDigest, RegistryError, type Digest } from '@waybill/protocol';
import type { ContentStore, ContentUpload } from '../../core/ports.ts';
import { hasSystemCode, withFileFailures } from './file-failure.ts';

const FILE_MODE = 0o640;
const FOLDER_MODE = 0o750;
const CHUNK_BYTES = 64 * 1024;

/**
 * Content as files named by digest under `root`. An upload is written beside them, made durable, and renamed into place, so
 * that a file under a digest is always whole. Paths come from parsed digests only, and a link in place of a file or folder
 * is refused (SECURITY.md W2). One process at a time: what an earlier one left unfinished is removed here.
 */
export async function openContentFiles(root: string): Promise<ContentStore> {
  const uploads = path.join(root, 'uploads');
  await withFileFailures(root, () => prepareFolders(root, uploads));
  const { size, ...others } = readContentFiles(root);
  const naming = new Naming();
  return {
    ...others,
    keptAtMs: async (digest) => (await findFile(root, digest))?.keptAtMs ?? null,
    size: async (digest) => {
      await naming.settled(digest);
      return size(digest);
    },
    startUpload: async () => {
      const upload = await startUpload(root, path.join(uploads, randomUUID()));
      return {
        write: (chunk) => upload.write(chunk),
        keep: (digest) => naming.watch(digest, upload.keep(digest)),
        discard: () => upload.discard(),
      };
    },
  };
}

/** Content that is getting its name: it can be seen before its name is durable, and no record may count on it then. */
class Naming {
  readonly #underWay = new Map<Digest, Promise<void>>();

  async watch(digest: Digest, named: Promise<void>): Promise<void> {
    this.#underWay.set(digest, named);
    try {
      await named;
    } finally {
      if (this.#underWay.get(digest) === named) this.#underWay.delete(digest);
    }
  }

  async settled(digest: Digest): Promise<void> {
    await this.#underWay.get(digest)?.catch(() => undefined);
  }
}

/** The same content for reading alone: nothing is made, and nothing removed. */
export function readContentFiles(root: string): Pick<ContentStore, 'size' | 'read' | 'list'> {
  return {
    size: async (digest) => (await findFile(root, digest))?.size ?? null,
    read: (digest, range) => readFile(root, digest, range),
    async *list() {
      for await (const { digest } of surveyContentFiles(root)) if (digest !== null) yield digest;
    },
  };
}

/** Everything that lies where content does; `digest` is `null` for what has no business there. */
export async function* surveyContentFiles(
  root: string,
): AsyncGenerator<{ readonly file: string; readonly digest: Digest | null }, void, undefined> {
  for (const below of await namesIn(root)) {
    if (below === 'sha256') continue;
    const uploads = below === 'uploads' ? await namesIn(path.join(root, below)) : [''];
    for (const name of uploads) yield { file: path.join(root, below, name), digest: null };
  }
  const folders = await namesIn(contentFolder(root));
  for (const folder of folders.toSorted()) {
    const below = path.join(contentFolder(root), folder);
    const names = await namesIn(below);
    // A file where a folder belongs has no names in it.
    if (names.length === 0 && !/^[0-9a-f]{2}$/.test(folder)) yield { file: below, digest: null };
    for (const name of names) {
      const isContent = /^[0-9a-f]{64}$/.test(name) && folder === name.slice(0, 2);
      yield { file: path.join(below, name), digest: isContent ? parseDigest(`sha256:${name}`) : null };
    }
  }
}

/** Empty for what is no folder, or gone. */
async function namesIn(folder: string): Promise<string[]> {
  try {
    return await withFileFailures(folder, () => readdir(folder));
  } catch (failure) {
    const cause = failure instanceof Error ? failure.cause : null;
    if (hasSystemCode(cause, 'ENOENT') || hasSystemCode(cause, 'ENOTDIR')) return [];
    throw failure;
  }
}

async function prepareFolders(root: string, uploads: string): Promise<void> {
  await mkdir(root, { recursive: true, mode: FOLDER_MODE });
  await syncFolder(path.dirname(root));
  await ensureFolder(uploads);
  await ensureFolder(contentFolder(root));
  // Whatever an earlier process left unfinished: no record waits for it under that name.
  for (const leftover of await readdir(uploads)) await rm(path.join(uploads, leftover), { recursive: true });
}

function contentFolder(root: string): string {
  return path.join(root, 'sha256');
}

/** 256 folders, so that none of them grows too long to list. */
function fileOf(root: string, digest: Digest): { readonly folder: string; readonly file: string } {
  const hex = digestHex(digest);
  const folder = path.join(contentFolder(root), hex.slice(0, 2));
  return { folder, file: path.join(folder, hex) };
}

/** A folder that durably exists when this resolves, and is no link to one. */
async function ensureFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { mode: FOLDER_MODE });
  } catch (failure) {
    if (!hasSystemCode(failure, 'EEXIST')) throw failure;
    if (!(await lstat(folder)).isDirectory()) throw notOurs(folder);
  }
  // Also when it was there: another upload may have made it just now, and not be as far as this.
  await syncFolder(path.dirname(folder));
}

async function findFile(root: string, digest: Digest): Promise<{ size: number; keptAtMs: number } | null> {
  const { folder, file } = fileOf(root, digest);
  try {
    return await withFileFailures(file, async () => {
      // Both are nearly always in the system's memory: asking there costs less than having a thread ask.
      if (!lstatSync(folder).isDirectory()) throw notOurs(folder);
      const stat = lstatSync(file);
      if (!stat.isFile()) throw notOurs(file);
      return { size: stat.size, keptAtMs: Math.floor(stat.mtimeMs) };
    });
  } catch (failure) {
    if (failure instanceof Error && hasSystemCode(failure.cause, 'ENOENT')) return null;
    throw failure;
  }
}

async function startUpload(root: string, temporary: string): Promise<ContentUpload> {
  return new FileUpload(root, temporary, await withFileFailures(temporary, () => open(temporary, 'wx', FILE_MODE)));
}

/** An upload into the file `temporary`, which `handle` has open for writing. */
export class FileUpload implements ContentUpload {
  readonly #root: string;
  readonly #temporary: string;
  readonly #handle: Pick<FileHandle, 'write' | 'sync' | 'close'>;

  constructor(root: string, temporary: string, handle: Pick<FileHandle, 'write' | 'sync' | 'close'>) {
    this.#root = root;
    this.#temporary = temporary;
    this.#handle = handle;
  }

  write(chunk: Uint8Array): Promise<void> {
    return this.#orDiscard(async () => {
      for (let offset = 0; offset < chunk.length;) {
        offset += (await this.#handle.write(chunk, offset, chunk.length - offset)).bytesWritten;
      }
    });
  }

  /** What stands there under the digest is replaced: if it was damaged, it is whole again. */
  keep(digest: Digest): Promise<void> {
    const { folder, file } = fileOf(this.#root, digest);
    return this.#orDiscard(async () => {
      await sync(this.#handle, this.#temporary);
      await this.#handle.close();
      await ensureFolder(folder);
      await syncFolder(folder, async () => {
        await rename(this.#temporary, file);
        // Visible. A crash before the sync leaves the file or an upload, never half of it.
      });
    });
  }

  async discard(): Promise<void> {
    await this.#handle.close().catch(() => undefined);
    await rm(this.#temporary, { force: true }).catch(() => undefined);
  }

  /** A step that fails gives its room back at once: the disk may be full. */
  async #orDiscard(step: () => Promise<void>): Promise<void> {
    try {
      await withFileFailures(this.#root, step, 'storage/failed');
    } catch (failure) {
      await this.discard();
      throw failure;
    }
  }
}

/** Does `work`, then syncs the folder, which is open by then: nothing but the sync can fail after the work. */
async function syncFolder(folder: string, work: () => Promise<void> = async () => undefined): Promise<void> {
  // Windows cannot open a folder to sync it; there the file system's journal has to do.
  if (process.platform === 'win32') return work();
  const handle = await open(folder, 'r');
  try {
    await work();
    await sync(handle, folder);
  } finally {
    await handle.close();
  }
}

/** Whatever a failed fsync says, also that there is no room, what was written before it is in doubt (SECURITY.md D5). */
async function sync(handle: Pick<FileHandle, 'sync'>, file: string): Promise<void> {
  try {
    await handle.sync();
  } catch (cause) {
    throw new RegistryError('storage/failed', `${file}: ${messageOf(cause)}`, {}, { cause });
  }
}

async function* readFile(
  root: string,
  digest: Digest,
  { start, end }: { readonly start: number; readonly end: number },
): AsyncGenerator<Uint8Array, void, undefined> {
  if ((await findFile(root, digest)) === null) {
    throw new RegistryError('content/not-found', `there is no content ${digest}`, { digest });
  }
  const { file } = fileOf(root, digest);
  const handle = await withFileFailures(file, () => open(file, constants.O_RDONLY | noFollow()));
  try {
    for (let position = start; position < end;) {
      const chunk = new Uint8Array(Math.min(CHUNK_BYTES, end - position));
      const { bytesRead } = await withFileFailures(file, () => handle.read(chunk, 0, chunk.length, position));
      if (bytesRead === 0) throw new RegistryError('storage/damaged', `${file} ends at ${position}, before ${end}`);
      position += bytesRead;
      yield chunk.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

/** Not defined on Windows. */
function noFollow(): number {
  return process.platform === 'win32' ? 0 : constants.O_NOFOLLOW;
}

function notOurs(found: string): RegistryError {
  return new RegistryError('storage/damaged', `${found} is a link or of another kind than expected: remove it`);
}
