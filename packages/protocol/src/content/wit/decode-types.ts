import type { ComponentScope, Evaluation, TypeDefinition, TypeNode } from '../binary/component-scope.ts';
import { TYPE_CODE, isPrimitiveCode } from '../binary/component-type.ts';
import { type Cursor, malformed, notAnalysed, overLimit } from '../binary/cursor.ts';
import { WASM_LIMITS } from '../binary/limits.ts';
import type { WitDocs } from './decode-docs.ts';
import { isWitLabel } from './parse-tokens.ts';
import type { WitCase, WitDefinition, WitLabel, WitNamedType, WitPrimitive, WitShape, WitType } from './model.ts';

const PRIMITIVES: ReadonlyMap<number, WitPrimitive> = new Map([
  [0x7f, 'bool'],
  [0x7e, 's8'],
  [0x7d, 'u8'],
  [0x7c, 's16'],
  [0x7b, 'u16'],
  [0x7a, 's32'],
  [0x79, 'u32'],
  [0x78, 's64'],
  [0x77, 'u64'],
  [0x76, 'f32'],
  [0x75, 'f64'],
  [0x74, 'char'],
  [0x73, 'string'],
  [0x64, 'error-context'],
]);

/** What a name, with what it is the name of, takes of memory, in nodes. */
const NAME_NODES = 2;
const NAME_LENGTH_A_NODE = 64;

/** Reads types: what has a name becomes a reference to it, what has none is written out, once per definition. */
export class TypeDecoder {
  readonly #evaluation: Evaluation;
  readonly #named: Map<TypeNode, WitNamedType> = new Map();
  readonly #written: Map<TypeDefinition, WitType> = new Map();
  /** How many nodes a shape has when it is written out. */
  readonly #sizes: Map<WitType, number> = new Map();
  #expanded = 0;

  constructor(evaluation: Evaluation) {
    this.#evaluation = evaluation;
  }

  /** Makes `node` known as `named`; the first name stays. */
  name(node: TypeNode, named: WitNamedType): void {
    if (!this.#named.has(node)) this.#named.set(node, named);
  }

  /** The nearest name that this node is another name of. */
  named(node: TypeNode): WitNamedType | null {
    for (let one: TypeNode | null = node; one !== null; one = one.aliasOf) {
      const named = this.#named.get(one);
      if (named !== undefined) return named;
      this.#evaluation.spend(1);
    }
    return null;
  }

  /** What a new name for `node` stands for. */
  definition(node: TypeNode, docs: WitDocs): WitDefinition {
    const known = this.named(node);
    if (known !== null) return { type: 'alias', target: { type: 'named', named: known } };
    const { definition } = node;
    if (definition.type === 'resource') return { type: 'resource' };
    const { code, scope } = definition;
    const cursor = this.#cursor(definition);
    switch (code) {
      case 0x72:
        return { type: 'record', fields: this.#fields(cursor, scope, docs) };
      case 0x71:
        return { type: 'variant', cases: this.#cases(cursor, scope, docs) };
      case 0x6e:
        return { type: 'flags', flags: this.#labels(cursor, docs) };
      case 0x6d:
        return { type: 'enum', cases: this.#labels(cursor, docs) };
      default:
        return { type: 'alias', target: this.#use(this.#value(node, 0)) };
    }
  }

  /** Parameters and result of a function. */
  signature({ definition }: TypeNode): Signature {
    const isAsync = definition.type === 'written' && definition.code === TYPE_CODE.asyncFunction;
    if (definition.type !== 'written' || (!isAsync && definition.code !== TYPE_CODE.function)) {
      throw malformed('a function has a type that is none of a function', 0);
    }
    const cursor = this.#cursor(definition);
    const parameters: { name: string; value: WitType }[] = [];
    for (let count = cursor.memberCount(2); count > 0; count--) {
      parameters.push({ name: this.#name(cursor), value: this.#reference(cursor, definition.scope) });
    }
    return { isAsync, parameters, result: this.#result(cursor, definition.scope) };
  }

  #result(cursor: Cursor, scope: ComponentScope): WitType | null {
    const start = cursor.offset;
    if (cursor.byte() === 0) return this.#reference(cursor, scope);
    if (cursor.byte() !== 0) throw notAnalysed('a function with names for its results', start);
    return null;
  }

  #fields(
    cursor: Cursor,
    scope: ComponentScope,
    docs: WitDocs,
  ): { name: string; docs: string | null; value: WitType }[] {
    const fields = [];
    for (let count = cursor.memberCount(2); count > 0; count--) {
      const label = this.#label(cursor, docs);
      fields.push({ ...label, value: this.#reference(cursor, scope) });
    }
    return fields;
  }

  #cases(cursor: Cursor, scope: ComponentScope, docs: WitDocs): WitCase[] {
    const cases: WitCase[] = [];
    for (let count = cursor.memberCount(3); count > 0; count--) {
      const label = this.#label(cursor, docs);
      const payload = cursor.byte() === 0 ? null : this.#reference(cursor, scope);
      if (cursor.byte() === 1) cursor.u32();
      cases.push({ ...label, payload });
    }
    return cases;
  }

  #labels(cursor: Cursor, docs: WitDocs): WitLabel[] {
    return Array.from({ length: cursor.memberCount(1) }, () => this.#label(cursor, docs));
  }

  #label(cursor: Cursor, docs: WitDocs): WitLabel {
    const name = this.#name(cursor);
    return { name, docs: docs.label(name) };
  }

  /** Read anew for each instance of its type: a long one may come as often as a short one. */
  #name(cursor: Cursor): string {
    const name = witLabel(cursor.name());
    this.#spend(NAME_NODES + Math.floor(name.length / NAME_LENGTH_A_NODE));
    return name;
  }

  #cursor(definition: Extract<TypeDefinition, { type: 'written' }>): Cursor {
    return this.#evaluation.cursor(definition.offset);
  }

  /** A type where a declaration names it. */
  #reference(cursor: Cursor, scope: ComponentScope): WitType {
    return this.#use(this.#valueAt(cursor, scope, 0));
  }

  /** Counts what writing the type out here costs. Throws `content/policy`. */
  #use(type: WitType): WitType {
    this.#spend(this.#sizeOf(type));
    return type;
  }

  #spend(nodes: number): void {
    this.#expanded += nodes;
    if (this.#expanded > WASM_LIMITS.expandedNodes) {
      throw overLimit('types that are longer when written out', WASM_LIMITS.expandedNodes);
    }
  }

  #sizeOf(type: WitType): number {
    return this.#sizes.get(type) ?? 1;
  }

  #valueAt(cursor: Cursor, scope: ComponentScope, depth: number): WitType {
    const start = cursor.offset;
    if (!isPrimitiveCode(cursor.peek())) return this.#value(scope.typeAt(cursor.u32()), depth);
    const primitive = PRIMITIVES.get(cursor.byte());
    if (primitive === undefined) throw notAnalysed('a primitive type', start);
    return { type: 'primitive', primitive };
  }

