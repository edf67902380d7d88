import type { Verdict } from './finding.ts';
import { barrels } from './rules/barrels.ts';
import { casts } from './rules/casts.ts';
import { documents } from './rules/documents.ts';
import { fileNames } from './rules/file-names.ts';
import { functionLength } from './rules/function-length.ts';
import { importCycles } from './rules/import-cycles.ts';
import { importDirection } from './rules/import-direction.ts';
import { portableText } from './rules/portable-text.ts';
import { suppressions } from './rules/suppressions.ts';
import { vectors } from './rules/vectors.ts';
import { readSourceTree } from './source-tree.ts';

const RULES = [
  functionLength,
  casts,
  importCycles,
  vectors,
  importDirection,
  barrels,
  fileNames,
  suppressions,
  portableText,
  documents,
];

/**
 * Checks a repository against the house rules.
 * @param root absolute path of its folder
 */
export function tidy(root: string): Verdict {
  const tree = readSourceTree(root);
  const verdicts = RULES.map((rule) => rule(tree));
  return {
    findings: verdicts.flatMap(({ findings }) => findings),
    figures: verdicts.flatMap(({ figures }) => figures),
  };
}
