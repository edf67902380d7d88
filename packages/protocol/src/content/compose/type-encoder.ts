import { concatBytes, joinBytes, utf8 } from '../../bytes/byte-array.ts';
import { encodeUleb128 } from '../../bytes/uleb128.ts';
import { ALIAS, DECLARATION, TYPE_CODE } from '../binary/component-type.ts';
import { signedIndex } from './leb128.ts';
import { malformed, notAnalysed, tooLarge } from './refusal.ts';
import {
  memberOf,
  type ComponentTypeNode,
  type CoreTypeNode,
  type DeclaredNode,
  type Extern,
  type InstanceNode,
  type InstanceTypeNode,
  type Scope,
  type ShapeNode,
  type TypeNode,
} from './type-node.ts';

/** Declarations that wait for one another. */
const WAITING_MAX = 400;

export type Declaration = 'core-type' | 'type' | 'alias' | 'import' | 'export';
const DECLARATION_CODE: Readonly<Record<Declaration, number>> = {
  'core-type': DECLARATION.coreType,
  type: DECLARATION.type,
  alias: DECLARATION.alias,
  import: DECLARATION.import,
  export: DECLARATION.export,
};

export type Sort = Extern['sort'];
export const SORT_CODE: Readonly<Record<Sort, readonly number[]>> = {
  module: [0x00, 0x11],
  function: [0x01],
  value: [0x02],
  type: [0x03],
  component: [0x04],
  instance: [0x05],
};
const CORE_TYPE_SORT = [0x00, 0x10];

/** A component or type that is being written. */
export class EncodedScope {
  readonly parent: EncodedScope | null;
  /** The scopes whose declarations are written here. */
  readonly homes: ReadonlySet<Scope>;
  readonly put: (declaration: Declaration, bytes: Uint8Array) => void;
  /** Declares the import or export of that name, unless it is declared already. */
  readonly provide: (home: Scope, name: string) => void;
  readonly types = new Map<TypeNode, number>();
  readonly instances = new Map<InstanceNode, number>();
  readonly coreTypes = new Map<CoreTypeNode, number>();
  readonly #counts = new Map<Sort, number>();

  constructor(fields: Pick<EncodedScope, 'parent' | 'homes' | 'put' | 'provide'>) {
    this.parent = fields.parent;
    this.homes = fields.homes;
    this.put = fields.put;
    this.provide = fields.provide;
  }

  /** The next index of a sort, taken. */
  take(sort: Sort): number {
    const index = this.#counts.get(sort) ?? 0;
    this.#counts.set(sort, index + 1);
    return index;
  }
}

/** Which types and instances of several components are one and the same in the component that is being written. */
export class Unification {
  readonly #types = new Map<TypeNode, TypeNode>();
  readonly #instances = new Map<InstanceNode, InstanceNode>();

  equate(one: Extern, same: Extern): void {
    if (one === same) return;
    if (one.sort === 'type' && same.sort === 'type') this.#types.set(one.node, this.type(same.node));
    if (one.sort === 'instance' && same.sort === 'instance')
      this.#instances.set(one.instance, this.instance(same.instance));
  }

  type(node: TypeNode): TypeNode {
    if (node.kind !== 'member') return this.#types.get(node) ?? node;
    return memberOf(this.instance(node.instance), node.name);
  }

  instance(node: InstanceNode): InstanceNode {
    return this.#instances.get(node) ?? node;
  }
}

/** Declares types of read components anew, each once in the scope that answers to its own. */
export class TypeEncoder {
  readonly #same: Unification;
  #waiting = 0;

  constructor(same: Unification) {
    this.#same = same;
  }

  /** Writes an import or export: a name, and what it is. */
  declare(scope: EncodedScope, declaration: 'import' | 'export', extern: Extern): number {
    const description = this.#description(scope, extern);
    scope.put(declaration, joinBytes([extern.nameBytes, description]));
    return this.#enter(scope, extern);
  }

  /** Writes the import of an instance that has what any of `types` has. */
  declareInstance(scope: EncodedScope, extern: Extern, types: readonly InstanceTypeNode[]): number {
    const [only] = types;
    if (types.length === 1 && only !== undefined && extern.sort === 'instance' && extern.instance.instanceType === only)
      return this.declare(scope, 'import', extern);
    const bytes = this.#instanceType(scope, types);
    const index = scope.take('type');
    scope.put('type', bytes);
    scope.put('import', joinBytes([extern.nameBytes, Uint8Array.from(SORT_CODE.instance), encodeUleb128(index)]));
    return this.#enter(scope, extern);
  }

