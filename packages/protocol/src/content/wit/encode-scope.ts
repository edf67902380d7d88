import { ByteSink } from './encode-bytes.ts';
import type { WitInterface, WitNamedType } from './model.ts';

/** Binary.md of the component model, "Type Definitions". */
const INSTANCE_TYPE = 0x42;
const COMPONENT_TYPE = 0x41;
const DECLARES_TYPE = 0x01;
const DECLARES_ALIAS = 0x02;
const DECLARES_IMPORT = 0x03;
const DECLARES_EXPORT = 0x04;
const SORT_TYPE = 0x03;
const ALIAS_EXPORT = 0x00;
const ALIAS_OUTER = 0x02;
const PLAIN_NAME = 0x00;
const NAME_WITH_OPTIONS = 0x02;
const OPTION_IMPLEMENTS = 0x00;

/** What a declaration says that it is. */
export type ExternType =
  | { readonly type: 'function' | 'instance' | 'component' | 'same-type'; readonly index: number }
  | { readonly type: 'resource' };

const EXTERN_PREFIX: Readonly<Record<ExternType['type'], readonly number[]>> = {
  function: [0x01],
  'same-type': [SORT_TYPE, 0x00],
  resource: [SORT_TYPE, 0x01],
  component: [0x04],
  instance: [0x05],
};

/** A name, and which interface it has the shape of where the name does not say it. */
export interface ExternName {
  readonly name: string;
  readonly implements: string | null;
}

/** A component type or instance type in the making: its declarations, and which of them say what. */
export class TypeScope {
  /** The declared types by what they are. */
  readonly named = new Map<WitNamedType, number>();
  readonly shapes = new Map<string, number>();
  readonly functions = new Map<string, number>();
  /** Of a component type: the instance that an interface is, by its number. */
  readonly instances = new Map<WitInterface, number>();
  readonly aliases = new Map<WitNamedType, number>();
  readonly #kind: number;
  readonly #declarations = new ByteSink();
  #declarationCount = 0;
  #typeCount = 0;
  #instanceCount = 0;

  constructor(kind: 'component' | 'instance') {
    this.#kind = kind === 'component' ? COMPONENT_TYPE : INSTANCE_TYPE;
  }

  /** The number of the new type. */
  type(bytes: Uint8Array): number {
    this.#declare(DECLARES_TYPE).raw(bytes);
    return this.#typeCount++;
  }

  /** The number of the type that an instance of this scope exports. */
  instanceType(instance: number, name: string): number {
    this.#declare(DECLARES_ALIAS).byte(SORT_TYPE, ALIAS_EXPORT).u32(instance).text(name);
    return this.#typeCount++;
  }

  /** The number here of a type of the scope around this one. */
  outerType(index: number): number {
    this.#declare(DECLARES_ALIAS).byte(SORT_TYPE, ALIAS_OUTER, 1).u32(index);
    return this.#typeCount++;
  }

  /** The number that it got: of a type or of an instance, the only ones that something refers to. */
  extern(direction: 'import' | 'export', { name, implements: shape }: ExternName, extern: ExternType): number {
    const sink = this.#declare(direction === 'import' ? DECLARES_IMPORT : DECLARES_EXPORT);
    if (shape === null) sink.byte(PLAIN_NAME).text(name);
    else sink.byte(NAME_WITH_OPTIONS).text(name).byte(1, OPTION_IMPLEMENTS).text(shape);
    sink.byte(...EXTERN_PREFIX[extern.type]);
    if (extern.type !== 'resource') sink.u32(extern.index);
    return extern.type === 'instance' ? this.#instanceCount++ : this.#countType(extern);
  }

  bytes(): Uint8Array {
    return new ByteSink().byte(this.#kind).u32(this.#declarationCount).raw(this.#declarations.bytes()).bytes();
  }

  #declare(kind: number): ByteSink {
    this.#declarationCount++;
    return this.#declarations.byte(kind);
  }

  #countType({ type }: ExternType): number {
    return type === 'same-type' || type === 'resource' ? this.#typeCount++ : 0;
  }
}
