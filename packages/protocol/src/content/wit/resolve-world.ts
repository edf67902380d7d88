import { isInterface, worldItemName } from './identity.ts';
import type { WitFunction, WitInterface, WitNamedType, WitWorld, WitWorldItem } from './model.ts';
import type { ExternSyntax, TypeSyntax, UseSyntax, WorldMemberSyntax, WorldSyntax } from './parse-syntax.ts';
import { witFailure } from './parse-source.ts';
import { checkGate, countWorldItems } from './resolve-context.ts';
import { impliedItems } from './resolve-implied.ts';
import { includeWorld, type WorldDraft } from './resolve-include.ts';
import {
  type MemberScope,
  resolveFunction,
  resolveInterfaceMembers,
  resourceFunctions,
  TypeTable,
} from './resolve-members.ts';
import type { TypeLookup } from './resolve-shapes.ts';

/** A world with all that its items need. Throws `content/wit`. */
export function resolveWorld(syntax: WorldSyntax, scope: MemberScope): WitWorld {
  const { context, packageId } = scope;
  checkGate(packageId, syntax.notes);
  const imports: WitWorldItem[] = [];
  const exports: WitWorldItem[] = [];
  const { docs, stability } = syntax.notes;
  const world: WitWorld = { name: syntax.name.text, packageId, docs, stability, imports, exports };
  const draft: WorldDraft = { world, imports: new Map(), exports: new Map() };
  const table = new TypeTable(world, scope);
  table.resolve(syntax.members.filter(isTypeMember));
  for (const [name, named] of table.types) draft.imports.set(name, { type: 'type', name, named });
  for (const member of syntax.members) addMember(draft, member, scope, table.lookup);
  for (const member of syntax.members) {
    if (member.type !== 'include') continue;
    checkGate(packageId, member.notes);
    const included = scope.lookupItem(member.path);
    if (isInterface(included))
      throw witFailure(member.path.name.place, `'${included.name}' is an interface, and only worlds are included`);
    includeWorld(draft, included, member, context);
  }
  for (const items of [draft.imports, draft.exports]) checkCase(items, syntax);
  const all = impliedItems(draft.imports, draft.exports);
  if ('conflict' in all) {
    const { conflict } = all;
    throw witFailure(
      syntax.name.place,
      `the export '${conflict}' uses an interface that would have to be both imported and exported: export all between them`,
    );
  }
  countWorldItems(context, all.imports.length + all.exports.length, syntax.name.place);
  // One by one: what is spread into arguments lies on the stack.
  for (const item of all.imports) imports.push(item);
  for (const item of all.exports) exports.push(item);
  return world;
}

function isTypeMember(member: WorldMemberSyntax): member is UseSyntax | TypeSyntax {
  return member.type === 'use' || member.type === 'type';
}

function addMember(draft: WorldDraft, member: WorldMemberSyntax, scope: MemberScope, lookup: TypeLookup): void {
  if (member.type === 'extern') {
    const items = member.direction === 'import' ? draft.imports : draft.exports;
    const item = resolveExtern(member, scope, lookup);
    const name = worldItemName(item);
    if (items.has(name))
      throw witFailure(member.place, `the world has an ${member.direction} '${name}' already: remove or rename one`);
    items.set(name, item);
  } else if (isTypeMember(member)) {
    for (const [name, made] of resourceFunctions(member, scope, lookup))
      draft.imports.set(name, functionItem(name, made));
  }
}

function resolveExtern(syntax: ExternSyntax, scope: MemberScope, lookup: TypeLookup): WitWorldItem {
  const { notes, name, value, place } = syntax;
  checkGate(scope.packageId, notes);
  const { docs, stability } = notes;
  if (value.type === 'path') {
    const found = scope.lookupItem(value.path);
    if (!isInterface(found)) throw witFailure(place, `'${found.name}' is a world: include it`);
    return { type: 'interface', name: name?.text ?? null, interface: found, docs, stability };
  }
  const label = name ?? { text: '', place };
  if (value.type === 'function') {
    const { signature } = value;
    const made = resolveFunction(
      { type: 'function', kind: 'freestanding', name: label, notes, signature },
      null,
      scope,
      lookup,
    );
    return functionItem(label.text, made);
  }
  const types = new Map<string, WitNamedType>();
  const functions = new Map<string, WitFunction>();
  const inline: WitInterface & { types: typeof types; functions: typeof functions } = {
    name: null,
    packageId: null,
    docs,
    stability,
    types,
    functions,
  };
  resolveInterfaceMembers(inline, value.members, scope);
  return { type: 'interface', name: label.text, interface: inline, docs, stability };
}

function functionItem(name: string, made: WitFunction): WitWorldItem {
  return { type: 'function', name, function: made, docs: made.docs, stability: made.stability };
}

/** Names that differ in nothing but case are the same to the component model. */
function checkCase(items: ReadonlyMap<string, WitWorldItem>, { name }: WorldSyntax): void {
  const seen = new Map<string, string>();
  for (const [itemName, item] of items) {
    if (item.name === null) continue;
    const other = seen.get(itemName.toLowerCase());
    if (other !== undefined)
      throw witFailure(name.place, `'${other}' and '${itemName}' differ in nothing but case: rename one`);
    seen.set(itemName.toLowerCase(), itemName);
  }
}
