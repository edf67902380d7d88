import ts from 'typescript';
import type { Source } from './source-tree.ts';

/** The lines, from 0, on which some token of a file stands: neither blank nor comment only. */
export function codeLines(source: Source): ReadonlySet<number> {
  const lines = new Set<number>();
  collectLines(source, source.ast, lines);
  return lines;
}

function collectLines(source: Source, node: ts.Node, lines: Set<number>): void {
  // A documentation comment is part of the tree; it is a comment all the same.
  if (ts.isJSDoc(node)) return;
  const children = node.getChildren(source.ast);
  if (children.length > 0) {
    for (const child of children) collectLines(source, child, lines);
    return;
  }
  if (node.kind === ts.SyntaxKind.EndOfFileToken || node.getWidth(source.ast) === 0) return;
  const first = source.ast.getLineAndCharacterOfPosition(node.getStart(source.ast)).line;
  const last = source.ast.getLineAndCharacterOfPosition(node.getEnd()).line;
  for (let line = first; line <= last; line += 1) lines.add(line);
}

/** How many of the lines a node covers hold code. */
export function codeLineCount(source: Source, node: ts.Node, lines: ReadonlySet<number>): number {
  const first = source.ast.getLineAndCharacterOfPosition(node.getStart(source.ast)).line;
  const last = source.ast.getLineAndCharacterOfPosition(node.getEnd()).line;
  let count = 0;
  for (let line = first; line <= last; line += 1) if (lines.has(line)) count += 1;
  return count;
}
