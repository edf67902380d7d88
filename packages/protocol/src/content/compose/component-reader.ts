import { isRegistryError } from '../../errors.ts';
import { readCanon } from '../binary/canon.ts';
import { COMPONENT_SECTION } from '../binary/component-layout.ts';
import { ALIAS } from '../binary/component-type.ts';
import { Cursor } from '../binary/cursor.ts';
import { PREAMBLE_BYTES, readPreamble } from '../binary/section.ts';
import { readCoreType } from './core-type-reader.ts';
import { malformed, notAnalysed, tooLarge } from './refusal.ts';
import {
  coreTypeAt,
  countDefinition,
  evaluated,
  instanceAt,
  instanceMember,
  outerScope,
  typeAt,
} from './scope-index.ts';
import { TYPE_DEPTH_MAX } from './shape-reader.ts';
import { enter, readDescription, readExtern, readEncodedName, readType } from './type-reader.ts';
import {
  memberOf,
  openScope,
  type ComponentNode,
  type ComponentSurface,
  type CoreTypeNode,
  type Extern,
  type ExternContent,
  type FunctionNode,
  type InstanceNode,
  type Scope,
  type TypeNode,
} from './type-node.ts';

/** What a component asks for and gives, and the scope in which that is declared. */
export interface ReadComponent extends ComponentSurface {
  readonly scope: Scope;
}

/** Reads a component as far as composing it asks for: its types, imports and exports. Throws `content/policy`. */
export function readComponent(bytes: Uint8Array): ReadComponent {
  return readContents(bytes, { start: 0, end: bytes.length }, null);
}

function readContents(
  bytes: Uint8Array,
  { start, end }: { readonly start: number; readonly end: number },
  parent: Scope | null,
): ReadComponent {
  const cursor = new Cursor(bytes, start, end);
  if (readPreamble(bytes, start, end).layer !== 'component') throw malformed('it is a core module, not a component');
  cursor.skip(PREAMBLE_BYTES);
  const component = { scope: openScope(parent), imports: new Map(), exports: new Map() };
  if (component.scope.depth > TYPE_DEPTH_MAX) throw tooLarge(`it is more than ${TYPE_DEPTH_MAX} deep`);
  while (!cursor.atEnd) {
    const id = cursor.byte();
    readSection(id, cursor.part(cursor.u32()), component);
  }
  return component;
}

interface OpenComponent {
  readonly scope: Scope;
  readonly imports: Map<string, Extern>;
  readonly exports: Map<string, Extern>;
}

type ItemReader = (cursor: Cursor, component: OpenComponent) => void;

/** Sections that are lists of items. */
const LISTS: ReadonlyMap<number, ItemReader> = new Map<number, ItemReader>([
  [COMPONENT_SECTION.instance, instance],
  [COMPONENT_SECTION.alias, alias],
  [COMPONENT_SECTION.type, (cursor, { scope }) => readType(cursor, scope)],
  [COMPONENT_SECTION.import, (cursor, { scope, imports }) => readExtern(cursor, scope, imports)],
  [COMPONENT_SECTION.export, exported],
]);
/** Custom sections, core instances, the start function and values: nothing that a type could refer to. */
const SKIPPED: ReadonlySet<number> = new Set([0, 2, 9, 12]);

function readSection(id: number, cursor: Cursor, component: OpenComponent): void {
  const { scope } = component;
  const list = LISTS.get(id);
  if (list !== undefined) {
    for (let left = cursor.count(1); left > 0; left--) {
      countDefinition(scope);
      list(cursor, component);
    }
    if (!cursor.atEnd) throw malformed('a section is longer than what it lists');
  } else if (id === COMPONENT_SECTION.coreModule) scope.modules.push(null);
  else if (id === COMPONENT_SECTION.component) scope.components.push(nested(cursor, scope));
  else if (id === COMPONENT_SECTION.coreType) coreTypes(cursor, scope);
  else if (id === COMPONENT_SECTION.canon) canonicalFunctions(cursor, scope);
  else if (!SKIPPED.has(id)) throw notAnalysed(`a section ${id}`);
}

/** Core types have more forms than those that a component can be imported with: after one of them, none can be told. */
function coreTypes(cursor: Cursor, scope: Scope): void {
  try {
    for (let left = cursor.count(1); left > 0; left--) readCoreType(cursor, scope);
  } catch (failure) {
    if (!isRegistryError(failure, 'content/not-analysed')) throw failure;
    scope.coreTypesKnown = false;
  }
}

/** A component inside: read when somebody asks what one of its instances exports. */
function nested({ bytes, offset, end }: Cursor, scope: Scope): ComponentNode {
  let contents: ComponentSurface | null | undefined;
  return {
    componentType: null,
    contents: () => {
      if (contents !== undefined) return contents;
      // A component that makes an instance of itself finds nothing.
      contents = null;
      contents = evaluated(scope, () => readContents(bytes, { start: offset, end }, scope));
      return contents;
    },
  };
}

function instance(cursor: Cursor, { scope }: OpenComponent): void {
  const form = cursor.byte();
  if (form > 1) throw notAnalysed('a form of instance');
  if (form === 1) {
    const exports = new Map<string, Extern>();
    for (let left = cursor.count(1); left > 0; left--) {
      const name = readEncodedName(cursor);
      exports.set(name.name, { ...name, ...sortIndex(cursor, scope) });
    }
    scope.instances.push(madeInstance(scope, () => exports));
    return;
  }
  const component = scope.components[cursor.u32()];
  if (component === undefined) throw malformed('it makes an instance of a component that is not there');
  for (let left = cursor.count(1); left > 0; left--) {
    cursor.name();
    sortIndex(cursor, scope);
  }
  scope.instances.push(madeInstance(scope, () => component.contents()?.exports ?? null));
}

