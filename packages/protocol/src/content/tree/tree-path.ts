import { utf8 } from '../../bytes/byte-array.ts';
import { RegistryError } from '../../errors.ts';

/** Bytes of a path in a tree, and of one segment of it: what file systems take (spec/content.md 4.4). */
export const TREE_PATH_BYTES_MAX = 1_024;
export const TREE_SEGMENT_BYTES_MAX = 255;

/** No text of this length is over {@link TREE_SEGMENT_BYTES_MAX}, and nearly all segments are: they need not be encoded. */
const SEGMENT_LENGTH_SAFE = Math.floor(TREE_SEGMENT_BYTES_MAX / 3);

/** The file that is the component of a tree. */
export const TREE_COMPONENT_PATH = 'component.wasm';

/** Control characters, halves of characters, and what is a separator elsewhere. */
const REFUSED_CHARACTER = /[\p{Cc}\p{Cs}\\]/u;

/** spec/content.md 4.3 and 4.4. Throws `content/tree`. */
export function requireTreePath(path: string): void {
  const why = pathProblem(path);
  if (why !== null) throw treeError(`the path ${JSON.stringify(path.slice(0, 80))} ${why}`);
}

function pathProblem(path: string): string | null {
  if (path === '') return 'is empty';
  if (REFUSED_CHARACTER.test(path)) return 'has a control character, half a character or a backslash';
  if (utf8(path).length > TREE_PATH_BYTES_MAX) return `is longer than ${TREE_PATH_BYTES_MAX} bytes`;
  for (const segment of path.split('/')) {
    if (segment === '') return 'starts or ends with a slash, or has an empty segment';
    if (segment === '.' || segment === '..') return `has the segment ${segment}`;
    if (segment.length > SEGMENT_LENGTH_SAFE && utf8(segment).length > TREE_SEGMENT_BYTES_MAX)
      return `has a segment over ${TREE_SEGMENT_BYTES_MAX} bytes`;
  }
  return null;
}

/**
 * The paths of one tree, in any order: no two that a file system could take for one, no file that is a folder as well
 * (spec/content.md 4.5). Folders of a path are looked at only beside the next path, for an index may name two million of them.
 * Throws `content/tree`.
 */
export function requirePathsApart(paths: readonly string[]): void {
  // What is left where case and composition do not count. No path has a NUL, and nothing sorts before it: so all that is in
  // one folder, however it is written, stands together, and after a file of that name.
  const folded = paths.map((path) => ({ path, key: foldedPath(path).replaceAll('/', '\0') }));
  folded.sort((a, b) => (a.key < b.key ? -1 : Number(a.key > b.key)));
  for (const [i, { path, key }] of folded.entries()) {
    const next = folded[i + 1];
    if (next !== undefined) requireApart({ path, key }, next);
  }
}

interface FoldedPath {
  readonly path: string;
  readonly key: string;
}

/** Goes as far as the two are one folder to some file systems, and makes nothing of what is below. */
function requireApart(one: FoldedPath, next: FoldedPath): void {
  for (let [end, nextEnd, at, nextAt, keyAt] = [0, 0, 0, 0, 0]; ; [at, nextAt] = [end + 1, nextEnd + 1]) {
    const key = segmentAt(one.key, keyAt, '\0');
    if (key !== segmentAt(next.key, keyAt, '\0')) return;
    const [name, twin] = [segmentAt(one.path, at, '/'), segmentAt(next.path, nextAt, '/')];
    keyAt += key.length + 1;
    [end, nextEnd] = [at + name.length, nextAt + twin.length];
    if (name !== twin) {
      const [taken, other] = [one.path.slice(0, end), next.path.slice(0, nextEnd)];
      throw treeError(`${shown(taken)} and ${shown(other)} are one name to some file systems`);
    }
    if (end < one.path.length) continue;
    if (nextEnd === next.path.length) throw treeError(`the path ${shown(one.path)} is there twice`);
    throw treeError(`${shown(one.path)} is a file and a folder`);
  }
}

function segmentAt(text: string, at: number, separator: string): string {
  const end = text.indexOf(separator, at);
  return text.slice(at, end < 0 ? text.length : end);
}

function foldedPath(path: string): string {
  return path.normalize('NFC').toUpperCase().toLowerCase();
}

function shown(path: string): string {
  return JSON.stringify(path);
}

/** What breaks a rule of trees. */
export function treeError(why: string): RegistryError {
  return new RegistryError('content/tree', `not a tree of files: ${why}`);
}
