import { isRegistryError } from '../../errors.ts';
import type { ExternDeclaration } from '../binary/component-layout.ts';
import {
  ComponentScope,
  type Evaluation,
  type InstanceNode,
  type ScopeItem,
  type TypeNode,
} from '../binary/component-scope.ts';
import type { ExternName } from '../binary/component-type.ts';
import { malformed, notAnalysed } from '../binary/cursor.ts';
import { parseComponentName } from '../binary/import-name.ts';
import { NO_DOCS, type WitDocs } from './decode-docs.ts';
import { TypeDecoder, witLabel } from './decode-types.ts';
import type {
  WitFunction,
  WitInterface,
  WitNamedType,
  WitPackage,
  WitPackageId,
  WitWorld,
  WitWorldItem,
} from './model.ts';
import { orderPackages } from './package-order.ts';

/** Something that has a list of types while it is being filled. */
interface Owner {
  readonly owner: WitInterface | WitWorld;
  readonly types: Map<string, WitNamedType>;
}

interface InterfaceDraft extends Owner {
  readonly owner: WitInterface;
  readonly functions: Map<string, WitFunction>;
  readonly docs: WitDocs;
}

interface PackageDraft {
  readonly package: WitPackage;
  readonly interfaces: Map<string, WitInterface>;
  readonly worlds: Map<string, WitWorld>;
  readonly docs: WitDocs;
}

/** Where a name of an interface or a world points: a package, and a label in it. */
interface PackageName {
  readonly id: WitPackageId;
  readonly label: string;
}

/** Interfaces and worlds of all packages that one binary speaks of. An interface is one, however often it is copied. */
export class WorldDecoder {
  readonly #evaluation: Evaluation;
  readonly #types: TypeDecoder;
  readonly #packages: Map<string, PackageDraft> = new Map();
  readonly #interfaces: Map<WitInterface, InterfaceDraft> = new Map();
  readonly #main: PackageDraft;

  constructor(evaluation: Evaluation, mainId: WitPackageId, docs: WitDocs) {
    this.#evaluation = evaluation;
    this.#types = new TypeDecoder(evaluation);
    this.#main = this.#addPackage(mainId, docs);
  }

  get main(): WitPackage {
    return this.#main.package;
  }

  get dependencies(): WitPackage[] {
    const others = [...this.#packages.values()].filter((draft) => draft !== this.#main);
    return orderPackages(others.map((draft) => draft.package));
  }

  /** Takes the types and functions of an instance into the interface that `name` names. */
  addInterface(name: ExternName, instance: InstanceNode): WitInterface {
    const { id, label } = packageName(name);
    const draft = this.#package(id);
    const known = draft.interfaces.get(label);
    const filled = known === undefined ? undefined : this.#interfaces.get(known);
    const target = filled ?? this.#newInterface(label, id, draft.docs.interface(label));
    draft.interfaces.set(label, target.owner);
    this.#fill(target, instance);
    return target.owner;
  }

  addWorld(name: ExternName, scope: ComponentScope): WitWorld {
    const { id, label } = packageName(name);
    const draft = this.#package(id);
    if (draft.worlds.has(label)) throw malformed(`the world ${JSON.stringify(label)} comes twice`, 0);
    const world = this.world({ name: label, packageId: id }, scope);
    draft.worlds.set(label, world);
    return world;
  }

  /** A world by what a component, or its type, imports and exports. */
  world({ name, packageId }: Pick<WitWorld, 'name' | 'packageId'>, scope: ComponentScope): WitWorld {
    const docs = this.#main.docs.world(name);
    const imports: WitWorldItem[] = [];
    const exports: WitWorldItem[] = [];
    const world: WitWorld = { ...docs.notes, name, packageId, imports, exports };
    const side: WorldSide = { owner: { owner: world, types: new Map() }, docs, scope, isImport: true };
    for (const declaration of scope.imports) imports.push(this.#worldItem(side, declaration));
    for (const declaration of scope.exports) exports.push(this.#worldItem({ ...side, isImport: false }, declaration));
    return world;
  }

  /** Adds a world that has no package to the main one. */
  addRootWorld(name: string, scope: ComponentScope): void {
    this.#main.worlds.set(name, this.world({ name, packageId: null }, scope));
  }

  #package(id: WitPackageId): PackageDraft {
    return this.#packages.get(formatPackageId(id)) ?? this.#addPackage(id, NO_DOCS);
  }

  #addPackage(id: WitPackageId, docs: WitDocs): PackageDraft {
    const interfaces = new Map<string, WitInterface>();
    const worlds = new Map<string, WitWorld>();
    const draft = { package: { ...docs.notes, id, interfaces, worlds }, interfaces, worlds, docs };
    this.#packages.set(formatPackageId(id), draft);
    return draft;
  }

  #newInterface(name: string | null, packageId: WitPackageId | null, docs: WitDocs): InterfaceDraft {
    const types = new Map<string, WitNamedType>();
    const functions = new Map<string, WitFunction>();
    const draft = { owner: { ...docs.notes, name, packageId, types, functions }, types, functions, docs };
    this.#interfaces.set(draft.owner, draft);
    return draft;
  }

