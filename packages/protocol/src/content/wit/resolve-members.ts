import { dependencyOrder } from './dependency-order.ts';
import { isInterface } from './identity.ts';
import type { WitFunction, WitInterface, WitNamedType, WitPackageId, WitType, WitWorld } from './model.ts';
import type { FunctionSyntax, MemberSyntax, NameSyntax, TypeSyntax, UseSyntax } from './parse-syntax.ts';
import { type WitPlace, witFailure } from './parse-source.ts';
import { checkGate, countChain, type ItemLookup, type ResolveContext } from './resolve-context.ts';
import {
  isBorrowing,
  namesOf,
  noteDefinition,
  resolveDefinition,
  resolveShape,
  type TypeLookup,
} from './resolve-shapes.ts';

/** Where members are: which package's gates count, and how its files name other interfaces. */
export interface MemberScope {
  readonly context: ResolveContext;
  readonly packageId: WitPackageId;
  readonly lookupItem: ItemLookup;
}

/** The types of an interface or world: used ones first, then its own, each after those it is made of. */
export class TypeTable {
  readonly types = new Map<string, WitNamedType>();
  readonly #owner: WitInterface | WitWorld;
  readonly #scope: MemberScope;
  /** By lower-case name: names that differ in nothing but case are the same to the component model. */
  readonly #taken = new Set<string>();

  constructor(owner: WitInterface | WitWorld, scope: MemberScope) {
    this.#owner = owner;
    this.#scope = scope;
  }

  resolve(members: readonly (UseSyntax | TypeSyntax)[]): void {
    for (const member of members) if (member.type === 'use') this.#use(member);
    for (const member of typeOrder(members)) this.#define(member);
  }

  /** Takes a name that no other type or function of this owner may have. Throws `content/wit`. */
  claim(name: NameSyntax): void {
    const key = name.text.toLowerCase();
    if (this.#taken.has(key)) throw witFailure(name.place, `'${name.text}' is defined more than once here: rename one`);
    this.#taken.add(key);
  }

  get lookup(): TypeLookup {
    return (name) => {
      const named = this.types.get(name.text);
      if (named === undefined)
        throw witFailure(name.place, `there is no type called '${name.text}' here: define or use it`);
      return named;
    };
  }

  #use({ path, names, notes }: UseSyntax): void {
    const { context, packageId, lookupItem } = this.#scope;
    checkGate(packageId, notes);
    const from = lookupItem(path);
    if (!isInterface(from))
      throw witFailure(path.name.place, `'${path.name.text}' is a world, and types are used from interfaces`);
    if (isInterface(this.#owner)) countChain(context, this.#owner, from, path.name.place);
    for (const { name, alias } of names) {
      const target = from.types.get(name.text);
      if (target === undefined) throw witFailure(name.place, `'${path.name.text}' has no type called '${name.text}'`);
      this.claim(alias);
      this.#add({
        name: alias.text,
        owner: this.#owner,
        definition: { type: 'alias', target: { type: 'named', named: target } },
        docs: null,
        stability: notes.stability,
      });
    }
  }

  #define({ name, notes, definition }: TypeSyntax): void {
    const { context, packageId } = this.#scope;
    checkGate(packageId, notes);
    this.claim(name);
    this.#add({
      name: name.text,
      owner: this.#owner,
      definition: resolveDefinition(definition, context, this.lookup),
      docs: notes.docs,
      stability: notes.stability,
    });
  }

  #add(named: WitNamedType): void {
    this.types.set(named.name, named);
    noteDefinition(named, this.#scope.context);
  }
}