  #enter(scope: EncodedScope, extern: Extern): number {
    const index = scope.take(extern.sort);
    if (extern.sort === 'type') scope.types.set(this.#same.type(extern.node), index);
    if (extern.sort === 'instance') scope.instances.set(this.#same.instance(extern.instance), index);
    return index;
  }

  #description(scope: EncodedScope, extern: Extern): Uint8Array {
    const code = Uint8Array.from(SORT_CODE[extern.sort]);
    switch (extern.sort) {
      case 'module':
        if (extern.coreType === null) break;
        return joinBytes([code, encodeUleb128(this.#coreType(scope, extern.coreType))]);
      case 'function': {
        const node = extern.functionType();
        if (node === null) break;
        return joinBytes([code, encodeUleb128(this.type(scope, node))]);
      }
      case 'type':
        if (extern.node.kind !== 'declared') break;
        return joinBytes([code, this.#bound(scope, extern.node)]);
      case 'component': {
        const node = extern.component.componentType;
        if (node === null) break;
        return joinBytes([code, encodeUleb128(this.type(scope, node))]);
      }
      case 'instance': {
        const node = extern.instance.instanceType;
        if (node === null) break;
        return joinBytes([code, encodeUleb128(this.type(scope, node))]);
      }
      case 'value':
    }
    throw notAnalysed(`an import or export of a ${extern.sort} whose type cannot be told`);
  }

  #bound(scope: EncodedScope, { bound }: DeclaredNode): Uint8Array {
    return bound === null ? Uint8Array.of(1) : joinBytes([Uint8Array.of(0), encodeUleb128(this.type(scope, bound))]);
  }

  /** The index of a type in a scope; what is not declared there yet is. */
  type(scope: EncodedScope, original: TypeNode): number {
    const node = this.#same.type(original);
    const known = scope.types.get(node);
    if (known !== undefined) return known;
    const owner = ownerOf(scope, node.home);
    const index = this.#waited(() => (owner === scope ? this.#define(scope, node) : this.#outer(scope, owner, node)));
    scope.types.set(node, index);
    return index;
  }

  #waited(declare: () => number): number {
    if (this.#waiting >= WAITING_MAX) throw tooLarge(`its types wait for one another more than ${WAITING_MAX} deep`);
    this.#waiting += 1;
    const index = declare();
    this.#waiting -= 1;
    return index;
  }

  #outer(scope: EncodedScope, owner: EncodedScope, node: TypeNode): number {
    const index = this.type(owner, node);
    scope.put('alias', outerAlias(SORT_CODE.type, scope, owner, index));
    return scope.take('type');
  }

  #define(scope: EncodedScope, node: TypeNode): number {
    switch (node.kind) {
      case 'shape':
        return this.#defined(scope, this.#shape(scope, node));
      case 'instance':
        return this.#defined(scope, this.#instanceType(scope, [node]));
      case 'component':
        return this.#defined(scope, this.#componentType(scope, node));
      case 'member': {
        const index = this.#instance(scope, node.instance);
        scope.put('alias', exportAlias(SORT_CODE.type, index, node.name));
        return scope.take('type');
      }
      case 'declared': {
        scope.provide(node.home, node.name);
        const index = scope.types.get(this.#same.type(node));
        if (index === undefined) throw malformed(`the type ${JSON.stringify(node.name.slice(0, 80))} needs itself`);
        return index;
      }
      case 'resource':
        throw notAnalysed('an import whose type uses a resource of its own');
    }
  }

  #defined(scope: EncodedScope, bytes: Uint8Array): number {
    const index = scope.take('type');
    scope.put('type', bytes);
    return index;
  }

  #shape(scope: EncodedScope, { parts }: ShapeNode): Uint8Array {
    return joinBytes(
      parts.map((part) => {
        if (part instanceof Uint8Array) return part;
        if (typeof part.value === 'number') return Uint8Array.of(part.value);
        const index = this.type(scope, part.value);
        return part.signed ? signedIndex(index) : encodeUleb128(index);
      }),
    );
  }

  #instance(scope: EncodedScope, original: InstanceNode): number {
    const node = this.#same.instance(original);
    const known = scope.instances.get(node);
    if (known !== undefined) return known;
    if (node.origin.type === 'made') throw notAnalysed('an import whose type uses an instance of its own');
    if (node.origin.type === 'declared') {
      scope.provide(node.home, node.origin.name);
      const index = scope.instances.get(this.#same.instance(node));
      if (index === undefined) throw malformed(`${JSON.stringify(node.origin.name.slice(0, 80))} needs itself`);
      return index;
    }
    const { instance, name } = node.origin;
    const owner = this.#waited(() => this.#instance(scope, instance));
    scope.put('alias', exportAlias(SORT_CODE.instance, owner, name));
    const index = scope.take('instance');
    scope.instances.set(node, index);
    return index;
  }

  /** One instance type that has what any of `types` has: the first that has a name says what it is. */
  #instanceType(parent: EncodedScope, types: readonly InstanceTypeNode[]): Uint8Array {
    const externs = new Map<string, Extern>();
    for (const { exports } of types) {
      for (const [name, extern] of exports) {
        const first = externs.get(name);
        if (first === undefined) externs.set(name, extern);
        else this.#same.equate(extern, first);
      }
    }
    const buffer = new DeclarationBuffer(TYPE_CODE.instance);
    const declared = new Set<string>();
    const declareExport = (name: string): void => {
      const extern = externs.get(name);
      if (extern === undefined || declared.has(name)) return;
      declared.add(name);
      this.declare(scope, 'export', extern);
    };
    const homes = new Set(types.map((type) => type.scope));
    const provide = (_home: Scope, name: string): void => declareExport(name);
    const scope: EncodedScope = new EncodedScope({ parent, homes, put: buffer.put, provide });
    for (const name of externs.keys()) declareExport(name);
    return buffer.finish();
  }

