import {
  type ComponentLayout,
  ENTRY,
  type EvaluatedSort,
  type ExternDeclaration,
  INSTANCE_FORM,
  layoutOfComponent,
  layoutOfType,
} from './component-layout.ts';
import { ALIAS, TYPE_CODE, readExternName, readSort } from './component-type.ts';
import { readCanon } from './canon.ts';
import { Cursor, malformed, notAnalysed, overLimit } from './cursor.ts';
import { WASM_LIMITS } from './limits.ts';
import { readPreamble, readSections, sectionCursor } from './section.ts';

/*
 * What a component's definitions stand for, found only when asked. A scope is the inside of a component or of a type; a type
 * is known by the identity of its node. To instantiate is to open a new scope of the same layout with other imports, so no
 * type is ever rewritten; the work of one question is bounded by steps, as instances of instances would double without end.
 */

/** One type. Whoever exports or imports a type under a name makes a new node of it. */
export interface TypeNode {
  /** The node that this one is another name of; `null` for a definition. */
  readonly aliasOf: TypeNode | null;
  readonly definition: TypeDefinition;
}

export type TypeDefinition =
  | { readonly type: 'resource' }
  /** Read where it stands: `code` is its first byte, `offset` the byte after. */
  | { readonly type: 'written'; readonly code: number; readonly offset: number; readonly scope: ComponentScope };

export type ScopeItem =
  | { readonly sort: 'type'; readonly node: TypeNode }
  | { readonly sort: 'function'; readonly functionType: TypeNode }
  | { readonly sort: 'instance'; readonly instance: InstanceNode }
  | { readonly sort: 'component'; readonly component: ComponentNode };

export interface InstanceNode {
  /** In order. */
  readonly exports: readonly ExternDeclaration[];
  /** `null` for what has no such export. */
  item(name: string): ScopeItem | null;
}

export interface ComponentNode {
  readonly layout: ComponentLayout;
  /** Around it; `null` for the outermost. */
  readonly parent: ComponentScope | null;
}

/** What a scope costs in memory, in steps. */
const SCOPE_STEPS = 8;
const BYTES_A_STEP = 256;
const EVALUATED_SORTS: readonly EvaluatedSort[] = ['type', 'function', 'instance', 'component'];

type Argument = (name: string) => ScopeItem | null;

