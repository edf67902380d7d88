import ts from 'typescript';
import { codeLines } from '../code-lines.ts';
import type { Finding, Verdict } from '../finding.ts';
import { type Source, type SourceTree, isMeasured, lineOf, visit } from '../source-tree.ts';

/** One cast for each branded type, in its parse function, stays far below this. */
const CASTS_PER_THOUSAND_LINES = 2;

/** The compiler is believed: next to no `as` and `!`, and no `any` at all. */
export function casts(tree: SourceTree): Verdict {
  const measured = tree.sources.filter(isMeasured);
  const lines = measured.reduce((sum, source) => sum + codeLines(source).size, 0);
  const found = measured.flatMap((source) => collect(source, castName));
  const anys = measured.flatMap((source) => collect(source, anyName));
  const rate = lines === 0 ? 0 : (found.length * 1_000) / lines;
  return {
    findings: rate < CASTS_PER_THOUSAND_LINES ? anys : [...found, ...anys],
    figures: [
      `${measured.length} files of ${lines} lines, ${rate.toFixed(2)} casts in 1,000 lines, ${anys.length} any`,
    ],
  };
}

function collect(source: Source, nameOf: (node: ts.Node) => string | null): Finding[] {
  const findings: Finding[] = [];
  visit(source.ast, (node) => {
    const message = nameOf(node);
    if (message !== null) findings.push({ file: source.path, line: lineOf(source, node), message });
  });
  return findings;
}

function castName(node: ts.Node): string | null {
  const isCast = ts.isAsExpression(node) || ts.isTypeAssertionExpression(node);
  if (isCast && !ts.isConstTypeReference(node.type)) return excess('cast');
  return ts.isNonNullExpression(node) ? excess('non-null assertion') : null;
}

function excess(what: string): string {
  return `A ${what}, and there are ${CASTS_PER_THOUSAND_LINES} or more in 1,000 lines: parse or narrow instead.`;
}

function anyName(node: ts.Node): string | null {
  return node.kind === ts.SyntaxKind.AnyKeyword
    ? "The type 'any' switches the compiler off: use 'unknown' and narrow."
    : null;
}
