import { posix } from 'node:path';
import ts from 'typescript';
import { type Source, lineOf, visit } from './source-tree.ts';

/** One place where a file names another module: import, re-export, `import()` or an import type. */
export interface Import {
  readonly specifier: string;
  readonly line: number;
}

/** Everything a file imports, in the order it stands there. */
export function importsOf(source: Source): readonly Import[] {
  const imports: Import[] = [];
  visit(source.ast, (node) => {
    const specifier = specifierOf(node);
    if (specifier !== null) imports.push({ specifier: specifier.text, line: lineOf(source, node) });
  });
  return imports;
}

function specifierOf(node: ts.Node): ts.StringLiteralLike | null {
  const named = namedModule(node);
  return named !== undefined && ts.isStringLiteralLike(named) ? named : null;
}

function namedModule(node: ts.Node): ts.Node | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return node.moduleSpecifier;
  if (ts.isImportTypeNode(node)) return ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined;
  const isDynamic = ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword;
  return isDynamic ? node.arguments[0] : undefined;
}

/** Whether a specifier names a file rather than a package. */
export function isRelative(specifier: string): boolean {
  return specifier.startsWith('./') || specifier.startsWith('../');
}

/** The path below the repository that a relative specifier names. */
export function resolveRelative(source: Source, specifier: string): string {
  return posix.join(posix.dirname(source.path), specifier);
}
