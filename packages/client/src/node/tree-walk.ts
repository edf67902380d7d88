import { createReadStream, type Dirent } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { digestOf, encodeHex, parseDigest, RegistryError, sha256Stream, type Digest } from '@waybill/protocol';
import { encodeTreeIndex, TREE_BYTES_MAX, TREE_FILES_MAX, type TreeFile } from '@waybill/protocol/content';
import ignore, { type Ignore } from 'ignore';
import { hasCode } from './file-failure.ts';

/** Says in gitignore's words, at the top of a folder, what is not published with it. */
export const IGNORE_FILE = '.waybillignore';

/** Never published: whoever has a history beside his files does not mean to give it away. */
const LEFT_OUT_ALWAYS = ['.git', `/${IGNORE_FILE}`];

/** A folder as a tree of files. */
export interface WalkedTree {
  readonly files: readonly TreeFile[];
  /** The content index, and its digest. */
  readonly index: Uint8Array;
  readonly digest: Digest;
  /** Where the bytes of each content are. */
  readonly sources: ReadonlyMap<Digest, string>;
  /** Of the files, each counted once. */
  readonly bytes: number;
}

/** `published`: without what the ignore file names. `all`: every file, as it lies there. */
export type WalkExtent = 'published' | 'all';

/**
 * Reads a folder as a tree. Modes, times and the order of the file system are in nothing that comes of it. Throws
 * `usage/invalid` for what no tree can hold: links, devices, names that are no UTF-8; `content/tree` for names that some file
 * systems take for one, and for what is too large.
 */
export async function walkTree(folder: string, extent: WalkExtent): Promise<WalkedTree> {
  const found = await listTree(folder, extent);
  if (found.length === 0) throw new RegistryError('usage/invalid', `${folder} has no file to publish`);
  const files: TreeFile[] = [];
  const sources = new Map<Digest, string>();
  let bytes = 0;
  let written = 0;
  for (const name of found) {
    const file = path.join(folder, ...name.split('/'));
    const { digest, size } = await hashFile(file);
    files.push({ path: name, digest });
    if (!sources.has(digest)) bytes += size;
    sources.set(digest, file);
    written += size;
    if (written > TREE_BYTES_MAX) throw tooLarge(folder, `${TREE_BYTES_MAX} bytes`);
  }
  const index = encodeTreeIndex(files);
  return { files, index, digest: digestOf(index), sources, bytes };
}

/** The paths of {@link walkTree}, in no order; nothing of the files is read. Throws as it does. */
export async function listTree(folder: string, extent: WalkExtent): Promise<readonly string[]> {
  const found: string[] = [];
  await collect(folder, '', extent === 'all' ? null : await ignoredIn(folder), found);
  return found;
}

async function ignoredIn(folder: string): Promise<Ignore> {
  const rules = ignore({ ignorecase: false }).add(LEFT_OUT_ALWAYS);
  const text = await readFile(path.join(folder, IGNORE_FILE), 'utf8').catch((failure: unknown) => {
    if (hasCode(failure, 'ENOENT')) return '';
    throw failure;
  });
  return rules.add(text);
}

async function collect(folder: string, below: string, ignored: Ignore | null, found: string[]): Promise<void> {
  const entries = await readdir(path.join(folder, below), { withFileTypes: true, encoding: 'buffer' });
  for (const entry of entries) {
    const name = `${below}${nameOf(entry, path.join(folder, below))}`;
    const isFolder = entry.isDirectory();
    if (ignored?.ignores(isFolder ? `${name}/` : name) === true) continue;
    if (isFolder) {
      await collect(folder, `${name}/`, ignored, found);
      continue;
    }
    if (!entry.isFile()) throw notAFile(path.join(folder, name), entry);
    found.push(name);
    if (found.length > TREE_FILES_MAX) throw tooLarge(folder, `${TREE_FILES_MAX} files`);
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function nameOf({ name }: Dirent<Buffer>, folder: string): string {
  try {
    return decoder.decode(name);
  } catch (cause) {
    const message = `${folder} has a name that is no UTF-8, ${JSON.stringify(name.toString('latin1'))}: rename it, or name its folder in ${IGNORE_FILE}`;
    throw new RegistryError('usage/invalid', message, {}, { cause });
  }
}

function notAFile(file: string, entry: Dirent<Buffer>): RegistryError {
  const what = entry.isSymbolicLink()
    ? 'a link'
    : entry.isSocket()
      ? 'a socket'
      : entry.isFIFO()
        ? 'a pipe'
        : 'a device';
  return new RegistryError(
    'usage/invalid',
    `${file} is ${what}, and a tree has files alone: put a file in its place, or name it in ${IGNORE_FILE}`,
  );
}

function tooLarge(folder: string, limit: string): RegistryError {
  return new RegistryError(
    'content/tree',
    `${folder} has more than ${limit}: name in ${IGNORE_FILE} what is not to be published`,
  );
}

async function hashFile(file: string): Promise<{ readonly digest: Digest; readonly size: number }> {
  const hash = sha256Stream();
  let size = 0;
  for await (const chunk of createReadStream(file)) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError('a file is bytes');
    hash.update(chunk);
    size += chunk.length;
  }
  return { digest: parseDigest(`sha256:${encodeHex(hash.digest())}`), size };
}
