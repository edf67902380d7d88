import { ByteSink } from './encode-bytes.ts';
import type { TypeScope } from './encode-scope.ts';
import { isInterface } from './identity.ts';
import type {
  WitDefinition,
  WitFunction,
  WitInterface,
  WitNamedType,
  WitPrimitive,
  WitShape,
  WitType,
} from './model.ts';

/** Binary.md of the component model, "Type Definitions". */
const PRIMITIVE_CODE: Readonly<Record<WitPrimitive, number>> = {
  bool: 0x7f,
  s8: 0x7e,
  u8: 0x7d,
  s16: 0x7c,
  u16: 0x7b,
  s32: 0x7a,
  u32: 0x79,
  s64: 0x78,
  u64: 0x77,
  f32: 0x76,
  f64: 0x75,
  char: 0x74,
  string: 0x73,
  'error-context': 0x64,
};

const SHAPE_CODE: Readonly<Record<WitShape['type'], number>> = {
  list: 0x70,
  'fixed-list': 0x67,
  map: 0x63,
  option: 0x6b,
  result: 0x6a,
  tuple: 0x6f,
  future: 0x65,
  stream: 0x66,
  own: 0x69,
  borrow: 0x68,
};

const RECORD = 0x72;
const VARIANT = 0x71;
const FLAGS = 0x6e;
const ENUM = 0x6d;
const FUNCTION = 0x40;
const ASYNC_FUNCTION = 0x43;

/** A primitive, which has a code, or the number of a type. */
type ValueType = { readonly code: number } | { readonly index: number };

/** Writes types into a scope, each once. */
export class TypeWriter {
  /** The component type that instances and what is imported lie in. */
  readonly outer: TypeScope;
  readonly #scope: TypeScope;
  readonly #owner: WitInterface | null;
  /** Named types are exports of an interface, and imports of a world. */
  readonly #direction: 'import' | 'export';
  readonly #keys = new Map<WitNamedType | WitShape, string>();
  readonly #interned = new Map<string, string>();

  /** Of an interface, in the instance type `scope` within `outer`; of a world, in `outer` itself. */
  constructor(outer: TypeScope, scope: TypeScope, owner: WitInterface | null) {
    this.outer = outer;
    this.#scope = scope;
    this.#owner = owner;
    this.#direction = scope === outer ? 'import' : 'export';
  }

  /** The number of a named type here, declared where it was not. */
  named(named: WitNamedType): number {
    const known = this.#scope.named.get(named);
    if (known !== undefined) return known;
    const { owner, name, definition } = named;
    if (isInterface(owner) && owner !== this.#owner) return this.#remember(named, this.#foreign(named, owner));
    const label = { name, implements: null };
    if (definition.type === 'resource') {
      return this.#remember(named, this.#scope.extern(this.#direction, label, { type: 'resource' }));
    }
    const index = this.#define(definition);
    return this.#remember(named, this.#scope.extern(this.#direction, label, { type: 'same-type', index }));
  }

  func({ isAsync, parameters, result }: WitFunction): number {
    const key = `${isAsync} ${JSON.stringify(parameters.map(({ name, value }) => [name, this.#key(value)]))} ${this.#optionalKey(result)}`;
    const known = this.#scope.functions.get(key);
    if (known !== undefined) return known;
    const values = parameters.map(({ value }) => this.#value(value));
    const returned = result === null ? null : this.#value(result);
    const sink = new ByteSink().byte(isAsync ? ASYNC_FUNCTION : FUNCTION).u32(parameters.length);
    for (const [position, { name }] of parameters.entries()) putValue(sink.text(name), values[position]);
    if (returned === null) sink.byte(1, 0);
    else putValue(sink.byte(0), returned);
    const index = this.#scope.type(sink.bytes());
    this.#scope.functions.set(key, index);
    return index;
  }

  #remember(named: WitNamedType, index: number): number {
    this.#scope.named.set(named, index);
    return index;
  }

  /** By way of the instance that its interface is. */
  #foreign(named: WitNamedType, owner: WitInterface): number {
    let outer = this.outer.aliases.get(named);
    if (outer === undefined) {
      outer = this.outer.instanceType(this.outer.instances.get(owner) ?? 0, named.name);
      this.outer.aliases.set(named, outer);
    }
    return this.#scope === this.outer ? outer : this.#scope.outerType(outer);
  }

