import type { Finding, Verdict } from '../finding.ts';
import { type Import, importsOf, isRelative, resolveRelative } from '../imports.ts';
import { LAYOUT, type PackageLayout, type Part, type Place, placeOf } from '../layout.ts';
import type { Source, SourceTree } from '../source-tree.ts';

/** A file together with the row of the layout that decides what it may import. */
interface Importer {
  readonly source: Source;
  readonly folder: string;
  readonly layout: PackageLayout;
  readonly place: Place;
  readonly part: Part;
  /** Names in the package's dependency lists. */
  readonly declared: ReadonlySet<string>;
}

/** Imports point one way: every file belongs to a row of the layout, and imports only what its row allows. */
export function importDirection(tree: SourceTree): Verdict {
  const findings = tree.sources.flatMap((source) => {
    const folder = /^packages\/[^/]+\/src(?=\/)/.exec(source.path)?.[0];
    return folder === undefined ? looseImports(source) : packageImports(tree, source, folder);
  });
  return { findings, figures: [] };
}

/** Outside the packages only one rule holds: a package is used by its name, never by a path into it. */
function looseImports(source: Source): Finding[] {
  const folder = source.path.split('/')[0] ?? '';
  if (!['interop', 'examples', 'bench', 'tools'].includes(folder)) return [];
  return importsOf(source)
    .filter(({ specifier }) => isRelative(specifier) && !resolveRelative(source, specifier).startsWith(`${folder}/`))
    .map((found) => finding(source, found, `imports '${found.specifier}' by path; use the package's name`));
}

function packageImports(tree: SourceTree, source: Source, folder: string): Finding[] {
  const layout = LAYOUT[folder];
  const place = layout === undefined ? null : placeOf(layout, source.path.slice(folder.length + 1));
  const part = place === null ? undefined : layout?.parts[place.row];
  if (layout === undefined || place === null || part === undefined) {
    const message = `${source.path} has no row in tools/src/layout.ts: say what its folder may import.`;
    return [{ file: source.path, line: 1, message }];
  }
  const declared = declaredDependencies(tree, `${folder.slice(0, -'/src'.length)}/package.json`);
  const importer = { source, folder, layout, place, part, declared };
  return importsOf(source).flatMap((found) => {
    const problem = problemWith(importer, found.specifier);
    return problem === null ? [] : [finding(source, found, problem)];
  });
}

function declaredDependencies(tree: SourceTree, manifest: string): ReadonlySet<string> {
  if (!tree.files.includes(manifest)) return new Set();
  const parsed: unknown = JSON.parse(new TextDecoder().decode(tree.read(manifest)));
  const lists = ['dependencies', 'optionalDependencies', 'peerDependencies'].map((key) => property(parsed, key));
  return new Set(lists.flatMap((list) => (typeof list === 'object' && list !== null ? Object.keys(list) : [])));
}

function property(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? new Map(Object.entries(value)).get(key) : undefined;
}

function problemWith(importer: Importer, specifier: string): string | null {
  if (isRelative(specifier)) return relativeProblem(importer, resolveRelative(importer.source, specifier));
  const { layout, part, place, declared } = importer;
  if (part.modules.includes(specifier)) return null;
  if (specifier.startsWith('node:'))
    return part.modules.includes('node') ? null : `${place.row} may not import ${specifier}`;
  if (specifier.startsWith('@waybill/')) {
    return layout.packages.includes(specifier) ? null : `${importer.folder} may not import ${specifier}`;
  }
  if (!part.modules.includes('npm')) return `${place.row} may not import ${specifier}`;
  return declared.has(packageName(specifier))
    ? null
    : `'${specifier}' is not a dependency in the package.json beside it`;
}

function packageName(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function relativeProblem({ folder, layout, place, part }: Importer, target: string): string | null {
  if (!target.startsWith(`${folder}/`)) return `imports ${target}, which is outside its package`;
  const found = placeOf(layout, target.slice(folder.length + 1));
  if (found === null) return `imports ${target}, which has no row in tools/src/layout.ts`;
  const isOwn = found.unit === place.unit;
  if (isOwn || part.parts.includes('*') || part.parts.includes(found.row)) return null;
  return `${place.unit} may not import ${found.unit}`;
}

function finding(source: Source, { line }: Import, problem: string): Finding {
  return { file: source.path, line, message: `Import direction: ${problem}.` };
}
