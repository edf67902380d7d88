import ts from 'typescript';
import type { Finding, Verdict } from '../finding.ts';
import { type Source, type SourceTree, isMeasured, lineOf } from '../source-tree.ts';

/** A package's public surface is listed by hand in one file; everywhere else a name is imported from where it is defined. */
export function barrels(tree: SourceTree): Verdict {
  return { findings: tree.sources.filter(isMeasured).flatMap(reExports), figures: [] };
}

function reExports(source: Source): Finding[] {
  return source.ast.statements.flatMap((statement): Finding[] => {
    if (!ts.isExportDeclaration(statement) || statement.moduleSpecifier === undefined) return [];
    const message = complaint(source.path, statement);
    return message === null ? [] : [{ file: source.path, line: lineOf(source, statement), message }];
  });
}

function complaint(path: string, { exportClause, isTypeOnly }: ts.ExportDeclaration): string | null {
  // `export * as name` names what it gives: one file's interface under one word.
  if (exportClause !== undefined && ts.isNamespaceExport(exportClause) && /(?:^|\/)index(?:\.d)?\.ts$/.test(path))
    return null;
  if (exportClause === undefined || !ts.isNamedExports(exportClause)) {
    return "'export *' hides what is public: list the names.";
  }
  const isEntry = /(?:^|\/)(?:index|main)\.ts$/.test(path);
  const isTypes = isTypeOnly || exportClause.elements.every((element) => element.isTypeOnly);
  return isEntry || isTypes
    ? null
    : "A re-export outside the package's index.ts: import from the file that defines it.";
}
