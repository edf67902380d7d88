import { joinBytes, utf8 } from '../../src/bytes/byte-array.ts';
import { encodeUleb128 } from '../../src/bytes/uleb128.ts';

/*
 * A writer of WebAssembly, as small as tests need it and without any check: it writes what is wrong as gladly as what is right.
 */

type Part = number | readonly number[] | Uint8Array;

export function bytes(...parts: readonly Part[]): Uint8Array {
  return joinBytes(parts.map((part) => (typeof part === 'number' ? Uint8Array.of(part) : Uint8Array.from(part))));
}

export function uleb(value: number): Uint8Array {
  return encodeUleb128(value);
}

export function name(text: string): Uint8Array {
  return bytes(uleb(utf8(text).length), utf8(text));
}

export function vector(items: readonly Part[]): Uint8Array {
  return joinBytes([uleb(items.length), ...items.map((item) => bytes(item))]);
}

export function section(id: number, contents: Part): Uint8Array {
  const body = bytes(contents);
  return bytes(id, uleb(body.length), body);
}

export function custom(title: string, contents: Part): Uint8Array {
  return section(0, bytes(name(title), contents));
}

export function textSection(title: string, text: string): Uint8Array {
  return custom(title, utf8(text));
}

const MAGIC = [0x00, 0x61, 0x73, 0x6d];

export function module(...sections: readonly Part[]): Uint8Array {
  return bytes(MAGIC, [1, 0, 0, 0], ...sections);
}

export function component(...sections: readonly Part[]): Uint8Array {
  return bytes(MAGIC, [0x0d, 0, 1, 0], ...sections);
}

/** Value types: primitives by name, others by index. */
export const PRIMITIVE = {
  bool: 0x7f,
  u8: 0x7d,
  u32: 0x79,
  u64: 0x77,
  string: 0x73,
  'error-context': 0x64,
} as const;

export function index(value: number): Uint8Array {
  // A positive signed number: its last byte leaves bit 6 clear, or it would be a primitive.
  return value % 128 >= 64 && value < 128 ? Uint8Array.of(value + 128, 0) : uleb(value);
}

export const typeSection = (...types: readonly Part[]): Uint8Array => section(7, vector(types));
export const importSection = (...imports: readonly Part[]): Uint8Array => section(10, vector(imports));
export const exportSection = (...exports: readonly Part[]): Uint8Array => section(11, vector(exports));
export const aliasSection = (...aliases: readonly Part[]): Uint8Array => section(6, vector(aliases));
export const instanceSection = (...instances: readonly Part[]): Uint8Array => section(5, vector(instances));

export function externName(text: string): Uint8Array {
  return bytes(0x00, name(text));
}

export interface Attributes {
  readonly implements?: string;
  readonly versionSuffix?: string;
  readonly externalId?: string;
}

export function attributedName(text: string, attributes: Attributes): Uint8Array {
  const texts = [attributes.implements, attributes.versionSuffix, attributes.externalId];
  const written = texts.flatMap((value, kind) => (value === undefined ? [] : [bytes(kind, name(value))]));
  return bytes(0x02, name(text), vector(written));
}

/** Types of imports and exports. */
export const extern = {
  module: (type: number): Uint8Array => bytes(0x00, 0x11, uleb(type)),
  function: (type: number): Uint8Array => bytes(0x01, uleb(type)),
  value: (type: Part): Uint8Array => bytes(0x02, 0x01, type),
  type: (equal: number): Uint8Array => bytes(0x03, 0x00, uleb(equal)),
  resource: (): Uint8Array => bytes(0x03, 0x01),
  component: (type: number): Uint8Array => bytes(0x04, uleb(type)),
  instance: (type: number): Uint8Array => bytes(0x05, uleb(type)),
};

export function imported(text: string, type: Part): Uint8Array {
  return bytes(externName(text), type);
}

/** An export of a component: a sort and an index, without a type of its own. */
export function exported(text: string, sort: number, at: number): Uint8Array {
  return bytes(externName(text), sort, uleb(at), 0x00);
}

export const SORT = { function: 0x01, value: 0x02, type: 0x03, component: 0x04, instance: 0x05 } as const;

/** Declarations inside of types. */
export const declare = {
  type: (type: Part): Uint8Array => bytes(0x01, type),
  outerType: (count: number, at: number): Uint8Array => bytes(0x02, SORT.type, 0x02, uleb(count), uleb(at)),
  exportedType: (instance: number, text: string): Uint8Array => bytes(0x02, aliasOfExport(SORT.type, instance, text)),
  import: (text: string, type: Part): Uint8Array => bytes(0x03, externName(text), type),
  export: (text: string, type: Part): Uint8Array => bytes(0x04, externName(text), type),
};

export function aliasOfExport(sort: number, instance: number, text: string): Uint8Array {
  return bytes(sort, 0x00, uleb(instance), name(text));
}

type Named = readonly [label: string, type: Part];

const labelled = (members: readonly Named[]): Uint8Array =>
  vector(members.map(([label, type]) => bytes(name(label), type)));

const optional = (type: Part | null): Uint8Array => (type === null ? bytes(0x00) : bytes(0x01, type));

/** Definitions of types. */
export const type = {
  record: (...fields: readonly Named[]): Uint8Array => bytes(0x72, labelled(fields)),
  variant: (...cases: readonly (readonly [string, Part | null])[]): Uint8Array =>
    bytes(0x71, vector(cases.map(([label, payload]) => bytes(name(label), optional(payload), 0x00)))),
  list: (element: Part): Uint8Array => bytes(0x70, element),
  fixedList: (element: Part, length: number): Uint8Array => bytes(0x67, element, uleb(length)),
  map: (key: Part, value: Part): Uint8Array => bytes(0x63, key, value),
  tuple: (...elements: readonly Part[]): Uint8Array => bytes(0x6f, vector(elements)),
  flags: (...labels: readonly string[]): Uint8Array => bytes(0x6e, vector(labels.map(name))),
  enum: (...labels: readonly string[]): Uint8Array => bytes(0x6d, vector(labels.map(name))),
  option: (element: Part): Uint8Array => bytes(0x6b, element),
  result: (ok: Part | null, error: Part | null): Uint8Array => bytes(0x6a, optional(ok), optional(error)),
  own: (resource: number): Uint8Array => bytes(0x69, uleb(resource)),
  borrow: (resource: number): Uint8Array => bytes(0x68, uleb(resource)),
  stream: (element: Part | null): Uint8Array => bytes(0x66, optional(element)),
  future: (element: Part | null): Uint8Array => bytes(0x65, optional(element)),
  function: (parameters: readonly Named[], result: Part | null): Uint8Array =>
    bytes(0x40, signature(parameters, result)),
  asyncFunction: (parameters: readonly Named[], result: Part | null): Uint8Array =>
    bytes(0x43, signature(parameters, result)),
  component: (...declarations: readonly Part[]): Uint8Array => bytes(0x41, vector(declarations)),
  instance: (...declarations: readonly Part[]): Uint8Array => bytes(0x42, vector(declarations)),
};

function signature(parameters: readonly Named[], result: Part | null): Uint8Array {
  return bytes(labelled(parameters), result === null ? [0x01, 0x00] : bytes(0x00, result));
}