  #define(definition: WitDefinition): number {
    switch (definition.type) {
      case 'alias': {
        const { target } = definition;
        if (target.type === 'named') return this.named(target.named);
        if (target.type === 'primitive') return this.#scope.type(Uint8Array.of(PRIMITIVE_CODE[target.primitive]));
        return this.#scope.type(this.#shapeBytes(target));
      }
      case 'record': {
        const values = definition.fields.map(({ value }) => this.#value(value));
        const sink = new ByteSink().byte(RECORD).u32(definition.fields.length);
        for (const [position, { name }] of definition.fields.entries()) putValue(sink.text(name), values[position]);
        return this.#scope.type(sink.bytes());
      }
      case 'variant': {
        const values = definition.cases.map(({ payload }) => this.#optional(payload));
        const sink = new ByteSink().byte(VARIANT).u32(definition.cases.length);
        for (const [position, { name }] of definition.cases.entries())
          putOptional(sink.text(name), values[position]).byte(0);
        return this.#scope.type(sink.bytes());
      }
      case 'enum':
        return this.#labels(ENUM, definition.cases);
      case 'flags':
        return this.#labels(FLAGS, definition.flags);
      case 'resource':
        return 0;
    }
  }

  #labels(code: number, labels: readonly { readonly name: string }[]): number {
    const sink = new ByteSink().byte(code).u32(labels.length);
    for (const { name } of labels) sink.text(name);
    return this.#scope.type(sink.bytes());
  }

  #value(type: WitType): ValueType {
    if (type.type === 'primitive') return { code: PRIMITIVE_CODE[type.primitive] };
    if (type.type === 'named') return { index: this.named(type.named) };
    const key = this.#key(type);
    const known = this.#scope.shapes.get(key);
    if (known !== undefined) return { index: known };
    const index = this.#scope.type(this.#shapeBytes(type));
    this.#scope.shapes.set(key, index);
    return { index };
  }

  #optional(type: WitType | null): ValueType | null {
    return type === null ? null : this.#value(type);
  }

  /** The parts are written into the scope first: they must have their numbers before this gets one. */
  #shapeBytes(shape: WitShape): Uint8Array {
    const code = SHAPE_CODE[shape.type];
    switch (shape.type) {
      case 'list':
      case 'option':
        return putValue(new ByteSink().byte(code), this.#value(shape.element)).bytes();
      case 'fixed-list':
        return putValue(new ByteSink().byte(code), this.#value(shape.element)).u32(shape.length).bytes();
      case 'map': {
        const key = this.#value(shape.key);
        return putValue(putValue(new ByteSink().byte(code), key), this.#value(shape.value)).bytes();
      }
      case 'result': {
        const ok = this.#optional(shape.ok);
        return putOptional(putOptional(new ByteSink().byte(code), ok), this.#optional(shape.error)).bytes();
      }
      case 'tuple': {
        const values = shape.elements.map((element) => this.#value(element));
        const sink = new ByteSink().byte(code).u32(values.length);
        for (const value of values) putValue(sink, value);
        return sink.bytes();
      }
      case 'future':
      case 'stream':
        return putOptional(new ByteSink().byte(code), this.#optional(shape.element)).bytes();
      case 'own':
      case 'borrow':
        return new ByteSink().byte(code).u32(this.named(shape.resource)).bytes();
    }
  }

  /** The same for types that are the same, and short: one that is built of parts has them by their keys. */
  #key(type: WitType): string {
    if (type.type === 'primitive') return type.primitive;
    if (type.type === 'named') return this.#short(type.named, () => '');
    return this.#short(type, () => this.#shapeKey(type));
  }

  #shapeKey(type: WitShape): string {
    switch (type.type) {
      case 'own':
      case 'borrow':
        return `${type.type} ${this.#short(type.resource, () => '')}`;
      case 'list':
      case 'option':
        return `${type.type}<${this.#key(type.element)}>`;
      case 'fixed-list':
        return `list<${this.#key(type.element)},${type.length}>`;
      case 'map':
        return `map<${this.#key(type.key)},${this.#key(type.value)}>`;
      case 'result':
        return `result<${this.#optionalKey(type.ok)},${this.#optionalKey(type.error)}>`;
      case 'tuple':
        return `tuple<${type.elements.map((element) => this.#key(element)).join()}>`;
      case 'future':
      case 'stream':
        return `${type.type}<${this.#optionalKey(type.element)}>`;
    }
  }

  #optionalKey(type: WitType | null): string {
    return type === null ? '_' : this.#key(type);
  }

  /** A number for each object, the same for those whose `long` key is; an empty one says that nothing is like it. */
  #short(object: WitNamedType | WitShape, long: () => string): string {
    const known = this.#keys.get(object);
    if (known !== undefined) return known;
    const key = long();
    const short = (key === '' ? undefined : this.#interned.get(key)) ?? `#${this.#keys.size}`;
    if (key !== '') this.#interned.set(key, short);
    this.#keys.set(object, short);
    return short;
  }
}

function putValue(sink: ByteSink, value: ValueType | undefined): ByteSink {
  if (value === undefined) return sink;
  return 'code' in value ? sink.byte(value.code) : sink.typeIndex(value.index);
}

function putOptional(sink: ByteSink, value: ValueType | null | undefined): ByteSink {
  return value === null ? sink.byte(0) : putValue(sink.byte(1), value);
}
