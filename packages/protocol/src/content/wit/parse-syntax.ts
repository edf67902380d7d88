import type { WitPrimitive, WitStability } from './model.ts';
import type { WitPlace } from './parse-source.ts';

/*
 * WIT text as it was written: names are not looked up, nothing is sorted. What the parser makes and the resolver takes.
 */

export interface NameSyntax {
  readonly text: string;
  readonly place: WitPlace;
}

/** The comments and the gates in front of an item. */
export interface NotesSyntax {
  readonly docs: string | null;
  readonly stability: WitStability | null;
  readonly place: WitPlace;
}

export interface PackageIdSyntax {
  readonly namespace: string;
  readonly name: string;
  readonly version: string | null;
  readonly place: WitPlace;
}

/** `id`, or `namespace:package/id@version`. */
export interface PathSyntax {
  readonly packageId: PackageIdSyntax | null;
  readonly name: NameSyntax;
}

export interface PackageSyntax {
  readonly id: PackageIdSyntax;
  readonly docs: string | null;
  readonly items: readonly ItemSyntax[];
}

export interface FileSyntax {
  /** `package …;`, where the file has it. */
  readonly header: { readonly id: PackageIdSyntax; readonly docs: string | null } | null;
  readonly items: readonly ItemSyntax[];
  readonly nested: readonly PackageSyntax[];
}

export type ItemSyntax =
  | { readonly type: 'use'; readonly path: PathSyntax; readonly alias: NameSyntax }
  | InterfaceSyntax
  | WorldSyntax;

export interface InterfaceSyntax {
  readonly type: 'interface';
  readonly notes: NotesSyntax;
  readonly name: NameSyntax;
  readonly members: readonly MemberSyntax[];
}

export interface WorldSyntax {
  readonly type: 'world';
  readonly notes: NotesSyntax;
  readonly name: NameSyntax;
  readonly members: readonly WorldMemberSyntax[];
}

export type MemberSyntax = UseSyntax | TypeSyntax | FunctionSyntax;

export type WorldMemberSyntax = UseSyntax | TypeSyntax | IncludeSyntax | ExternSyntax;

export interface UseSyntax {
  readonly type: 'use';
  readonly notes: NotesSyntax;
  readonly path: PathSyntax;
  readonly names: readonly { readonly name: NameSyntax; readonly alias: NameSyntax }[];
}

export interface IncludeSyntax {
  readonly type: 'include';
  readonly notes: NotesSyntax;
  readonly path: PathSyntax;
  readonly renames: readonly { readonly from: NameSyntax; readonly to: NameSyntax }[];
}

/** An import or export of a world. */
export interface ExternSyntax {
  readonly type: 'extern';
  readonly direction: 'import' | 'export';
  readonly notes: NotesSyntax;
  /** `null` where the path names it. */
  readonly name: NameSyntax | null;
  readonly place: WitPlace;
  readonly value:
    | { readonly type: 'function'; readonly signature: SignatureSyntax }
    | { readonly type: 'interface'; readonly members: readonly MemberSyntax[] }
    | { readonly type: 'path'; readonly path: PathSyntax };
}

export interface FunctionSyntax {
  readonly type: 'function';
  readonly notes: NotesSyntax;
  readonly name: NameSyntax;
  readonly kind: 'freestanding' | 'method' | 'static' | 'constructor';
  readonly signature: SignatureSyntax;
}

export interface SignatureSyntax {
  readonly isAsync: boolean;
  readonly parameters: readonly { readonly name: NameSyntax; readonly value: ShapeSyntax }[];
  readonly result: ShapeSyntax | null;
}

export interface TypeSyntax {
  readonly type: 'type';
  readonly notes: NotesSyntax;
  readonly name: NameSyntax;
  readonly definition: DefinitionSyntax;
}

export interface LabelSyntax {
  readonly name: NameSyntax;
  readonly docs: string | null;
}

export type DefinitionSyntax =
  | { readonly type: 'alias'; readonly target: ShapeSyntax }
  | { readonly type: 'record'; readonly fields: readonly (LabelSyntax & { readonly value: ShapeSyntax })[] }
  | { readonly type: 'variant'; readonly cases: readonly (LabelSyntax & { readonly payload: ShapeSyntax | null })[] }
  | { readonly type: 'enum'; readonly cases: readonly LabelSyntax[] }
  | { readonly type: 'flags'; readonly flags: readonly LabelSyntax[] }
  | { readonly type: 'resource'; readonly functions: readonly FunctionSyntax[] };

/** What stands where a type may. */
export type ShapeSyntax =
  | { readonly type: 'primitive'; readonly primitive: WitPrimitive }
  | { readonly type: 'name'; readonly name: NameSyntax }
  | { readonly type: 'list'; readonly element: ShapeSyntax }
  | { readonly type: 'fixed-list'; readonly element: ShapeSyntax; readonly length: number }
  | { readonly type: 'map'; readonly key: ShapeSyntax; readonly value: ShapeSyntax }
  | { readonly type: 'option'; readonly element: ShapeSyntax }
  | { readonly type: 'result'; readonly ok: ShapeSyntax | null; readonly error: ShapeSyntax | null }
  | { readonly type: 'tuple'; readonly elements: readonly ShapeSyntax[] }
  | { readonly type: 'future'; readonly element: ShapeSyntax | null }
  | { readonly type: 'stream'; readonly element: ShapeSyntax | null }
  | { readonly type: 'own'; readonly name: NameSyntax }
  | { readonly type: 'borrow'; readonly name: NameSyntax };