/** What an interface has between its braces, put into its two maps. Throws `content/wit`. */
export function resolveInterfaceMembers(
  target: WitInterface & { readonly types: Map<string, WitNamedType>; readonly functions: Map<string, WitFunction> },
  members: readonly MemberSyntax[],
  scope: MemberScope,
): void {
  const table = new TypeTable(target, scope);
  table.resolve(members.filter((member) => member.type !== 'function'));
  for (const [name, named] of table.types) target.types.set(name, named);
  for (const member of members) {
    if (member.type === 'function') {
      table.claim(member.name);
      target.functions.set(member.name.text, resolveFunction(member, null, scope, table.lookup));
    } else {
      for (const [name, made] of resourceFunctions(member, scope, table.lookup)) target.functions.set(name, made);
    }
  }
}

/** The functions of a resource under the names that they have in a binary; none for anything else. */
export function resourceFunctions(
  member: UseSyntax | TypeSyntax,
  scope: MemberScope,
  lookup: TypeLookup,
): readonly (readonly [string, WitFunction])[] {
  if (member.type === 'use' || member.definition.type !== 'resource') return [];
  const resource = lookup(member.name);
  return member.definition.functions.map((part) => {
    const { kind, name } = part;
    const binaryName =
      kind === 'constructor' ? `[constructor]${resource.name}` : `[${kind}]${resource.name}.${name.text}`;
    return [binaryName, resolveFunction(part, resource, scope, lookup)];
  });
}

export function resolveFunction(
  { name, kind, signature, notes }: FunctionSyntax,
  resource: WitNamedType | null,
  { context, packageId }: MemberScope,
  lookup: TypeLookup,
): WitFunction {
  checkGate(packageId, notes);
  const self: WitType | null = kind === 'method' && resource !== null ? { type: 'borrow', resource } : null;
  const parameters = signature.parameters.map((part) => {
    if (self !== null && part.name.text.toLowerCase() === 'self') {
      throw witFailure(part.name.place, "a method has a parameter 'self' already: rename this one");
    }
    return { name: part.name.text, value: resolveShape(part.value, context, lookup) };
  });
  const written = signature.result === null ? null : resolveShape(signature.result, context, lookup);
  if (written !== null && isBorrowing(written, context)) {
    throw witFailure(name.place, 'a function cannot return a borrowed handle: return the resource itself');
  }
  return {
    name: name.text,
    kind,
    isAsync: signature.isAsync,
    resource,
    parameters: self === null ? parameters : [{ name: 'self', value: self }, ...parameters],
    result: kind === 'constructor' && resource !== null ? constructorResult(written, resource, name.place) : written,
    docs: notes.docs,
    stability: notes.stability,
  };
}

/** WIT.md "Item: resource": the resource, or a `result` of it. */
function constructorResult(written: WitType | null, resource: WitNamedType, place: WitPlace): WitType {
  if (written === null) return { type: 'own', resource };
  if (written.type === 'result' && written.ok?.type === 'own' && written.ok.resource === resource) return written;
  throw witFailure(place, `this constructor returns something else: write nothing, or result<${resource.name}, …>`);
}

/** Throws `content/wit` for a type that is made of itself. */
function typeOrder(members: readonly (UseSyntax | TypeSyntax)[]): readonly TypeSyntax[] {
  const nodes = members.flatMap((member): readonly { name: NameSyntax; member: TypeSyntax | null }[] =>
    member.type === 'use'
      ? member.names.map(({ alias }) => ({ name: alias, member: null }))
      : [{ name: member.name, member }],
  );
  const indexes = new Map(nodes.map(({ name }, index) => [name.text, index]));
  const edges = nodes.map(({ member }) =>
    (member === null ? [] : namesOf(member.definition)).map((name) => {
      const index = indexes.get(name.text);
      if (index === undefined)
        throw witFailure(name.place, `there is no type called '${name.text}' here: define or use it`);
      return index;
    }),
  );
  const order = dependencyOrder(edges);
  if (order.type === 'cycle') {
    const name = nodes[order.from]?.name;
    const other = nodes[order.to]?.name.text ?? '';
    if (name !== undefined)
      throw witFailure(name.place, `'${name.text}' is made of itself, by way of '${other}': types cannot be recursive`);
    return [];
  }
  return order.nodes.flatMap((index) => nodes[index]?.member ?? []);
}