/** What all scopes of one binary share. */
export class Evaluation {
  readonly bytes: Uint8Array;
  readonly #layouts: Map<number, ComponentLayout> = new Map();
  #steps = 0;
  #depth = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  cursor(offset: number): Cursor {
    return new Cursor(this.bytes, offset, this.bytes.length);
  }

  /** Counts one step, inside others. Throws `content/policy`. */
  step<T>(evaluate: () => T): T {
    this.spend(1);
    if (this.#depth >= WASM_LIMITS.chain) throw overLimit('a longer chain of definitions', WASM_LIMITS.chain);
    this.#depth++;
    try {
      return evaluate();
    } finally {
      this.#depth--;
    }
  }

  /** Counts work that is not evaluation. Throws `content/policy`. */
  spend(steps: number): void {
    this.#steps += steps;
    if (this.#steps > WASM_LIMITS.steps) throw overLimit('types that need more steps to follow', WASM_LIMITS.steps);
  }

  layout(offset: number, make: () => ComponentLayout): ComponentLayout {
    const known = this.#layouts.get(offset);
    if (known !== undefined) return known;
    const made = make();
    this.spend(made.exports.size + made.imports.size);
    this.#layouts.set(offset, made);
    return made;
  }
}

export class ComponentScope implements InstanceNode {
  readonly evaluation: Evaluation;
  readonly layout: ComponentLayout;
  readonly #parent: ComponentScope | null;
  /** What the imports are, where this is an instance. */
  readonly #argument: Argument | null;
  /** What was found, or is being looked for. */
  readonly #known: Map<number, ScopeItem | 'open'> = new Map();

  constructor(evaluation: Evaluation, component: ComponentNode, argument: Argument | null) {
    this.evaluation = evaluation;
    this.layout = component.layout;
    this.#parent = component.parent;
    this.#argument = argument;
    evaluation.spend(SCOPE_STEPS);
  }

  get exports(): readonly ExternDeclaration[] {
    return [...this.layout.exports.values()];
  }

  get imports(): readonly ExternDeclaration[] {
    return [...this.layout.imports.values()];
  }

  item(name: string): ScopeItem | null {
    const declaration = this.layout.exports.get(name);
    return declaration === undefined ? null : this.declared(declaration);
  }

  /** What an import or export of this scope is; `null` for sorts that are not evaluated. */
  declared({ sort, index }: ExternDeclaration): ScopeItem | null {
    return isEvaluated(sort) ? this.itemAt(sort, index) : null;
  }

  typeAt(index: number): TypeNode {
    const item = this.itemAt('type', index);
    if (item.sort !== 'type') throw wrongSort('type', 0);
    return item.node;
  }

  instanceAt(index: number): InstanceNode {
    const item = this.itemAt('instance', index);
    if (item.sort !== 'instance') throw wrongSort('instance', 0);
    return item.instance;
  }

  itemAt(sort: EvaluatedSort, index: number): ScopeItem {
    const key = index * EVALUATED_SORTS.length + EVALUATED_SORTS.indexOf(sort);
    const known = this.#known.get(key);
    if (known !== undefined && known !== 'open') return known;
    const { kind, offset } = this.layout.spaces[sort].at(index);
    if (known === 'open') throw malformed(`a ${sort} is defined by itself`, offset);
    this.#known.set(key, 'open');
    const item = this.#settle(key, () => this.#evaluate(sort, kind, offset));
    if (item.sort !== sort) throw wrongSort(sort, offset);
    this.#known.set(key, item);
    return item;
  }

  /** Whatever fails may be asked again, and fails the same way. */
  #settle(key: number, evaluate: () => ScopeItem): ScopeItem {
    try {
      return this.evaluation.step(evaluate);
    } catch (failure) {
      this.#known.delete(key);
      throw failure;
    }
  }

  #evaluate(sort: EvaluatedSort, kind: number, offset: number): ScopeItem {
    switch (kind) {
      case ENTRY.definition:
        return this.#definition(sort, offset);
      case ENTRY.alias:
        return this.#alias(sort, offset);
      case ENTRY.import:
        return this.#import(offset);
      default:
        return this.layout.isType ? this.#externType(offset) : this.#export(offset);
    }
  }

  #definition(sort: EvaluatedSort, offset: number): ScopeItem {
    const cursor = this.evaluation.cursor(offset);
    switch (sort) {
      case 'type':
        return { sort, node: { aliasOf: null, definition: this.#typeDefinition(cursor) } };
      case 'function':
        return { sort, functionType: this.typeAt(readCanon(cursor) ?? 0) };
      case 'instance':
        return { sort, instance: this.#instance(cursor) };
      case 'component':
        return { sort, component: { layout: this.#nestedLayout(cursor), parent: this } };
    }
  }

  #typeDefinition(cursor: Cursor): TypeDefinition {
    const code = cursor.byte();
    if (code === TYPE_CODE.resource || code === TYPE_CODE.resourceWithAsyncDestructor) return { type: 'resource' };
    return { type: 'written', code, offset: cursor.offset, scope: this };
  }

  #nestedLayout(cursor: Cursor): ComponentLayout {
    return this.evaluation.layout(cursor.offset, () => {
      cursor.byte();
      const contents = cursor.part(cursor.u32());
      const { layer } = readPreamble(contents.bytes, contents.offset, contents.end);
      if (layer !== 'component') throw malformed('a component is a module', contents.offset);
      const sections = readSections(contents.bytes, contents.offset, contents.end);
      return layoutOfComponent(sections, (section) => sectionCursor(contents.bytes, section));
    });
  }

  #instance(cursor: Cursor): InstanceNode {
    const form = cursor.byte();
    if (form === INSTANCE_FORM.exports) return this.#inlineInstance(cursor);
    const component = this.itemAt('component', cursor.u32());
    if (component.sort !== 'component') throw wrongSort('component', cursor.offset);
    const given = new Map<string, { readonly sort: EvaluatedSort; readonly index: number }>();
    for (let count = cursor.count(3); count > 0; count--) {
      const name = cursor.name();
      const sort = readSort(cursor);
      const index = cursor.u32();
      if (isEvaluated(sort)) given.set(name, { sort, index });
    }
    return new ComponentScope(this.evaluation, component.component, (name) => {
      const argument = given.get(name);
      return argument === undefined ? null : this.itemAt(argument.sort, argument.index);
    });
  }

  #inlineInstance(cursor: Cursor): InstanceNode {
    const exports = new Map<string, ExternDeclaration>();
    for (let count = cursor.count(3); count > 0; count--) {
      const name = readExternName(cursor);
      const sort = readSort(cursor);
      exports.set(name.name, { ...name, sort, index: cursor.u32() });
    }
    return {
      exports: [...exports.values()],
      item: (name): ScopeItem | null => {
        const declaration = exports.get(name);
        return declaration === undefined ? null : this.declared(declaration);
      },
    };
  }

  #alias(sort: EvaluatedSort, offset: number): ScopeItem {
    const cursor = this.evaluation.cursor(offset);
    readSort(cursor);
    if (cursor.byte() === ALIAS.outer) return this.#outer(cursor.u32()).itemAt(sort, cursor.u32());
    const instance = this.instanceAt(cursor.u32());
    const name = cursor.name();
    const item = instance.item(name);
    if (item === null) throw malformed(`an instance has no ${JSON.stringify(name)}`, offset);
    return item;
  }

  /** The scope `count` levels around this one; there are never more around it than limits let in. */
  #outer(count: number): ComponentScope {
    if (count === 0) return this;
    if (this.#parent === null) throw malformed('an alias reaches further out than there is something', 0);
    return this.#parent.#outer(count - 1);
  }

  #import(offset: number): ScopeItem {
    if (this.#argument === null) return this.#externType(offset);
    const name = this.layout.importNames.get(offset);
    const argument = name === undefined ? null : this.#argument(name);
    if (argument === null) throw malformed('an instance is made without one of its imports', offset);
    return argument;
  }

  /** What a type says of an import or export: a new one of that type. */
  #externType(offset: number): ScopeItem {
    const cursor = this.evaluation.cursor(offset);
    const sort = readSort(cursor);
    switch (sort) {
      case 'type':
        return { sort, node: this.#boundType(cursor) };
      case 'function':
        return { sort, functionType: this.typeAt(cursor.u32()) };
      case 'instance':
        return {
          sort,
          instance: new ComponentScope(this.evaluation, this.componentOf(this.typeAt(cursor.u32())), null),
        };
      case 'component':
        return { sort, component: this.componentOf(this.typeAt(cursor.u32())) };
      default:
        throw notAnalysed('an import or export of another sort', offset);
    }
  }

  #boundType(cursor: Cursor): TypeNode {
    if (cursor.byte() === 1) return { aliasOf: null, definition: { type: 'resource' } };
    const aliasOf = this.typeAt(cursor.u32());
    return { aliasOf, definition: aliasOf.definition };
  }

  /** The inside of a component's or an instance's type. Throws `content/malformed` for any other. */
  componentOf({ definition }: TypeNode): ComponentNode {
    if (definition.type !== 'written') throw wrongSort('component or instance type', 0);
    const { code, offset, scope } = definition;
    if (code !== TYPE_CODE.component && code !== TYPE_CODE.instance)
      throw wrongSort('component or instance type', offset);
    const layout = this.evaluation.layout(offset, () => {
      const cursor = this.evaluation.cursor(offset);
      const made = layoutOfType(cursor, 0);
      // Types in types are read again at each level.
      this.evaluation.spend(Math.ceil((cursor.offset - offset) / BYTES_A_STEP));
      return made;
    });
    return { layout, parent: scope };
  }

  /** What a component exports: as it is, or as it says that it is. */
  #export(offset: number): ScopeItem {
    const cursor = this.evaluation.cursor(offset);
    const sort = readSort(cursor);
    const index = cursor.u32();
    if (cursor.byte() === 1) return this.#externType(cursor.offset);
    if (!isEvaluated(sort)) throw notAnalysed('an export of another sort', offset);
    const item = this.itemAt(sort, index);
    if (item.sort !== 'type') return item;
    return { sort: 'type', node: { aliasOf: item.node, definition: item.node.definition } };
  }
}

function isEvaluated(sort: string): sort is EvaluatedSort {
  return sort === 'type' || sort === 'function' || sort === 'instance' || sort === 'component';
}

function wrongSort(expected: string, offset: number): Error {
  return malformed(`what should be a ${expected} is something else`, offset);
}
