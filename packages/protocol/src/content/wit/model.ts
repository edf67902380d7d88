/*
 * What WIT says, in memory: the meeting point of the reader of binaries, the reader of text, the printer, the encoder and
 * the comparison. Objects refer to each other; a type is known by its identity, not by its name. All of it is built once and
 * not changed after: whoever builds it casts nothing away, so maps and arrays are readonly to everybody else.
 */

/** Bytes of a WIT package; a larger component is none (spec/content.md 3.4). */
export const WIT_PACKAGE_BYTES_MAX = 4 * 1024 * 1024;

/** `namespace:name@version`; the version is `null` where none is said. */
export interface WitPackageId {
  readonly namespace: string;
  readonly name: string;
  /** A semantic version, as it was written. */
  readonly version: string | null;
}

/** Since when something is there, or behind which gate. `null` where nothing is said. */
export type WitStability =
  | { readonly type: 'stable'; readonly since: string; readonly deprecated: string | null }
  | { readonly type: 'unstable'; readonly feature: string; readonly deprecated: string | null };

/** What is said of a thing beside what it is. */
export interface WitNotes {
  /** The documentation, without comment marks; lines end in `\n`, the last without one. `null` for none. */
  readonly docs: string | null;
  readonly stability: WitStability | null;
}

/** One package: in the order they were declared. */
export interface WitPackage extends WitNotes {
  readonly id: WitPackageId;
  readonly interfaces: ReadonlyMap<string, WitInterface>;
  readonly worlds: ReadonlyMap<string, WitWorld>;
}

/** A package, and those that it takes something from: whole where they are known whole, else as far as it uses them. */
export interface WitDocument {
  readonly main: WitPackage;
  /** Each after those that it takes something from, else in the order of their first mention; without `main`. */
  readonly dependencies: readonly WitPackage[];
}

export interface WitInterface extends WitNotes {
  /** `null` for one written in place, in an import or export of a world. */
  readonly name: string | null;
  /** `null` for one without a name. */
  readonly packageId: WitPackageId | null;
  readonly types: ReadonlyMap<string, WitNamedType>;
  /** By the name that they have in a binary, such as `[method]request.body`. */
  readonly functions: ReadonlyMap<string, WitFunction>;
}

export interface WitWorld extends WitNotes {
  readonly name: string;
  /** `null` for the world of a component, which has no package. */
  readonly packageId: WitPackageId | null;
  /** In order, the types that it uses or defines among them. */
  readonly imports: readonly WitWorldItem[];
  readonly exports: readonly WitWorldItem[];
}

export type WitWorldItem =
  /** `name` is `null` where the interface's own id names it. */
  | (WitNotes & { readonly type: 'interface'; readonly name: string | null; readonly interface: WitInterface })
  | (WitNotes & { readonly type: 'function'; readonly name: string; readonly function: WitFunction })
  | { readonly type: 'type'; readonly name: string; readonly named: WitNamedType }
  /** What a component imports or exports that WIT has no word for: a core module, a value, a component. */
  | { readonly type: 'other'; readonly name: string; readonly kind: 'module' | 'component' | 'value' | 'not-analysed' };

/** A type with a name: known by the identity of this object. */
export interface WitNamedType extends WitNotes {
  readonly name: string;
  /** Where it is declared: the interface or world that has it in its list. */
  readonly owner: WitInterface | WitWorld;
  readonly definition: WitDefinition;
}

export const WIT_PRIMITIVES = [
  'bool',
  's8',
  'u8',
  's16',
  'u16',
  's32',
  'u32',
  's64',
  'u64',
  'f32',
  'f64',
  'char',
  'string',
  'error-context',
] as const;

export type WitPrimitive = (typeof WIT_PRIMITIVES)[number];

/** What stands where a type may: a primitive, a name, or a shape written in place. */
export type WitType =
  | { readonly type: 'primitive'; readonly primitive: WitPrimitive }
  | { readonly type: 'named'; readonly named: WitNamedType }
  | WitShape;

/** Shapes that need no name. */
export type WitShape =
  | { readonly type: 'list'; readonly element: WitType }
  | { readonly type: 'fixed-list'; readonly element: WitType; readonly length: number }
  | { readonly type: 'map'; readonly key: WitType; readonly value: WitType }
  | { readonly type: 'option'; readonly element: WitType }
  | { readonly type: 'result'; readonly ok: WitType | null; readonly error: WitType | null }
  | { readonly type: 'tuple'; readonly elements: readonly WitType[] }
  | { readonly type: 'future'; readonly element: WitType | null }
  | { readonly type: 'stream'; readonly element: WitType | null }
  | { readonly type: 'own'; readonly resource: WitNamedType }
  | { readonly type: 'borrow'; readonly resource: WitNamedType };

/** What a name stands for. */
export type WitDefinition =
  /** Of another name: `use` when that belongs to another interface or to a package, else `type a = b`. */
  | { readonly type: 'alias'; readonly target: WitType }
  | { readonly type: 'record'; readonly fields: readonly WitField[] }
  | { readonly type: 'variant'; readonly cases: readonly WitCase[] }
  | { readonly type: 'enum'; readonly cases: readonly WitLabel[] }
  | { readonly type: 'flags'; readonly flags: readonly WitLabel[] }
  | { readonly type: 'resource' };

export interface WitLabel {
  readonly name: string;
  readonly docs: string | null;
}

export interface WitField extends WitLabel {
  readonly value: WitType;
}

export interface WitCase extends WitLabel {
  readonly payload: WitType | null;
}

export interface WitFunction extends WitNotes {
  /** Of the item in WIT text: `body` of `[method]request.body`, the resource's own of a constructor. */
  readonly name: string;
  readonly kind: 'freestanding' | 'method' | 'static' | 'constructor';
  readonly isAsync: boolean;
  /** `null` for a freestanding one. */
  readonly resource: WitNamedType | null;
  /** With `self` of a method, first. */
  readonly parameters: readonly { readonly name: string; readonly value: WitType }[];
  readonly result: WitType | null;
}
