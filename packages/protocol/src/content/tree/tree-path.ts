import { utf8 } from '../../bytes/byte-array.ts';
import { RegistryError } from '../../errors.ts';

/** Bytes of a path in a tree, and of one segment of it: what file systems take (spec/content.md 4.4). */
export const TREE_PATH_BYTES_MAX = 1_024;
export const TREE_SEGMENT_BYTES_MAX = 255;

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
    if (utf8(segment).length > TREE_SEGMENT_BYTES_MAX) return `has a segment over ${TREE_SEGMENT_BYTES_MAX} bytes`;
  }
  return null;
}

/** The paths of one tree: no two that a file system could take for one, no file that is a folder as well (spec/content.md 4.5). */
export class TreePaths {
  /** How each file and folder is written, by what is left of it where case and composition do not count. */
  readonly #written = new Map<string, { readonly name: string; readonly isFile: boolean }>();

  /** Throws `content/tree`. */
  add(path: string): void {
    for (let end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1)) this.#take(path.slice(0, end), false);
    this.#take(path, true);
  }

  #take(name: string, isFile: boolean): void {
    const folded = foldedPath(name);
    const taken = this.#written.get(folded);
    if (taken === undefined) {
      this.#written.set(folded, { name, isFile });
      return;
    }
    if (taken.name !== name)
      throw treeError(`${shown(taken.name)} and ${shown(name)} are one name to some file systems`);
    if (isFile && taken.isFile) throw treeError(`the path ${shown(name)} is there twice`);
    if (isFile || taken.isFile) throw treeError(`${shown(name)} is a file and a folder`);
  }
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
