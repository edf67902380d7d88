import { concatBytes, joinBytes, utf8 } from '../../bytes/byte-array.ts';
import { encodeUleb128 } from '../../bytes/uleb128.ts';
import { COMPONENT_SECTION } from '../binary/component-layout.ts';
import {
  importKey,
  planComposition,
  type CompositionPlan,
  type Dependency,
  type ImportGroup,
  type Supply,
  type Unit,
} from './composition-plan.ts';
import { mismatch, notAnalysed } from './refusal.ts';
import { EncodedScope, exportAlias, SORT_CODE, TypeEncoder, Unification, type Declaration } from './type-encoder.ts';
import { involvesResource } from './type-match.ts';
import type { Extern, InstanceTypeNode, Scope } from './type-node.ts';

/** One component made of several. */
export interface Composition {
  readonly bytes: Uint8Array;
  /** The dependencies that are in it: none needs a later one. */
  readonly composed: readonly Dependency[];
  /** Those that nothing needs. */
  readonly unused: readonly Dependency[];
  /** Names of the imports that remain, in order. */
  readonly imports: readonly string[];
}

/**
 * Puts a component and its dependencies into one component, whose imports are those that no dependency has. The same inputs
 * give the same bytes. Throws `compose/cycle`, `compose/mismatch`, `content/digest`, `content/malformed`,
 * `content/not-analysed`, `content/policy`.
 */
export function composeComponents(components: {
  readonly root: Uint8Array;
  readonly dependencies: readonly Dependency[];
}): Composition {
  const plan = planComposition(components.root, components.dependencies);
  const composer = new Composer(plan);
  const bytes = composer.compose();
  return {
    bytes,
    composed: plan.used.flatMap(({ dependency }) => dependency ?? []),
    unused: plan.unused.flatMap(({ dependency }) => dependency ?? []),
    imports: composer.imports,
  };
}

const PREAMBLE = [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];
const DECLARATION_SECTION: Readonly<Record<Declaration, number>> = {
  'core-type': COMPONENT_SECTION.coreType,
  type: COMPONENT_SECTION.type,
  alias: COMPONENT_SECTION.alias,
  import: COMPONENT_SECTION.import,
  export: COMPONENT_SECTION.export,
};

class Composer {
  readonly imports: string[] = [];
  readonly #plan: CompositionPlan;
  readonly #sections = new SectionWriter();
  readonly #same = new Unification();
  readonly #types = new TypeEncoder(this.#same);
  readonly #scope: EncodedScope;
  readonly #units: ReadonlyMap<Scope, Unit>;
  /** `null` while it is being written. */
  readonly #imported = new Map<ImportGroup, number | null>();
  readonly #embedded = new Map<Unit, number>();
  readonly #instances = new Map<Unit, number>();
  readonly #exports = new Map<string, number>();

