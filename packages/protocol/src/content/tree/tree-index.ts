import { joinBytes, utf8, utf8Text } from '../../bytes/byte-array.ts';
import { HASH_BYTES } from '../../crypto/hash.ts';
import { digestBytes, formatDigest, type Digest } from '../../names/digest.ts';
import { requirePathsApart, requireTreePath, treeError, TREE_PATH_BYTES_MAX } from './tree-path.ts';

/** Bytes and entries of one content index, and bytes of the files that it names (spec/content.md 4.6). */
export const TREE_INDEX_BYTES_MAX = 4 * 1024 * 1024;
export const TREE_FILES_MAX = 16_384;
export const TREE_BYTES_MAX = 4 * 1024 * 1024 * 1024;

const LENGTH_BYTES = 2;

/** One file of a tree: spec/content.md 4.2. */
export interface TreeFile {
  readonly path: string;
  readonly digest: Digest;
}

/** The content index of files in any order. Throws `content/tree`. */
export function encodeTreeIndex(files: readonly TreeFile[]): Uint8Array {
  requireCount(files.length);
  const entries = files.map(({ path, digest }) => {
    requireTreePath(path);
    return { name: utf8(path), digest };
  });
  requirePathsApart(files.map(({ path }) => path));
  entries.sort((a, b) => compareBytes(a.name, b.name));
  const index = joinBytes(entries.flatMap(({ name, digest }) => [digestBytes(digest), lengthBytes(name), name]));
  requireSize(index.length);
  return index;
}

/** Strict: whatever it takes, {@link encodeTreeIndex} writes again byte for byte. Throws `content/tree`. */
export function decodeTreeIndex(index: Uint8Array): readonly TreeFile[] {
  requireSize(index.length);
  const files: TreeFile[] = [];
  let before: Uint8Array | null = null;
  for (let offset = 0; offset < index.length;) {
    const { digest, name, end } = entryAt(index, offset);
    offset = end;
    if (before !== null && compareBytes(before, name) >= 0) throw treeError('the paths do not ascend');
    before = name;
    const path = utf8Text(name);
    if (path === null) throw treeError('a path is not UTF-8');
    requireTreePath(path);
    files.push({ path, digest });
    if (files.length > TREE_FILES_MAX) break;
  }
  requireCount(files.length);
  requirePathsApart(files.map(({ path }) => path));
  return files;
}

function entryAt(
  index: Uint8Array,
  offset: number,
): { readonly digest: Digest; readonly name: Uint8Array; readonly end: number } {
  const start = offset + HASH_BYTES + LENGTH_BYTES;
  if (start > index.length) throw treeError('the index ends within an entry');
  const length = (index[start - 2] ?? 0) + (index[start - 1] ?? 0) * 256;
  if (length > TREE_PATH_BYTES_MAX) throw treeError(`a path is longer than ${TREE_PATH_BYTES_MAX} bytes`);
  const end = start + length;
  if (end > index.length) throw treeError('the index ends within a path');
  const digest = formatDigest(index.subarray(offset, offset + HASH_BYTES));
  return { digest, name: index.subarray(start, end), end };
}

function requireCount(count: number): void {
  if (count === 0) throw treeError('there is no file');
  if (count > TREE_FILES_MAX) throw treeError(`there are more than ${TREE_FILES_MAX} files`);
}

function requireSize(bytes: number): void {
  if (bytes > TREE_INDEX_BYTES_MAX) throw treeError(`the index is over ${TREE_INDEX_BYTES_MAX} bytes`);
}

function lengthBytes({ length }: Uint8Array): Uint8Array {
  return Uint8Array.of(length % 256, Math.floor(length / 256));
}

/** As memcmp does, a prefix before what it begins. */
function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
