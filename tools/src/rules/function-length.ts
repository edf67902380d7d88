import ts from 'typescript';
import { codeLineCount, codeLines } from '../code-lines.ts';
import type { Finding, Verdict } from '../finding.ts';
import { type Source, type SourceTree, isMeasured, lineOf, visit } from '../source-tree.ts';

/** A few functions that are one long table or one flat sequence may pass 40 lines. */
const LINES_P99_MAX = 42;
const LINES_MAX = 60;

interface Measured {
  readonly file: string;
  readonly line: number;
  readonly lines: number;
}

/** Functions stay short: 99 of 100 within {@link LINES_P99_MAX} lines of code, and none above {@link LINES_MAX}. */
export function functionLength(tree: SourceTree): Verdict {
  const functions = tree.sources.filter(isMeasured).flatMap(measureFunctions);
  const sorted = functions.toSorted((a, b) => a.lines - b.lines);
  const p99 = sorted[Math.ceil(sorted.length * 0.99) - 1]?.lines ?? 0;
  const max = sorted.at(-1)?.lines ?? 0;
  const limit = p99 > LINES_P99_MAX ? LINES_P99_MAX : LINES_MAX;
  const tooLong = functions.filter(({ lines }) => lines > limit);
  return {
    findings: tooLong.map(({ file, line, lines }): Finding => ({ file, line, message: complaint(lines, limit) })),
    figures: [`${functions.length} functions, p99 ${p99} lines, max ${max}`],
  };
}

function complaint(lines: number, limit: number): string {
  const why = limit === LINES_MAX ? 'none may be' : 'more than one in a hundred is';
  return `A function of ${lines} lines of code; ${why} longer than ${limit}.`;
}

function measureFunctions(source: Source): Measured[] {
  const found: Measured[] = [];
  const lines = codeLines(source);
  visit(source.ast, (node) => {
    if (!isFunction(node) || isSuite(node)) return;
    found.push({ file: source.path, line: lineOf(source, node), lines: codeLineCount(source, node, lines) });
  });
  return found;
}

function isFunction(node: ts.Node): boolean {
  if (ts.isArrowFunction(node)) return true;
  return ts.isFunctionLike(node) && 'body' in node && node.body !== undefined;
}

/** The callback of `describe` or `suite` is a list of tests, not a function that somebody follows. */
function isSuite(node: ts.Node): boolean {
  const { parent } = node;
  if (!ts.isCallExpression(parent) || !ts.isIdentifier(parent.expression)) return false;
  return ['describe', 'suite'].includes(parent.expression.text);
}
