import { dependencyOrder } from './dependency-order.ts';
import { witItemName, witPackageName } from './identity.ts';
import type { WitFunction, WitInterface, WitNamedType, WitPackage, WitPackageId, WitWorld } from './model.ts';
import type {
  InterfaceSyntax,
  ItemSyntax,
  NameSyntax,
  PackageIdSyntax,
  PathSyntax,
  WorldSyntax,
} from './parse-syntax.ts';
import { witFailure } from './parse-source.ts';
import { checkGate, type ItemLookup, type ResolveContext } from './resolve-context.ts';
import { resolveInterfaceMembers } from './resolve-members.ts';
import { resolveWorld } from './resolve-world.ts';

/** The files of one package, or the one block of a nested one: what they declare, each file with names of its own. */
export interface PackageDraft {
  readonly id: PackageIdSyntax;
  readonly docs: string | null;
  readonly files: readonly (readonly ItemSyntax[])[];
}

interface Declaration {
  readonly item: InterfaceSyntax | WorldSyntax;
  readonly file: FileNames;
}

/** What `use … as …;` at the top of a file calls by another name. */
type FileNames = ReadonlyMap<string, PathSyntax>;

/** Looks up all names; the packages that this one names must be resolved. Throws `content/wit`. */
export function resolvePackage(draft: PackageDraft, context: ResolveContext): WitPackage {
  const { namespace, name, version } = draft.id;
  const id: WitPackageId = { namespace, name, version };
  const interfaces = new Map<string, WitInterface>();
  const worlds = new Map<string, WitWorld>();
  const declarations = declarationsOf(draft);
  for (const path of draft.files.flatMap(topUses)) checkTopUse(path, id, declarations, context);
  for (const { item, file } of inOrder(declarations)) {
    const lookupItem = itemLookup(id, file, (local) => interfaces.get(local) ?? worlds.get(local), context);
    const scope = { context, packageId: id, lookupItem };
    if (item.type === 'world') {
      worlds.set(item.name.text, resolveWorld(item, scope));
      continue;
    }
    checkGate(id, item.notes);
    const types = new Map<string, WitNamedType>();
    const functions = new Map<string, WitFunction>();
    const { docs, stability } = item.notes;
    const made = { name: item.name.text, packageId: id, docs, stability, types, functions };
    resolveInterfaceMembers(made, item.members, scope);
    interfaces.set(made.name, made);
  }
  return { id, interfaces, worlds, docs: draft.docs, stability: null };
}

/** The packages that a draft names in its paths. */
export function namedPackages({ files }: PackageDraft): readonly PackageIdSyntax[] {
  return files.flat().flatMap((item) => {
    const paths = item.type === 'use' ? [item.path] : item.members.flatMap(memberPaths);
    return paths.flatMap(({ packageId }) => packageId ?? []);
  });
}

function declarationsOf({ files }: PackageDraft): ReadonlyMap<string, Declaration> {
  const declarations = new Map<string, Declaration>();
  for (const items of files) {
    const names = new Map<string, PathSyntax>();
    for (const item of items) {
      const name = item.type === 'use' ? item.alias : item.name;
      const isTaken = names.has(name.text) || (item.type !== 'use' && declarations.has(name.text));
      if (isTaken) throw witFailure(name.place, `'${name.text}' is declared twice: rename one`);
      if (item.type === 'use') names.set(name.text, item.path);
      else declarations.set(name.text, { item, file: names });
    }
    for (const item of items) {
      if (item.type !== 'use' && names.has(item.name.text))
        throw witFailure(item.name.place, `'${item.name.text}' is declared twice: rename one`);
    }
  }
  return declarations;
}

function topUses(items: readonly ItemSyntax[]): readonly PathSyntax[] {
  return items.flatMap((item) => (item.type === 'use' ? [item.path] : []));
}

