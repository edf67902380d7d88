import { joinBytes, utf8 } from '../../bytes/byte-array.ts';
import { encodeUleb128 } from '../../bytes/uleb128.ts';
import type { Cursor } from '../binary/cursor.ts';
import { notAnalysed, tooLarge } from './refusal.ts';
import { typeAt } from './scope-index.ts';
import type { Scope, ShapeNode, ShapePart, ValueType } from './type-node.ts';

/** Shapes in shapes, and scopes in scopes. */
export const TYPE_DEPTH_MAX = 100;

export const PRIMITIVES: ReadonlySet<number> = new Set([
  0x64, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x7b, 0x7c, 0x7d, 0x7e, 0x7f,
]);

type Field = 'value' | 'index' | 'number' | 'label' | 'optional';
/** What follows the first byte of a shape: fields one after the other, or a list of groups of them. */
type Layout = { readonly fields: readonly Field[] } | { readonly list: readonly Field[] } | 'cases';

/** One row for each shape of value. */
const SHAPES: ReadonlyMap<number, Layout> = new Map<number, Layout>([
  [0x72, { list: ['label', 'value'] }],
  [0x71, 'cases'],
  [0x70, { fields: ['value'] }],
  [0x6f, { list: ['value'] }],
  [0x6e, { list: ['label'] }],
  [0x6d, { list: ['label'] }],
  [0x6b, { fields: ['value'] }],
  [0x6a, { fields: ['optional', 'optional'] }],
  [0x69, { fields: ['index'] }],
  [0x68, { fields: ['index'] }],
  [0x67, { fields: ['value', 'number'] }],
  [0x66, { fields: ['optional'] }],
  [0x65, { fields: ['optional'] }],
  [0x63, { fields: ['value', 'value'] }],
]);

/** Collects the parts of one shape. Numbers are encoded anew, so that equal definitions have equal bytes. */
export class ShapeReader {
  readonly #cursor: Cursor;
  readonly #scope: Scope;
  readonly #parts: ShapePart[] = [];
  #bytes: Uint8Array[];
  #depth = 0;

  constructor(cursor: Cursor, scope: Scope, code: number) {
    this.#cursor = cursor;
    this.#scope = scope;
    this.#bytes = [Uint8Array.of(code)];
  }

  value(): ShapeNode {
    const code = this.#bytes[0]?.[0] ?? 0;
    const layout = SHAPES.get(code);
    if (layout === undefined) throw notAnalysed(`a type of the form 0x${code.toString(16)}`);
    if (layout === 'cases') this.#cases();
    else if ('fields' in layout) this.#fields(layout.fields);
    else this.#list(layout.list);
    return this.finish();
  }

  function(): ShapeNode {
    this.#list(['label', 'value']);
    const results = this.#cursor.byte();
    this.#bytes.push(Uint8Array.of(results));
    if (results === 0) this.#field('value');
    else if (results === 1) this.#list(['label', 'value']);
    else throw notAnalysed('a form of results');
    return this.finish();
  }

  finish(): ShapeNode {
    this.#flush();
    return { kind: 'shape', home: this.#scope, parts: this.#parts, depth: this.#depth };
  }

  #list(fields: readonly Field[]): void {
    for (let left = this.#count(); left > 0; left--) this.#fields(fields);
  }

  #cases(): void {
    for (let left = this.#count(); left > 0; left--) {
      this.#fields(['label', 'optional']);
      const refines = this.#cursor.byte();
      this.#bytes.push(Uint8Array.of(refines));
      if (refines !== 0) this.#field('number');
    }
  }

  #count(): number {
    const count = this.#cursor.count(1);
    this.#bytes.push(encodeUleb128(count));
    return count;
  }

  #fields(fields: readonly Field[]): void {
    for (const field of fields) this.#field(field);
  }

  #field(field: Field): void {
    const cursor = this.#cursor;
    switch (field) {
      case 'value':
        return this.#refer(readValueType(cursor, this.#scope), true);
      case 'index':
        return this.#refer(typeAt(this.#scope, cursor.u32()), false);
      case 'number':
        this.#bytes.push(encodeUleb128(cursor.u32()));
        return;
      case 'label': {
        const label = utf8(cursor.name());
        this.#bytes.push(encodeUleb128(label.length), label);
        return;
      }
      case 'optional': {
        const present = cursor.byte();
        this.#bytes.push(Uint8Array.of(present));
        if (present !== 0) this.#refer(readValueType(cursor, this.#scope), true);
      }
    }
  }

  #refer(value: ValueType, signed: boolean): void {
    this.#flush();
    this.#parts.push({ value, signed });
    if (typeof value === 'number' || value.kind !== 'shape') return;
    this.#depth = Math.max(this.#depth, value.depth + 1);
    if (this.#depth > TYPE_DEPTH_MAX) throw tooLarge(`a type is more than ${TYPE_DEPTH_MAX} deep`);
  }

  #flush(): void {
    if (this.#bytes.length > 0) this.#parts.push(joinBytes(this.#bytes));
    this.#bytes = [];
  }
}

export function readValueType(cursor: Cursor, scope: Scope): ValueType {
  const first = cursor.peek();
  // One byte with the sign bit set is a negative number, and so a primitive.
  if (first < 0x80 && first >= 0x40) {
    if (!PRIMITIVES.has(first)) throw notAnalysed(`the type 0x${first.toString(16)}`);
    return cursor.byte();
  }
  return typeAt(scope, cursor.u32());
}
