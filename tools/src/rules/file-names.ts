import type { Finding, Verdict } from '../finding.ts';
import type { SourceTree } from '../source-tree.ts';

/** Names that say nothing about what is inside, and so attract everything. */
const BANNED = new Set(['utils', 'util', 'helpers', 'helper', 'types', 'common', 'misc', 'info', 'manager']);

/** A file or folder of code is named for what it holds. */
export function fileNames(tree: SourceTree): Verdict {
  const findings = tree.sources.flatMap(({ path }): Finding[] => {
    const words = path.split('/').map((segment) => segment.split('.')[0] ?? '');
    const banned = words.find((word) => BANNED.has(word));
    if (banned === undefined) return [];
    return [{ file: path, line: 1, message: `'${banned}' says nothing: name the file or folder for what it holds.` }];
  });
  return { findings, figures: [] };
}