  #fill(target: InterfaceDraft, instance: InstanceNode): void {
    for (const { name } of instance.exports) {
      const item = instance.item(name);
      if (item?.sort === 'type') this.#fillType(target, name, item.node);
      else if (item?.sort !== 'function') throw notAnalysed(`in an interface, ${JSON.stringify(name)}`, 0);
      else if (!target.functions.has(name)) {
        target.functions.set(name, this.#function(target, name, item.functionType, target.docs.function(name)));
      }
    }
  }

  #fillType(target: InterfaceDraft, name: string, node: TypeNode): void {
    const known = target.types.get(name);
    if (known === undefined) this.#define(target, name, node, target.docs.type(name));
    else this.#types.name(node, known);
  }

  #define({ owner, types }: Owner, name: string, node: TypeNode, docs: WitDocs): WitNamedType {
    const definition = this.#types.definition(node, docs);
    const named: WitNamedType = { ...docs.notes, name: witLabel(name), owner, definition };
    this.#types.name(node, named);
    types.set(name, named);
    return named;
  }

  #function({ types }: Owner, name: string, functionType: TypeNode, docs: WitDocs): WitFunction {
    const { isAsync, parameters, result } = this.#types.signature(functionType);
    const { kind, label, resourceName, saysAsync } = functionName(name);
    const resource = resourceName === null ? null : (types.get(resourceName) ?? null);
    if (resource === null && resourceName !== null) throw notAnalysed(`a function of no resource, ${name}`, 0);
    return { ...docs.notes, name: witLabel(label), kind, isAsync: isAsync || saysAsync, resource, parameters, result };
  }

  /** What WIT cannot say, or this reader does not know, is told by its name alone. */
  #worldItem(side: WorldSide, declaration: ExternDeclaration): WitWorldItem {
    const { name, sort } = declaration;
    if (sort === 'module' || sort === 'component' || sort === 'value') return { type: 'other', name, kind: sort };
    try {
      const item = side.scope.declared(declaration);
      if (item !== null) return this.#sayableItem(side, declaration, item);
    } catch (failure) {
      if (!isRegistryError(failure, 'content/not-analysed')) throw failure;
    }
    return { type: 'other', name, kind: 'not-analysed' };
  }

  #sayableItem(side: WorldSide, declaration: ExternDeclaration, item: ScopeItem): WitWorldItem {
    const { name } = declaration;
    switch (item.sort) {
      case 'instance':
        return this.#interfaceItem(side, declaration, item.instance);
      case 'type':
        return { type: 'type', name, named: this.#define(side.owner, name, item.node, side.docs.type(name)) };
      case 'function': {
        const docs = side.docs.worldFunction(name, side.isImport);
        return {
          ...docs.notes,
          type: 'function',
          name,
          function: this.#function(side.owner, name, item.functionType, docs),
        };
      }
      case 'component':
        return { type: 'other', name, kind: 'component' };
    }
  }

  #interfaceItem({ docs, isImport }: WorldSide, declaration: ExternDeclaration, instance: InstanceNode): WitWorldItem {
    const { name, attributes } = declaration;
    const implemented = attributes.implements;
    if (parseComponentName(name).type === 'interface' || implemented !== null) {
      const found = this.addInterface({ name: implemented ?? name, attributes }, instance);
      const notes = docs.referenceNotes(implemented === null ? fullName(declaration) : name, isImport);
      return { ...notes, type: 'interface', name: implemented === null ? null : name, interface: found };
    }
    if (parseComponentName(name).type !== 'plain') throw notAnalysed('a name', 0);
    const inline = this.#newInterface(null, null, docs.inlineInterface(name, isImport));
    this.#fill(inline, instance);
    const { docs: text, stability } = inline.owner;
    return { docs: text, stability, type: 'interface', name, interface: inline.owner };
  }

  /** The inside of a component or of its type, imports as they are declared. */
  open(item: ScopeItem): ComponentScope {
    if (item.sort !== 'component') throw malformed('what should be a component is something else', 0);
    return new ComponentScope(this.#evaluation, item.component, null);
  }
}

