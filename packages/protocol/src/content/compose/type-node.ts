/*
 * Types of a component as a graph: a node is known by its identity, and says in which scope it was declared, so that it can
 * be declared again in another component. What a definition says beside the types that it refers to stays bytes.
 */

import type { NameAttributes } from '../binary/component-type.ts';

/** Index spaces of one component, component type or instance type, in the order of declaration. */
export interface Scope {
  readonly parent: Scope | null;
  /** How many scopes are around it. */
  readonly depth: number;
  readonly types: TypeNode[];
  readonly coreTypes: CoreTypeNode[];
  readonly instances: InstanceNode[];
  readonly components: ComponentNode[];
  readonly modules: (CoreTypeNode | null)[];
  readonly functions: FunctionNode[];
  /** False after a definition that this reader does not know: what comes later has no index that could be told. */
  functionsKnown: boolean;
  coreTypesKnown: boolean;
  /** Shared with every scope inside. */
  readonly evaluation: { depth: number; definitions: number };
}

/** One of the primitive types, by its byte. */
export type ValueType = number | TypeNode;

/** A stretch of a definition: bytes, or a type that it refers to. An index is a signed number where a primitive could stand. */
export type ShapePart = Uint8Array | { readonly value: ValueType; readonly signed: boolean };

export interface ShapeNode {
  readonly kind: 'shape';
  readonly home: Scope;
  readonly parts: readonly ShapePart[];
  /** Of shapes in shapes. */
  readonly depth: number;
}

/** What an import or export of a type introduces: equal to `bound`, or a resource of its own where that is `null`. */
export interface DeclaredNode {
  readonly kind: 'declared';
  readonly home: Scope;
  readonly name: string;
  readonly bound: TypeNode | null;
}

/** A type that an instance exports. */
export interface MemberNode {
  readonly kind: 'member';
  readonly home: Scope;
  readonly instance: InstanceNode;
  readonly name: string;
}

export interface InstanceTypeNode {
  readonly kind: 'instance';
  readonly home: Scope;
  readonly scope: Scope;
  readonly exports: ReadonlyMap<string, Extern>;
}

export interface ComponentTypeNode {
  readonly kind: 'component';
  readonly home: Scope;
  readonly scope: Scope;
  readonly imports: ReadonlyMap<string, Extern>;
  readonly exports: ReadonlyMap<string, Extern>;
}

/** A resource that a component defines: nobody else can declare it. */
export interface ResourceNode {
  readonly kind: 'resource';
  readonly home: Scope;
}

export type TypeNode = ShapeNode | DeclaredNode | MemberNode | InstanceTypeNode | ComponentTypeNode | ResourceNode;

/** A core type: bytes, and the core types of the scope around it that they refer to. */
export interface CoreTypeNode {
  readonly home: Scope;
  readonly parts: readonly (Uint8Array | CoreTypeNode)[];
}

/** `null` for a type that cannot be told. */
export type FunctionNode = () => TypeNode | null;

export interface InstanceNode {
  readonly home: Scope;
  /** How it came into its scope: by an import or export of that name, out of another instance, or else. */
  readonly origin:
    | { readonly type: 'declared'; readonly name: string }
    | { readonly type: 'member'; readonly instance: InstanceNode; readonly name: string }
    | { readonly type: 'made' };
  /** `null` where only its exports are known. */
  readonly instanceType: InstanceTypeNode | null;
  /** `null` where they cannot be told. */
  readonly exports: () => ReadonlyMap<string, Extern> | null;
  readonly members: Map<string, MemberNode>;
}

export interface ComponentNode {
  /** `null` for a component that is there itself. */
  readonly componentType: ComponentTypeNode | null;
  readonly contents: () => ComponentSurface | null;
}

/** What a component asks for and gives, in order. */
export interface ComponentSurface {
  readonly imports: ReadonlyMap<string, Extern>;
  readonly exports: ReadonlyMap<string, Extern>;
}

/** What has a name: its sort, its type as far as it can be told, and the name's encoding. */
export type Extern = { readonly nameBytes: Uint8Array; readonly attributes: NameAttributes } & ExternContent;

export type ExternContent =
  | { readonly sort: 'module'; readonly coreType: CoreTypeNode | null }
  | { readonly sort: 'function'; readonly functionType: FunctionNode }
  | { readonly sort: 'value' }
  | { readonly sort: 'type'; readonly node: TypeNode }
  | { readonly sort: 'component'; readonly component: ComponentNode }
  | { readonly sort: 'instance'; readonly instance: InstanceNode };

export function openScope(parent: Scope | null): Scope {
  return {
    parent,
    depth: parent === null ? 0 : parent.depth + 1,
    types: [],
    coreTypes: [],
    instances: [],
    components: [],
    modules: [],
    functions: [],
    functionsKnown: true,
    coreTypesKnown: true,
    evaluation: parent?.evaluation ?? { depth: 0, definitions: 0 },
  };
}

/** The one node of a type that an instance exports. */
export function memberOf(instance: InstanceNode, name: string): MemberNode {
  const known = instance.members.get(name);
  if (known !== undefined) return known;
  const member: MemberNode = { kind: 'member', home: instance.home, instance, name };
  instance.members.set(name, member);
  return member;
}
