import { randomUUID } from 'node:crypto';
import { constants, lstatSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm, utimes, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { digestHex, parseDigest, RegistryError, type Digest } from '@waybill/protocol';
import type { ContentLinks } from '../../core/oci-ports.ts';
import type { ByteRange, ContentStore, ContentUpload } from '../../core/ports.ts';
import {
  ensureFolder,
  linkUnlessRefused,
  FILE_MODE,
  FOLDER_MODE,
  noFollow,
  statNamed,
  openUnlessGone,
  syncFolder,
  syncHandle,
  writeDurably,
} from '../durable-files.ts';
import { hasSystemCode, withFileFailures } from '../file-failure.ts';
import { readSharedHeader, stretchesOf, type SharedContent } from './shared-file.ts';

const CHUNK_BYTES = 64 * 1024;

/**
 * Content as files named by digest under `root`. An upload is written beside them, made durable, and renamed into place, so
 * that a file under a digest is always whole. Paths come from parsed digests only, and a link in place of a file or folder
 * is refused (SECURITY.md W2). One process at a time: what an earlier one left unfinished is removed here.
 */
export async function openContentFiles(root: string): Promise<ContentStore & ContentLinks> {
  const uploads = path.join(root, 'uploads');
  await withFileFailures(root, () => prepareFolders(root, uploads));
  const { size, ...others } = readContentFiles(root);
  const naming = new Naming();
  const folders = new KnownFolders();
  return {
    ...others,
    keptAtMs: async (digest) => (await findContent(root, digest))?.keptAtMs ?? null,
    size: async (digest) => {
      await naming.settled(digest);
      return size(digest);
    },
    plainFile: async (digest) => (findPlain(root, digest) === null ? null : fileOf(root, digest).file),
    keepFile: (digest, file) => naming.inTurn(digest, () => keepFile(root, { digest, from: file, folders })),
    startUpload: async () => {
      const upload = await startUpload(root, path.join(uploads, randomUUID()), folders);
      return {
        write: (chunk) => upload.write(chunk),
        keep: (digest) => naming.watch(digest, upload.keep(digest)),
        discard: () => upload.discard(),
      };
    },
    keepBytes: (digest, bytes) => naming.watch(digest, keepBytes(root, { digest, bytes, folders })),
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

  /** Does the work when nobody else is giving the digest its name. */
  async inTurn(digest: Digest, work: () => Promise<void>): Promise<void> {
    while (this.#underWay.has(digest)) await this.settled(digest);
    await this.watch(digest, work());
  }

  async settled(digest: Digest): Promise<void> {
    await this.#underWay.get(digest)?.catch(() => undefined);
  }
}

/** The same content for reading alone: nothing is made, and nothing removed. */
export function readContentFiles(root: string): Pick<ContentStore, 'size' | 'read' | 'readSlices' | 'list'> {
  return {
    size: async (digest) => (await findContent(root, digest))?.size ?? null,
    read: (digest, range) => readContent(root, digest, [range]),
    readSlices: (digest, ranges) => readContent(root, digest, ranges),
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
    if (below === 'sha256' || below === 'shared') continue;
    const names = below === 'uploads' || below === 'parts' ? await namesIn(path.join(root, below)) : [''];
    const strays = below === 'parts' ? names.filter((name) => !/^[0-9a-f]{64}\.parts$/.test(name)) : names;
    for (const name of strays) yield { file: path.join(root, below, name), digest: null };
  }
  yield* surveyNamed(contentFolder(root), () => true);
  yield* surveyNamed(path.join(root, 'shared'), (digest) => findPlain(root, digest) === null);
}

/** Files named by digest in 256 folders; those that do not count have no business there. */
async function* surveyNamed(
  root: string,
  counts: (digest: Digest) => boolean,
): AsyncGenerator<{ readonly file: string; readonly digest: Digest | null }, void, undefined> {
  for (const folder of (await namesIn(root)).toSorted()) {
    const below = path.join(root, folder);
    const names = await namesIn(below);
    // A file where a folder belongs has no names in it.
    if (names.length === 0 && !/^[0-9a-f]{2}$/.test(folder)) yield { file: below, digest: null };
    for (const name of names) {
      const isContent = /^[0-9a-f]{64}$/.test(name) && folder === name.slice(0, 2);
      const digest = isContent ? parseDigest(`sha256:${name}`) : null;
      yield { file: path.join(below, name), digest: digest !== null && counts(digest) ? digest : null };
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

/** Where the lists of parts are. */
export function partsListFolder(root: string): string {
  return path.join(root, 'parts');
}

function contentFolder(root: string): string {
  return path.join(root, 'sha256');
}

/** 256 folders, so that none of them grows too long to list. */
export function fileOf(root: string, digest: Digest): NamedFile {
  return namedFile(contentFolder(root), digest);
}

/** Content that is stored as slices of other content. Where there is a plain file, too, that one counts. */
export function sharedFileOf(root: string, digest: Digest): NamedFile {
  return namedFile(path.join(root, 'shared'), digest);
}

interface NamedFile {
  readonly folder: string;
  readonly file: string;
}

function namedFile(below: string, digest: Digest): NamedFile {
  const hex = digestHex(digest);
  const folder = path.join(below, hex.slice(0, 2));
  return { folder, file: path.join(folder, hex) };
}

interface FoundContent {
  readonly size: number;
  readonly keptAtMs: number;
}

export async function findContent(root: string, digest: Digest): Promise<FoundContent | null> {
  const plain = findPlain(root, digest);
  if (plain !== null) return plain;
  const opened = await openShared(root, digest);
  // Between the two looks it may have been made to stand alone again.
  if (opened === null) return findPlain(root, digest);
  const { handle, file, content, keptAtMs } = opened;
  await handle.close();
  // No record may count on what cannot be read.
  if ((findPlain(root, content.base)?.size ?? 0) < content.baseEnd) throw withoutBase(root, file, content.base);
  return { size: content.size, keptAtMs };
}

/** Content that stands alone. */
export function findPlain(root: string, digest: Digest): FoundContent | null {
  return findFile(fileOf(root, digest));
}

function findFile({ folder, file }: NamedFile): FoundContent | null {
  const stat = statNamed(folder, file);
  return stat && { size: stat.size, keptAtMs: Math.floor(stat.mtimeMs) };
}

export async function startUpload(root: string, temporary: string, folders = new KnownFolders()): Promise<FileUpload> {
  const handle = await withFileFailures(temporary, () => open(temporary, 'wx', FILE_MODE));
  return new FileUpload(root, temporary, handle, folders);
}

/** What an upload does, in half the steps. */
async function keepBytes(
  root: string,
  { digest, bytes, folders }: { readonly digest: Digest; readonly bytes: Uint8Array; readonly folders: KnownFolders },
): Promise<void> {
  const { folder, file } = fileOf(root, digest);
  const temporary = path.join(root, 'uploads', randomUUID());
  const keep = async (): Promise<void> => {
    await folders.ensure(folder);
    await writeDurably(bytes, { temporary, folder, file });
  };
  try {
    await withFileFailures(root, keep, 'storage/failed');
  } catch (failure) {
    // Gives its room back at once: the disk may be full.
    await rm(temporary, { force: true }).catch(() => undefined);
    throw failure;
  }
}

interface KeptFile {
  readonly digest: Digest;
  readonly from: string;
  readonly folders: KnownFolders;
}

/** See {@link ContentLinks.keepFile}. */
async function keepFile(root: string, { digest, from, folders }: KeptFile): Promise<void> {
  const { folder, file } = fileOf(root, digest);
  await withFileFailures(
    from,
    async () => {
      const standing = findPlain(root, digest);
      if (standing !== null && lstatSync(from).size === standing.size) return;
      await folders.ensure(folder);
      const isNew = standing === null;
      const temporary = isNew ? file : path.join(root, 'uploads', randomUUID());
      let isLinked = false;
      await syncFolder(folder, async () => {
        isLinked = await linkUnlessRefused(from, temporary).catch((failure: unknown) => {
          // An upload of the same bytes, which are synced by then, has got the name first.
          if (isNew && hasSystemCode(failure, 'EEXIST')) return true;
          throw failure;
        });
        // In place of what is damaged.
        if (isLinked && !isNew) await rename(temporary, file);
      });
      if (!isLinked) await copyFrom(root, from, { temporary: path.join(root, 'uploads', randomUUID()), digest });
      // Where both were names of one file already, the renaming did nothing.
      if (!isNew) await rm(temporary, { force: true });
    },
    'storage/failed',
  );
}

/** Folders that this process has made durable: each has to wait for that once. */
class KnownFolders {
  readonly #known = new Set<string>();

  async ensure(folder: string): Promise<void> {
    if (this.#known.has(folder)) return;
    await ensureFolder(folder);
    this.#known.add(folder);
  }
}

async function copyFrom(
  root: string,
  from: string,
  { temporary, digest }: { readonly temporary: string; readonly digest: Digest },
): Promise<void> {
  const handle = await open(from, constants.O_RDONLY | noFollow());
  try {
    const upload = await startUpload(root, temporary);
    const { size } = await handle.stat();
    // A write that fails has discarded the upload; what reading leaves, the next start removes.
    for await (const chunk of chunksOf(handle, from, { start: 0, end: size })) await upload.write(chunk);
    await upload.keep(digest);
  } finally {
    await handle.close();
  }
}

/** An upload into the file `temporary`, which `handle` has open for writing. */
export class FileUpload implements ContentUpload {
  readonly #root: string;
  readonly #temporary: string;
  readonly #handle: Pick<FileHandle, 'write' | 'sync' | 'close'>;
  readonly #folders: KnownFolders;

  constructor(
    root: string,
    temporary: string,
    handle: Pick<FileHandle, 'write' | 'sync' | 'close'>,
    folders = new KnownFolders(),
  ) {
    this.#root = root;
    this.#temporary = temporary;
    this.#handle = handle;
    this.#folders = folders;
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
    return this.keepAs(fileOf(this.#root, digest), null);
  }

  /** As {@link keep}, under any name, and with the time at which the content was kept before (`null`: now). */
  keepAs({ folder, file }: NamedFile, keptAtMs: number | null): Promise<void> {
    return this.#orDiscard(async () => {
      if (keptAtMs !== null) {
        // In the middle of the millisecond: the time is rounded down twice on its way.
        const seconds = (keptAtMs + 0.5) / 1_000;
        await utimes(this.#temporary, seconds, seconds);
      }
      await syncHandle(this.#handle, this.#temporary);
      await this.#handle.close();
      await this.#folders.ensure(folder);
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

/** Ranges in ascending order. */
export async function* readContent(
  root: string,
  digest: Digest,
  ranges: readonly ByteRange[],
): AsyncGenerator<Uint8Array, void, undefined> {
  const plain = await openPlain(root, digest);
  if (plain !== null) return yield* readPlain(plain, ranges);
  const shared = await openShared(root, digest);
  if (shared !== null) return yield* readShared(root, shared, ranges);
  // Between the two looks it may have been made to stand alone again.
  const after = await openPlain(root, digest);
  if (after !== null) return yield* readPlain(after, ranges);
  throw new RegistryError('content/not-found', `there is no content ${digest}`, { digest });
}

interface OpenPlain {
  readonly handle: FileHandle;
  readonly file: string;
}

async function openPlain(root: string, digest: Digest): Promise<OpenPlain | null> {
  if (findPlain(root, digest) === null) return null;
  const { file } = fileOf(root, digest);
  const handle = await openUnlessGone(file);
  return handle && { handle, file };
}

/** Reads the ranges and closes the file. */
async function* readPlain(
  { handle, file }: OpenPlain,
  ranges: readonly ByteRange[],
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for (const range of ranges) yield* chunksOf(handle, file, range);
  } finally {
    await handle.close();
  }
}

async function* chunksOf(
  handle: FileHandle,
  file: string,
  { start, end }: ByteRange,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (let position = start; position < end;) {
    const chunk = new Uint8Array(Math.min(CHUNK_BYTES, end - position));
    const { bytesRead } = await withFileFailures(file, () => handle.read(chunk, 0, chunk.length, position));
    if (bytesRead === 0) throw new RegistryError('storage/damaged', `${file} ends at ${position}, before ${end}`);
    position += bytesRead;
    yield chunk.subarray(0, bytesRead);
  }
}

interface OpenShared {
  readonly handle: FileHandle;
  readonly file: string;
  readonly content: SharedContent;
  readonly keptAtMs: number;
}

/** `null` when it is not there. */
export async function openShared(root: string, digest: Digest): Promise<OpenShared | null> {
  const named = sharedFileOf(root, digest);
  const found = findFile(named);
  const { file } = named;
  const handle = found && (await openUnlessGone(file));
  if (found === null || handle === null) return null;
  try {
    const content = await withFileFailures(file, () => readSharedHeader(handle, file));
    return { handle, file, content, keptAtMs: found.keptAtMs };
  } catch (failure) {
    await handle.close();
    throw failure;
  }
}

/** Reads the ranges, which are in ascending order, and closes the files. */
export async function* readShared(
  root: string,
  { handle, file, content }: OpenShared,
  ranges: readonly ByteRange[],
): AsyncGenerator<Uint8Array, void, undefined> {
  let base: OpenPlain | null = null;
  try {
    base = await openPlain(root, content.base);
    if (base === null) throw withoutBase(root, file, content.base);
    for (const stretch of stretchesOf(content, ranges)) {
      yield* stretch.in === 'base' ? chunksOf(base.handle, base.file, stretch) : chunksOf(handle, file, stretch);
    }
    const end = ranges.at(-1)?.end ?? 0;
    if (end > content.size) throw new RegistryError('storage/damaged', `${file} ends before ${end}`);
  } finally {
    await handle.close();
    await base?.handle.close();
  }
}

function withoutBase(root: string, file: string, base: Digest): RegistryError {
  const problem = `${file} has slices of ${fileOf(root, base).file}, which is missing or cut off`;
  return new RegistryError('storage/damaged', `${problem}: put that back from a backup`);
}
