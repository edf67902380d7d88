import { ALIAS, DECLARATION, readExternName, TYPE_CODE, type ExternName } from '../binary/component-type.ts';
import type { Cursor } from '../binary/cursor.ts';
import { readCoreType } from './core-type-reader.ts';
import { malformed, notAnalysed, tooLarge } from './refusal.ts';
import { coreTypeAt, countDefinition, instanceAt, instanceMember, outerScope, typeAt } from './scope-index.ts';
import { PRIMITIVES, readValueType, ShapeReader, TYPE_DEPTH_MAX } from './shape-reader.ts';
import {
  memberOf,
  openScope,
  type ComponentNode,
  type ComponentTypeNode,
  type DeclaredNode,
  type Extern,
  type ExternContent,
  type InstanceNode,
  type InstanceTypeNode,
  type Scope,
  type TypeNode,
} from './type-node.ts';

/** Reads one type definition into a scope. */
export function readType(cursor: Cursor, scope: Scope): void {
  scope.types.push(definition(cursor, scope));
}

function definition(cursor: Cursor, scope: Scope): TypeNode {
  const code = cursor.byte();
  if (code === TYPE_CODE.instance) return instanceType(cursor, scope);
  if (code === TYPE_CODE.component) return componentType(cursor, scope);
  if (code === TYPE_CODE.resource || code === TYPE_CODE.resourceWithAsyncDestructor)
    return resource(cursor, scope, code);
  const shape = new ShapeReader(cursor, scope, code);
  if (code === TYPE_CODE.function || code === TYPE_CODE.asyncFunction) return shape.function();
  return PRIMITIVES.has(code) ? shape.finish() : shape.value();
}

function resource(cursor: Cursor, scope: Scope, code: number): TypeNode {
  cursor.byte();
  if (code === TYPE_CODE.resourceWithAsyncDestructor) cursor.u32();
  if (cursor.byte() !== 0) cursor.u32();
  return { kind: 'resource', home: scope };
}

/** What an instance type or component type declares. */
interface Declarations {
  readonly scope: Scope;
  readonly imports: Map<string, Extern>;
  readonly exports: Map<string, Extern>;
}

function instanceType(cursor: Cursor, home: Scope): InstanceTypeNode {
  const { scope, exports } = declarations(cursor, home, false);
  return { kind: 'instance', home, scope, exports };
}

function componentType(cursor: Cursor, home: Scope): ComponentTypeNode {
  return { kind: 'component', home, ...declarations(cursor, home, true) };
}

function declarations(cursor: Cursor, home: Scope, mayImport: boolean): Declarations {
  const declared: Declarations = { scope: openScope(home), imports: new Map(), exports: new Map() };
  if (declared.scope.depth > TYPE_DEPTH_MAX) throw tooLarge(`it is more than ${TYPE_DEPTH_MAX} deep`);
  for (let left = cursor.count(1); left > 0; left--) declaration(cursor, declared, mayImport);
  return declared;
}

function declaration(cursor: Cursor, { scope, imports, exports }: Declarations, mayImport: boolean): void {
  countDefinition(scope);
  const code = cursor.byte();
  if (code === DECLARATION.coreType) readCoreType(cursor, scope);
  else if (code === DECLARATION.type) readType(cursor, scope);
  else if (code === DECLARATION.alias) typeAlias(cursor, scope);
  else if (code === DECLARATION.import && mayImport) readExtern(cursor, scope, imports);
  else if (code === DECLARATION.export) readExtern(cursor, scope, exports);
  else throw notAnalysed('a declaration of a type');
}

const SORT = { core: 0x00, type: 0x03, instance: 0x05 };
const CORE_TYPE_SORT = 0x10;

