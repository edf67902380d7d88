import { dependencyOrder } from './dependency-order.ts';
import { witPackageName } from './identity.ts';
import type { WitDocument, WitPackage, WitPackageId } from './model.ts';
import { parseWitFile } from './parse-file.ts';
import type { FileSyntax, PackageSyntax } from './parse-syntax.ts';
import {
  WIT_FILES_MAX,
  WIT_TEXT_LENGTH_MAX,
  WIT_TOKENS_MAX,
  type WitSource,
  witFailure,
  witRefusal,
} from './parse-source.ts';
import type { ResolveContext } from './resolve-context.ts';
import { namedPackages, type PackageDraft, resolvePackage, unknownPackage } from './resolve-package.ts';

/** The files of a package, and of each package that it names. */
export interface WitText {
  readonly main: readonly WitSource[];
  readonly dependencies: readonly (readonly WitSource[])[];
}

/**
 * Reads WIT text (WIT.md of the component model). Files count in the order of their paths, so the order in which they are
 * given does not matter. What is gated by `@unstable` is read like everything else. Throws `content/wit`.
 */
export function parseWit({ main, dependencies }: WitText): WitDocument {
  const groups = [main, ...dependencies].map((sources) => sources.toSorted((a, b) => compareText(a.path, b.path)));
  checkSize(groups.flat());
  const parsed = parseGroups(groups);
  const drafts = parsed.flatMap(({ own, nested }) => [own, ...nested]);
  const byName = new Map<string, PackageDraft>();
  for (const draft of drafts) {
    const name = witPackageName(draft.id);
    if (byName.has(name)) throw witFailure(draft.id.place, `the package '${name}' is there twice: remove one`);
    byName.set(name, draft);
  }
  const sorted = [...byName.values()].toSorted((a, b) => compareText(witPackageName(a.id), witPackageName(b.id)));
  const context: ResolveContext = {
    packages: new Map(),
    resources: new Set(),
    borrowing: new Set(),
    chains: new Map(),
    worldItems: { count: 0 },
  };
  const wanted = parsed[0]?.own;
  const used = new Map<WitPackage, readonly WitPackageId[]>();
  for (const draft of packageOrder(sorted)) {
    const resolved = resolvePackage(draft, context);
    context.packages.set(witPackageName(draft.id), resolved);
    used.set(resolved, namedPackages(draft));
  }
  const found = wanted === undefined ? undefined : context.packages.get(witPackageName(wanted.id));
  if (found === undefined) throw witRefusal('there is no WIT file: give at least one');
  return { main: found, dependencies: reachable(found, used, context) };
}

/** The packages that the text of one names, without those that are in it. Throws `content/wit`. */
export function packagesNamed(sources: readonly WitSource[]): readonly WitPackageId[] {
  checkSize(sources);
  const drafts = parseGroups([sources]).flatMap(({ own, nested }) => [own, ...nested]);
  const own = new Set(drafts.map(({ id }) => witPackageName(id)));
  const named = drafts.flatMap(namedPackages).filter((id) => !own.has(witPackageName(id)));
  const byName = new Map(
    named.map(({ namespace, name, version }) => [
      witPackageName({ namespace, name, version }),
      { namespace, name, version },
    ]),
  );
  return [...byName.values()];
}

/** The names of the packages whose text this is: one, and those that are nested in it. Throws `content/wit`. */
export function packagesHeld(sources: readonly WitSource[]): readonly string[] {
  checkSize(sources);
  return parseGroups([sources]).flatMap(({ own, nested }) => [own, ...nested].map(({ id }) => witPackageName(id)));
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function checkSize(sources: readonly WitSource[]): void {
  if (sources.length > WIT_FILES_MAX)
    throw witRefusal(`WIT text of more than ${WIT_FILES_MAX} files: split the package`);
  const length = sources.reduce((sum, { text }) => sum + text.length, 0);
  if (length > WIT_TEXT_LENGTH_MAX)
    throw witRefusal(`WIT text of more than ${WIT_TEXT_LENGTH_MAX} characters: split the package`);
}

interface ParsedGroup {
  readonly own: PackageDraft;
  readonly nested: readonly PackageDraft[];
}

function parseGroups(groups: readonly (readonly WitSource[])[]): readonly ParsedGroup[] {
  let tokensLeft = WIT_TOKENS_MAX;
  return groups.map((sources) => {
    const files = sources.map((source) => {
      const { file, tokenCount } = parseWitFile(source, tokensLeft);
      tokensLeft -= tokenCount;
      return file;
    });
    return { own: draftOf(files, sources), nested: files.flatMap(({ nested }) => nested).map(nestedDraft) };
  });
}

/** At least one file says which package it is, and no two say differently. */
function draftOf(files: readonly FileSyntax[], sources: readonly WitSource[]): PackageDraft {
  const headers = files.flatMap(({ header }) => header ?? []);
  const [first] = headers;
  if (first === undefined) {
    const [source] = sources;
    if (source === undefined) throw witRefusal('a package has no WIT file: give at least one');
    throw witFailure(
      { source, offset: 0 },
      'no file says which package this is: start one with package namespace:name;',
    );
  }
  for (const { id } of headers) {
    if (witPackageName(id) !== witPackageName(first.id)) {
      throw witFailure(id.place, `another file says that this package is '${witPackageName(first.id)}': make them one`);
    }
  }
  const documented = headers.find(({ docs }) => docs !== null);
  const second = headers.find((header) => header !== documented && header.docs !== null);
  if (second !== undefined)
    throw witFailure(second.id.place, 'another file describes the package already: keep one comment');
  return { id: first.id, docs: documented?.docs ?? null, files: files.map(({ items }) => items) };
}

function nestedDraft({ id, docs, items }: PackageSyntax): PackageDraft {
  return { id, docs, files: [items] };
}

/** Each after those that it names. */
function packageOrder(drafts: readonly PackageDraft[]): readonly PackageDraft[] {
  const indexes = new Map(drafts.map(({ id }, index) => [witPackageName(id), index]));
  const edges = drafts.map((draft) =>
    namedPackages(draft).map((id) => {
      const index = indexes.get(witPackageName(id));
      if (index === undefined || drafts[index] === draft) throw unknownPackage(id, draft.id);
      return index;
    }),
  );
  const order = dependencyOrder(edges);
  if (order.type === 'order') return order.nodes.flatMap((index) => drafts[index] ?? []);
  const from = drafts[order.from];
  const to = drafts[order.to];
  if (from === undefined || to === undefined) return [];
  throw witFailure(
    from.id.place,
    `the packages '${witPackageName(from.id)}' and '${witPackageName(to.id)}' depend on each other`,
  );
}

/** The packages that one takes something from, however far away; each after those that it takes something from itself. */
function reachable(
  main: WitPackage,
  used: ReadonlyMap<WitPackage, readonly WitPackageId[]>,
  { packages }: ResolveContext,
): readonly WitPackage[] {
  const found = new Set([main]);
  for (const user of found) {
    for (const id of used.get(user) ?? []) {
      const target = packages.get(witPackageName(id));
      if (target !== undefined) found.add(target);
    }
  }
  return [...packages.values()].filter((candidate) => candidate !== main && found.has(candidate));
}