  #componentType(parent: EncodedScope, node: ComponentTypeNode): Uint8Array {
    const buffer = new DeclarationBuffer(TYPE_CODE.component);
    const declared = new Set<Extern>();
    const provide = (_home: Scope, name: string): void => {
      for (const [declaration, externs] of [
        ['import', node.imports],
        ['export', node.exports],
      ] as const) {
        const extern = externs.get(name);
        if (extern === undefined || declared.has(extern)) continue;
        declared.add(extern);
        this.declare(scope, declaration, extern);
      }
    };
    const scope: EncodedScope = new EncodedScope({ parent, homes: new Set([node.scope]), put: buffer.put, provide });
    for (const name of [...node.imports.keys(), ...node.exports.keys()]) provide(node.scope, name);
    return buffer.finish();
  }

  #coreType(scope: EncodedScope, node: CoreTypeNode): number {
    const known = scope.coreTypes.get(node);
    if (known !== undefined) return known;
    const owner = ownerOf(scope, node.home);
    if (owner === scope) {
      const parts = node.parts.map((part) =>
        part instanceof Uint8Array ? part : encodeUleb128(this.#coreType(scope, part)),
      );
      scope.put('core-type', joinBytes(parts));
    } else scope.put('alias', outerAlias(CORE_TYPE_SORT, scope, owner, this.#coreType(owner, node)));
    const index = scope.coreTypes.size;
    scope.coreTypes.set(node, index);
    return index;
  }
}

function ownerOf(scope: EncodedScope, home: Scope): EncodedScope {
  for (let owner: EncodedScope | null = scope; owner !== null; owner = owner.parent) {
    if (owner.homes.has(home)) return owner;
  }
  throw malformed('a type is used outside of where it is declared');
}

function outerAlias(sort: readonly number[], from: EncodedScope, to: EncodedScope, index: number): Uint8Array {
  let count = 0;
  for (let scope: EncodedScope | null = from; scope !== to && scope !== null; scope = scope.parent) count += 1;
  return joinBytes([Uint8Array.from(sort), Uint8Array.of(ALIAS.outer), encodeUleb128(count), encodeUleb128(index)]);
}

/** An alias of what an instance exports. */
export function exportAlias(sort: readonly number[], instance: number, name: string): Uint8Array {
  const text = utf8(name);
  return joinBytes([
    Uint8Array.from(sort),
    Uint8Array.of(ALIAS.export),
    encodeUleb128(instance),
    encodeUleb128(text.length),
    text,
  ]);
}

/** The declarations of one type, counted. */
class DeclarationBuffer {
  readonly #code: number;
  readonly #items: Uint8Array[] = [];
  #count = 0;

  constructor(code: number) {
    this.#code = code;
  }

  readonly put = (declaration: Declaration, bytes: Uint8Array): void => {
    this.#items.push(Uint8Array.of(DECLARATION_CODE[declaration]), bytes);
    this.#count += 1;
  };

  finish(): Uint8Array {
    return concatBytes(Uint8Array.of(this.#code), encodeUleb128(this.#count), joinBytes(this.#items));
  }
}