  #value(node: TypeNode, depth: number): WitType {
    const named = this.named(node);
    if (named !== null) return { type: 'named', named };
    const { definition } = node;
    if (definition.type === 'resource') throw notAnalysed('a resource without a name', 0);
    const known = this.#written.get(definition);
    if (known !== undefined) return known;
    if (depth >= WASM_LIMITS.typeDepth) throw overLimit('more types in types', WASM_LIMITS.typeDepth);
    const parts: WitType[] = [];
    const cursor = this.#cursor(definition);
    const made = this.#shape(definition.code, cursor, {
      value: () => {
        const part = this.#valueAt(cursor, definition.scope, depth + 1);
        parts.push(part);
        return part;
      },
      resource: () => this.#resource(definition.scope.typeAt(cursor.u32())),
    });
    this.#written.set(definition, made);
    // Saturates: what is over the limit is refused wherever it is used.
    const size = parts.reduce((sum, part) => sum + this.#sizeOf(part), 1);
    this.#sizes.set(made, Math.min(size, 2 * WASM_LIMITS.expandedNodes));
    return made;
  }

  #resource(node: TypeNode): WitNamedType {
    const named = this.named(node);
    if (named === null) throw notAnalysed('a handle to a resource without a name', 0);
    return named;
  }

  #shape(code: number, cursor: Cursor, read: PartReader): WitType {
    const primitive = PRIMITIVES.get(code);
    if (primitive !== undefined) return { type: 'primitive', primitive };
    const shape = SHAPES.get(code);
    if (shape === undefined) throw notAnalysed('a type without a name', cursor.offset);
    return shape(cursor, read);
  }
}

export interface Signature {
  readonly isAsync: boolean;
  readonly parameters: readonly { readonly name: string; readonly value: WitType }[];
  readonly result: WitType | null;
}

interface PartReader {
  readonly value: () => WitType;
  readonly resource: () => WitNamedType;
}

function optional(cursor: Cursor, read: PartReader): WitType | null {
  return cursor.byte() === 0 ? null : read.value();
}

type ShapeReader = (cursor: Cursor, read: PartReader) => WitShape;

/** By the code of the definition: types that need no name. */
const SHAPES: ReadonlyMap<number, ShapeReader> = new Map<number, ShapeReader>([
  [0x70, (_, read) => ({ type: 'list', element: read.value() })],
  [
    0x67,
    (cursor, read) => {
      const element = read.value();
      return { type: 'fixed-list', element, length: cursor.u32() };
    },
  ],
  [
    0x63,
    (_, read) => {
      const key = read.value();
      return { type: 'map', key, value: read.value() };
    },
  ],
  [
    0x6f,
    (cursor, read) => ({ type: 'tuple', elements: Array.from({ length: cursor.memberCount(1) }, () => read.value()) }),
  ],
  [0x6b, (_, read) => ({ type: 'option', element: read.value() })],
  [
    0x6a,
    (cursor, read) => {
      const ok = optional(cursor, read);
      return { type: 'result', ok, error: optional(cursor, read) };
    },
  ],
  [0x69, (_, read) => ({ type: 'own', resource: read.resource() })],
  [0x68, (_, read) => ({ type: 'borrow', resource: read.resource() })],
  [0x66, (cursor, read) => ({ type: 'stream', element: optional(cursor, read) })],
  [0x65, (cursor, read) => ({ type: 'future', element: optional(cursor, read) })],
]);

/**
 * A name is printed as it is, among braces and semicolons: one that is no label could say in the text what the binary does not.
 */
export function witLabel(name: string): string {
  if (isWitLabel(name)) return name;
  throw malformed(`${JSON.stringify(name.slice(0, 80))} is no name that WIT has`, 0);
}