/** Inside a type, an alias names a type around it, or what an instance of its own exports. */
function typeAlias(cursor: Cursor, scope: Scope): void {
  const sort = cursor.byte();
  const coreSort = sort === SORT.core ? cursor.byte() : null;
  const target = cursor.byte();
  if (target === ALIAS.export) {
    const instance = instanceAt(scope, cursor.u32());
    const name = cursor.name();
    if (sort === SORT.type) scope.types.push(memberOf(instance, name));
    else if (sort === SORT.instance) scope.instances.push(instanceMember(scope, instance, name));
    else throw notAnalysed('an alias in a type');
    return;
  }
  if (target !== ALIAS.outer) throw notAnalysed('an alias in a type');
  const outer = outerScope(scope, cursor.u32());
  const index = cursor.u32();
  if (sort === SORT.type) scope.types.push(typeAt(outer, index));
  else if (coreSort === CORE_TYPE_SORT) scope.coreTypes.push(coreTypeAt(outer, index));
  else throw notAnalysed('an alias in a type');
}

/** A name as it was encoded, and what it says. */
export interface EncodedName extends ExternName {
  readonly nameBytes: Uint8Array;
}

export function readEncodedName(cursor: Cursor): EncodedName {
  const start = cursor.offset;
  const name = readExternName(cursor);
  return { ...name, nameBytes: cursor.bytes.subarray(start, cursor.offset) };
}

/** Reads an import or export with its type into `named`, and into the index space of its sort. */
export function readExtern(cursor: Cursor, scope: Scope, named: Map<string, Extern>): void {
  const { name, nameBytes, attributes } = readEncodedName(cursor);
  if (named.has(name)) throw malformed(`it has ${JSON.stringify(name.slice(0, 80))} twice`);
  const content = readDescription(cursor, scope, name);
  enter(scope, content);
  named.set(name, { nameBytes, attributes, ...content });
}

/** Puts what an import or export introduces into the index space of its sort. */
export function enter(scope: Scope, content: ExternContent): void {
  switch (content.sort) {
    case 'module':
      return void scope.modules.push(content.coreType);
    case 'function':
      return void scope.functions.push(content.functionType);
    case 'type':
      return void scope.types.push(content.node);
    case 'component':
      return void scope.components.push(content.component);
    case 'instance':
      return void scope.instances.push(content.instance);
    case 'value':
  }
}

/** What an import or export is said to be. */
export function readDescription(cursor: Cursor, scope: Scope, name: string): ExternContent {
  const sort = cursor.byte();
  switch (sort) {
    case 0x00:
      if (cursor.byte() !== 0x11) throw notAnalysed('an import or export of core');
      return { sort: 'module', coreType: coreTypeAt(scope, cursor.u32()) };
    case 0x01: {
      const node = typeAt(scope, cursor.u32());
      return { sort: 'function', functionType: () => node };
    }
    case 0x02:
      if (cursor.byte() === 0) cursor.u32();
      else readValueType(cursor, scope);
      return { sort: 'value' };
    case 0x03:
      return { sort: 'type', node: declaredType(cursor, scope, name) };
    case 0x04:
      return { sort: 'component', component: declaredComponent(typeAt(scope, cursor.u32())) };
    case 0x05:
      return { sort: 'instance', instance: declaredInstance(typeAt(scope, cursor.u32()), scope, name) };
    default:
      throw notAnalysed(`an import or export of the sort 0x${sort.toString(16)}`);
  }
}

function declaredType(cursor: Cursor, home: Scope, name: string): DeclaredNode {
  const bound = cursor.byte();
  if (bound > 1) throw notAnalysed('a bound of a type');
  return { kind: 'declared', home, name, bound: bound === 0 ? typeAt(home, cursor.u32()) : null };
}

function declaredComponent(node: TypeNode): ComponentNode {
  if (node.kind !== 'component') throw malformed('a component has a type that is none of a component');
  return { componentType: node, contents: () => node };
}

function declaredInstance(node: TypeNode, home: Scope, name: string): InstanceNode {
  if (node.kind !== 'instance') throw malformed('an instance has a type that is none of an instance');
  const origin = { type: 'declared', name } as const;
  return { home, origin, instanceType: node, exports: () => node.exports, members: new Map() };
}
