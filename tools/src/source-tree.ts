import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

const SKIPPED_FOLDERS = new Set(['node_modules', '.git', 'dist', 'target']);
const GIT_OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

/** A repository as the rules see it. Paths are relative to its root, with `/`, sorted. */
export interface SourceTree {
  /** Every file that is tracked by git, or could be: not ignored. */
  readonly files: readonly string[];
  /** The TypeScript and JavaScript among them, parsed. */
  readonly sources: readonly Source[];
  /** Whole file; throws if it is not in `files`. */
  read(path: string): Uint8Array;
  /** Length of a file in bytes. */
  bytes(path: string): number;
}

/** One parsed program file. */
export interface Source {
  readonly path: string;
  readonly text: string;
  readonly ast: ts.SourceFile;
}

/**
 * Reads a repository from disk.
 * @param root absolute path of its folder
 */
export function readSourceTree(root: string): SourceTree {
  const files = (existsSync(join(root, '.git')) ? gitFiles(root) : walk(root, '')).toSorted();
  return {
    files,
    sources: files.filter((path) => /\.m?[jt]s$/.test(path)).map((path) => parseSource(root, path)),
    read: (path) => readFileSync(join(root, path)),
    bytes: (path) => statSync(join(root, path)).size,
  };
}

/** Untracked files count: a rule broken in a new file should be seen before the file is added. */
function gitFiles(root: string): string[] {
  const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  const listed = execFileSync('git', args, { cwd: root, encoding: 'utf8', maxBuffer: GIT_OUTPUT_BYTES_MAX });
  const files = new Set(listed.split('\0').filter((path) => path !== ''));
  return [...files].filter((path) => existsSync(join(root, path)));
}

function walk(root: string, folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) return SKIPPED_FOLDERS.has(entry.name) ? [] : walk(root, path);
    return entry.isFile() ? [path] : [];
  });
}

function parseSource(root: string, path: string): Source {
  const text = readFileSync(join(root, path), 'utf8');
  return { path, text, ast: ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true) };
}

/** Line number, from 1, of a node's first token. */
export function lineOf(source: Source, node: ts.Node): number {
  return lineAt(source, node.getStart(source.ast));
}

/** Line number, from 1, of a character offset. */
export function lineAt(source: Source, offset: number): number {
  return source.ast.getLineAndCharacterOfPosition(offset).line + 1;
}

/** Visits a node and everything below it, parents first. */
export function visit(node: ts.Node, visitor: (node: ts.Node) => void): void {
  visitor(node);
  ts.forEachChild(node, (child) => visit(child, visitor));
}

/** Whether the rules about how code is written apply: what ships, the interop programs and these tools, but not tests. */
export function isMeasured({ path }: Source): boolean {
  if (/\.test\.m?[jt]s$/.test(path)) return false;
  return /^packages\/[^/]+\/(?:src|bin)\//.test(path) || /^(?:interop|bench|examples)\//.test(path) || isTool(path);
}

function isTool(path: string): boolean {
  return path.startsWith('tools/') && !path.startsWith('tools/test/');
}
