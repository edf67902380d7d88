import { posix } from 'node:path';
import type { Finding, Verdict } from '../finding.ts';
import type { SourceTree } from '../source-tree.ts';

const THREAT_MODEL = 'SECURITY.md';

/** Documents keep their word: a link leads to a file, and every promise of SECURITY.md names a test that exists. */
export function documents(tree: SourceTree): Verdict {
  const pages = tree.files.filter((path) => path.endsWith('.md'));
  const links = pages.flatMap((path) => deadLinks(tree, path));
  return { findings: [...links, ...brokenPromises(tree)], figures: [] };
}

function deadLinks(tree: SourceTree, path: string): Finding[] {
  const known = new Set(tree.files);
  return numberedLines(tree, path).flatMap(({ text, line }) => {
    const targets = [...text.matchAll(/\]\((?!\w+:|#)([^)#\s]+)[^)]*\)/g)].map((match) => match[1] ?? '');
    const dead = targets.filter((target) => !isKnown(known, posix.join(posix.dirname(path), target)));
    return dead.map((target) => ({ file: path, line, message: `The link to ${target} leads nowhere.` }));
  });
}

function isKnown(files: ReadonlySet<string>, path: string): boolean {
  const folder = path.endsWith('/') ? path : `${path}/`;
  return files.has(path) || [...files].some((file) => file.startsWith(folder));
}

/** The last cell of a row of the threat table: `path`, or `path › title of the test`, several separated by commas. */
function brokenPromises(tree: SourceTree): Finding[] {
  if (!tree.files.includes(THREAT_MODEL)) return [];
  return numberedLines(tree, THREAT_MODEL).flatMap(({ text, line }): Finding[] => {
    if (!/^\| [A-Z]\d+ /.test(text)) return [];
    const tests = [...(text.split('|').at(-2) ?? '').matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '');
    if (tests.length === 0) return [{ file: THREAT_MODEL, line, message: 'A promise without a test is a hope.' }];
    return tests.flatMap((test) => {
      const problem = testProblem(tree, test);
      return problem === null ? [] : [{ file: THREAT_MODEL, line, message: problem }];
    });
  });
}

function testProblem(tree: SourceTree, test: string): string | null {
  const [path = '', title] = test.split('›').map((half) => half.trim());
  if (!tree.files.includes(path)) return `The test ${path} does not exist.`;
  if (title === undefined || new TextDecoder().decode(tree.read(path)).includes(title)) return null;
  return `${path} has no test called '${title}'.`;
}

function numberedLines(tree: SourceTree, path: string): readonly { readonly text: string; readonly line: number }[] {
  const lines = new TextDecoder().decode(tree.read(path)).split('\n');
  return lines.map((text, index) => ({ text, line: index + 1 }));
}