function madeInstance(home: Scope, exports: InstanceNode['exports']): InstanceNode {
  return { home, origin: { type: 'made' }, instanceType: null, exports, members: new Map() };
}

/** A definition by its sort and index. */
function sortIndex(cursor: Cursor, scope: Scope): ExternContent {
  const sort = cursor.byte();
  switch (sort) {
    case 0x00:
      if (cursor.byte() !== 0x11) throw notAnalysed('an argument of core');
      return { sort: 'module', coreType: moduleAt(scope, cursor.u32()) };
    case 0x01:
      return { sort: 'function', functionType: functionAt(scope, cursor.u32()) };
    case 0x02:
      cursor.u32();
      return { sort: 'value' };
    case 0x03:
      return { sort: 'type', node: typeAt(scope, cursor.u32()) };
    case 0x04:
      return { sort: 'component', component: componentAt(scope, cursor.u32()) };
    case 0x05:
      return { sort: 'instance', instance: instanceAt(scope, cursor.u32()) };
    default:
      throw notAnalysed(`a sort 0x${sort.toString(16)}`);
  }
}

function moduleAt(scope: Scope, index: number): CoreTypeNode | null {
  const node = scope.modules[index];
  if (node === undefined) throw malformed(`there is no core module ${index}`);
  return node;
}

function functionAt(scope: Scope, index: number): FunctionNode {
  const node = scope.functionsKnown ? scope.functions[index] : undefined;
  if (node === undefined && scope.functionsKnown) throw malformed(`there is no function ${index}`);
  return node ?? (() => null);
}

function componentAt(scope: Scope, index: number): ComponentNode {
  const node = scope.components[index];
  if (node === undefined) throw malformed(`there is no component ${index}`);
  return node;
}

function alias(cursor: Cursor, { scope }: OpenComponent): void {
  const sort = cursor.byte();
  const coreSort = sort === 0 ? cursor.byte() : null;
  const form = cursor.byte();
  if (form === ALIAS.export) aliasExport(scope, { sort, coreSort }, instanceAt(scope, cursor.u32()), cursor.name());
  else if (form === ALIAS.coreExport) {
    // Nothing of a core instance is in an index space that is kept.
    cursor.u32();
    cursor.name();
  } else if (form === ALIAS.outer) aliasOuter(scope, { sort, coreSort }, outerScope(scope, cursor.u32()), cursor.u32());
  else throw notAnalysed('a form of alias');
}

interface Sort {
  readonly sort: number;
  readonly coreSort: number | null;
}

function aliasExport(scope: Scope, { sort, coreSort }: Sort, from: InstanceNode, name: string): void {
  const found = (): Extern | undefined => from.exports()?.get(name);
  if (sort === 0x01) {
    const functionType = (): TypeNode | null => {
      const member = found();
      return member?.sort === 'function' ? member.functionType() : null;
    };
    scope.functions.push(() => evaluated(scope, functionType));
  } else if (sort === 0x03) scope.types.push(memberOf(from, name));
  else if (sort === 0x05) scope.instances.push(instanceMember(scope, from, name));
  else if (sort === 0x04) {
    const member = (): ComponentSurface | null => {
      const component = found();
      return component?.sort === 'component' ? component.component.contents() : null;
    };
    scope.components.push({ componentType: null, contents: () => evaluated(scope, member) });
  } else if (coreSort === 0x11) scope.modules.push(null);
}

function aliasOuter(scope: Scope, { sort, coreSort }: Sort, outer: Scope, index: number): void {
  if (sort === 0x03) scope.types.push(typeAt(outer, index));
  else if (sort === 0x04) scope.components.push(componentAt(outer, index));
  else if (coreSort === 0x10) scope.coreTypes.push(coreTypeAt(outer, index));
  else if (coreSort === 0x11) scope.modules.push(moduleAt(outer, index));
  else throw notAnalysed('an alias of a sort');
}

/** An export has a name, what it is, and perhaps what it is said to be; it is in the index space of its sort once more. */
function exported(cursor: Cursor, { scope, exports }: OpenComponent): void {
  const { name, nameBytes, attributes } = readEncodedName(cursor);
  if (exports.has(name)) throw malformed(`it exports ${JSON.stringify(name.slice(0, 80))} twice`);
  const found = sortIndex(cursor, scope);
  const said = cursor.byte() === 0 ? null : readDescription(cursor, scope, name);
  if (said !== null && said.sort !== found.sort) throw malformed('an export is not of the sort that it says');
  const content = said ?? asDeclared(found, scope, name);
  enter(scope, content);
  exports.set(name, { nameBytes, attributes, ...content });
}

function asDeclared(content: ExternContent, home: Scope, name: string): ExternContent {
  if (content.sort !== 'type') return content;
  const node: TypeNode = { kind: 'declared', home, name, bound: content.node };
  return { sort: 'type', node };
}

/** Of the canonical functions only lifted ones are in the space of functions. After one that is not known none can be told. */
function canonicalFunctions(cursor: Cursor, scope: Scope): void {
  try {
    for (let left = cursor.count(1); left > 0; left--) {
      const lifted = readCanon(cursor);
      if (lifted === null) continue;
      const node = typeAt(scope, lifted);
      scope.functions.push(() => node);
    }
  } catch (failure) {
    if (!isRegistryError(failure, 'content/not-analysed')) throw failure;
    scope.functionsKnown = false;
  }
}