/** WIT.md "Top-level use": also one that nobody takes anything from leads to something, which is no world elsewhere. */
function checkTopUse(
  { packageId, name }: PathSyntax,
  user: WitPackageId,
  declarations: ReadonlyMap<string, Declaration>,
  { packages }: ResolveContext,
): void {
  if (packageId === null) {
    if (!declarations.has(name.text)) throw unknownName(name);
    return;
  }
  const from = packages.get(witPackageName(packageId));
  if (from === undefined) throw unknownPackage(packageId, user);
  if (!from.interfaces.has(name.text)) {
    throw witFailure(name.place, `there is no interface '${witItemName(packageId, name.text)}' in the package given`);
  }
}

/** Interfaces after those that they use, worlds after those that they include. */
function inOrder(declarations: ReadonlyMap<string, Declaration>): readonly Declaration[] {
  const all = [...declarations.values()];
  const indexes = new Map([...declarations.keys()].map((name, index) => [name, index]));
  const edges = all.map(({ item, file }) =>
    orderingPaths(item).flatMap((path) => {
      const local = localName(path, file);
      if (local === null) return [];
      const index = indexes.get(local.text);
      if (index === undefined) throw unknownName(path.name);
      return index;
    }),
  );
  const order = dependencyOrder(edges);
  if (order.type === 'order') {
    const sorted = order.nodes.flatMap((index) => all[index] ?? []);
    return [
      ...sorted.filter(({ item }) => item.type === 'interface'),
      ...sorted.filter(({ item }) => item.type === 'world'),
    ];
  }
  const from = all[order.from]?.item.name;
  const to = all[order.to]?.item.name.text ?? '';
  if (from === undefined) return [];
  throw witFailure(from.place, `'${from.text}' depends on itself, by way of '${to}': cut the circle`);
}

function orderingPaths(item: InterfaceSyntax | WorldSyntax): readonly PathSyntax[] {
  const wanted = item.type === 'interface' ? 'use' : 'include';
  return item.members.flatMap((member) =>
    (member.type === 'use' || member.type === 'include') && member.type === wanted ? [member.path] : [],
  );
}

/** Every path in a member, and in the interface written in place of one. */
function memberPaths(
  member: InterfaceSyntax['members'][number] | WorldSyntax['members'][number],
): readonly PathSyntax[] {
  if (member.type === 'use' || member.type === 'include') return [member.path];
  if (member.type !== 'extern') return [];
  const { value } = member;
  if (value.type === 'path') return [value.path];
  return value.type === 'interface' ? value.members.flatMap(memberPaths) : [];
}

/** The name within this package that a path leads to; `null` where it leads out of it. */
function localName(path: PathSyntax, file: FileNames): NameSyntax | null {
  if (path.packageId !== null) return null;
  const renamed = file.get(path.name.text);
  if (renamed === undefined) return path.name;
  return renamed.packageId === null ? renamed.name : null;
}

function itemLookup(
  id: WitPackageId,
  file: FileNames,
  own: (name: string) => WitInterface | WitWorld | undefined,
  { packages }: ResolveContext,
): ItemLookup {
  return (path) => {
    const full = path.packageId === null ? (file.get(path.name.text) ?? path) : path;
    const { packageId, name } = full;
    if (packageId === null) {
      const found = own(name.text);
      if (found === undefined) throw unknownName(name);
      return found;
    }
    const from = packages.get(witPackageName(packageId));
    if (from === undefined) throw unknownPackage(packageId, id);
    const found = from.interfaces.get(name.text) ?? from.worlds.get(name.text);
    if (found === undefined)
      throw witFailure(name.place, `there is no '${witItemName(packageId, name.text)}' in the package given`);
    return found;
  };
}

/** For a package that nobody gave. */
export function unknownPackage(wanted: PackageIdSyntax, user: WitPackageId): Error {
  const name = witPackageName(wanted);
  const why =
    name === witPackageName(user)
      ? 'is this package itself: write the bare name'
      : 'is not among the packages given: add it';
  return witFailure(wanted.place, `the package '${name}' ${why}`);
}

function unknownName(name: NameSyntax): Error {
  return witFailure(
    name.place,
    `there is no interface or world called '${name.text}' in this package: define or use it`,
  );
}