  constructor(plan: CompositionPlan) {
    this.#plan = plan;
    const units = plan.instantiated.flatMap((unit) =>
      unit.component === null ? [] : [[unit.component.scope, unit] as const],
    );
    this.#units = new Map(units);
    this.#scope = new EncodedScope({
      parent: null,
      homes: new Set(this.#units.keys()),
      put: (declaration, bytes) => this.#sections.item(DECLARATION_SECTION[declaration], bytes),
      provide: (home, name) => this.#provide(home, name),
    });
    for (const { members } of plan.groups.values()) {
      for (const { extern } of members) this.#same.equate(extern, members[0]?.extern ?? extern);
    }
  }

  compose(): Uint8Array {
    for (const group of this.#plan.groups.values()) this.#import(group);
    for (const unit of [...this.#plan.used, this.#plan.root]) this.#embed(unit);
    for (const unit of this.#plan.instantiated) this.#instantiate(unit);
    this.#exportRoot();
    return concatBytes(Uint8Array.from(PREAMBLE), this.#sections.finish());
  }

  /** An import that an import's type refers to. */
  #provide(home: Scope, name: string): void {
    const unit = this.#units.get(home);
    const supply = unit === undefined ? undefined : this.#plan.supplies.get(unit)?.get(name);
    if (unit === undefined || supply === undefined) return;
    if (supply.type === 'import') this.#import(supply.group);
    else this.#importTypes(unit, name, supply.unit);
  }

  #import(group: ImportGroup): number {
    const known = this.#imported.get(group);
    if (known === null) throw mismatch('the types of several components need each other in a circle');
    if (known !== undefined) return known;
    this.#imported.set(group, null);
    const index = this.#declare(
      group.members.map(({ name, extern }) => ({ name, extern, types: instanceTypeOf(extern) })),
    );
    this.#imported.set(group, index);
    return index;
  }

  /** One import: named as the first says, with what the types of all have. */
  #declare(members: readonly { name: string; extern: Extern; types: readonly InstanceTypeNode[] }[]): number {
    const [first] = members;
    if (first === undefined) throw mismatch('an import that nothing needs');
    const types = members.flatMap((member) => member.types);
    const index =
      types.length === 0
        ? this.#types.declare(this.#scope, 'import', first.extern)
        : this.#types.declareInstance(this.#scope, first.extern, types);
    this.imports.push(first.name);
    return index;
  }

  /**
   * An import that remains uses types of an interface that a dependency supplies. Where they say nothing of a resource they
   * are equal wherever they come from, and an import of them alone will do.
   */
  #importTypes(unit: Unit, name: string, supplier: Unit): void {
    const asked = unit.component?.imports.get(name);
    if (asked === undefined) return;
    const key = importKey(name, asked);
    const group = this.#plan.groups.get(key);
    if (group !== undefined) {
      this.#same.equate(asked, group.members[0]?.extern ?? asked);
      this.#import(group);
      return;
    }
    const members = this.#suppliedImports(key).map(({ extern, ...member }) => {
      this.#same.equate(extern, asked);
      const types = instanceTypeOf(extern).map(typesAlone);
      const resource = types.flatMap(({ exports }) => [...exports]).find(([, found]) => isResource(found));
      if (resource === undefined) return { ...member, extern: asked, types };
      throw mismatch(
        `an import of ${unit.title} that remains uses ${resource[0]} of ${name}, which ${supplier.title} supplies: give a dependency for that import as well`,
      );
    });
    this.#declare(members);
  }

  #suppliedImports(key: string): { name: string; extern: Extern }[] {
    return this.#plan.instantiated.flatMap(({ component }) =>
      [...(component?.imports ?? [])].flatMap(([name, extern]) =>
        importKey(name, extern) === key ? [{ name, extern }] : [],
      ),
    );
  }

  #embed(unit: Unit): void {
    const isModule = unit.component === null;
    this.#embedded.set(unit, this.#scope.take(isModule ? 'module' : 'component'));
    this.#sections.whole(isModule ? COMPONENT_SECTION.coreModule : COMPONENT_SECTION.component, unit.bytes);
  }

  #instantiate(unit: Unit): void {
    const supplies = [...(this.#plan.supplies.get(unit) ?? [])];
    const passed = supplies.map(([name, supply]) => {
      const sort = unit.component?.imports.get(name)?.sort ?? 'instance';
      return joinBytes([prefixed(name), Uint8Array.from(SORT_CODE[sort]), encodeUleb128(this.#supplied(supply, sort))]);
    });
    const head = [Uint8Array.of(0), encodeUleb128(this.#embedded.get(unit) ?? 0), encodeUleb128(passed.length)];
    this.#sections.item(COMPONENT_SECTION.instance, joinBytes([...head, joinBytes(passed)]));
    this.#instances.set(unit, this.#scope.take('instance'));
  }

  #supplied(supply: Supply, sort: Extern['sort']): number {
    if (supply.type === 'import') return this.#import(supply.group);
    const instance = this.#instances.get(supply.unit) ?? 0;
    if (supply.type === 'whole') return sort === 'instance' ? instance : (this.#embedded.get(supply.unit) ?? 0);
    const key = `${instance} ${supply.name}`;
    const known = this.#exports.get(key);
    if (known !== undefined) return known;
    const index = this.#alias('instance', instance, supply.name);
    this.#exports.set(key, index);
    return index;
  }

  #alias(sort: Extern['sort'], instance: number, name: string): number {
    this.#sections.item(COMPONENT_SECTION.alias, exportAlias(SORT_CODE[sort], instance, name));
    return this.#scope.take(sort);
  }

  #exportRoot(): void {
    const { root } = this.#plan;
    const instance = this.#instances.get(root) ?? 0;
    const exports = root.component?.exports ?? new Map<string, Extern>();
    const hasTypes = [...exports.values()].some(({ sort }) => sort === 'type');
    for (const [name, extern] of exports) {
      const { sort, nameBytes } = extern;
      if (sort === 'value') throw notAnalysed('an export of a value');
      const code = Uint8Array.from(SORT_CODE[sort]);
      const index = encodeUleb128(this.#alias(sort, instance, name));
      const said = hasTypes ? this.#functionType(extern) : null;
      const description = said === null ? Uint8Array.of(0) : joinBytes([Uint8Array.of(1), code, encodeUleb128(said)]);
      this.#sections.item(COMPONENT_SECTION.export, joinBytes([nameBytes, code, index, description]));
      const exported = this.#scope.take(sort);
      if (extern.sort === 'type') this.#scope.types.set(extern.node, exported);
    }
  }

  /** The type that an export says: most have what the root has, and only a function must name types as they are exported here. */
  #functionType(extern: Extern): number | null {
    const node = extern.sort === 'function' ? extern.functionType() : null;
    return node === null ? null : this.#types.type(this.#scope, node);
  }
}

class SectionWriter {
  readonly #sections: Uint8Array[] = [];
  #id: number | null = null;
  #items: Uint8Array[] = [];

  /** One more item of a section that is a list; a run of items of one kind is one section. */
  item(id: number, bytes: Uint8Array): void {
    if (id !== this.#id) this.#flush();
    this.#id = id;
    this.#items.push(bytes);
  }

  whole(id: number, bytes: Uint8Array): void {
    this.#flush();
    this.#sections.push(Uint8Array.of(id), encodeUleb128(bytes.length), bytes);
  }

  finish(): Uint8Array {
    this.#flush();
    return joinBytes(this.#sections);
  }

  #flush(): void {
    if (this.#id === null) return;
    const contents = concatBytes(encodeUleb128(this.#items.length), joinBytes(this.#items));
    this.#sections.push(Uint8Array.of(this.#id), encodeUleb128(contents.length), contents);
    this.#id = null;
    this.#items = [];
  }
}

function instanceTypeOf(extern: Extern): readonly InstanceTypeNode[] {
  return extern.sort === 'instance' && extern.instance.instanceType !== null ? [extern.instance.instanceType] : [];
}

function typesAlone(instanceType: InstanceTypeNode): InstanceTypeNode {
  return { ...instanceType, exports: new Map([...instanceType.exports].filter(([, { sort }]) => sort === 'type')) };
}

function isResource(extern: Extern): boolean {
  return extern.sort === 'type' && involvesResource(extern.node);
}

function prefixed(name: string): Uint8Array {
  const text = utf8(name);
  return concatBytes(encodeUleb128(text.length), text);
}