interface WorldSide {
  readonly owner: Owner;
  readonly docs: WitDocs;
  readonly scope: ComponentScope;
  readonly isImport: boolean;
}

export function formatPackageId({ namespace, name, version }: WitPackageId): string {
  return `${namespace}:${name}${version === null ? '' : `@${version}`}`;
}

/** Throws `content/not-analysed` for a name that is none of an interface. */
export function packageName(name: ExternName): PackageName {
  const parsed = parseComponentName(name.name);
  if (parsed.type !== 'interface') throw notAnalysed(`a name without a package, ${JSON.stringify(name.name)}`, 0);
  const { namespace, interface: label } = parsed;
  const version = parsed.version === null ? null : parsed.version + (name.attributes.versionSuffix ?? '');
  return { id: { namespace, name: parsed.package, version }, label };
}

function fullName({ name, attributes }: ExternName): string {
  return name.includes('@') ? name + (attributes.versionSuffix ?? '') : name;
}

interface FunctionName {
  readonly kind: WitFunction['kind'];
  readonly label: string;
  readonly resourceName: string | null;
  /** As tools wrote it in 2025, before the type said so. */
  readonly saysAsync: boolean;
}

const LABEL = '[0-9A-Za-z-]+';
const FREESTANDING = new RegExp(String.raw`^(\[async\])?(${LABEL})$`);
const CONSTRUCTOR = new RegExp(String.raw`^\[constructor\](${LABEL})$`);
const MEMBER = new RegExp(String.raw`^\[(async )?(method|static)\](${LABEL})\.(${LABEL})$`);

function functionName(name: string): FunctionName {
  const freestanding = FREESTANDING.exec(name);
  if (freestanding !== null) {
    const [, prefix, label = ''] = freestanding;
    return { kind: 'freestanding', label, resourceName: null, saysAsync: prefix !== undefined };
  }
  const constructed = CONSTRUCTOR.exec(name)?.[1];
  if (constructed !== undefined) {
    return { kind: 'constructor', label: constructed, resourceName: constructed, saysAsync: false };
  }
  const member = MEMBER.exec(name);
  if (member === null) throw notAnalysed(`a function's name, ${JSON.stringify(name)}`, 0);
  const [, prefix, kind, resourceName = '', label = ''] = member;
  return { kind: kind === 'static' ? 'static' : 'method', label, resourceName, saysAsync: prefix !== undefined };
}
