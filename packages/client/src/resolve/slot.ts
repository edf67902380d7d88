import type { PackageName, VersionText } from '@waybill/protocol';
import type { PackageNeed } from './package-source.ts';
import type { PlaceSet } from './place-set.ts';
import type { Term } from './term.ts';

/** What is chosen at most once: the project, a track of a package, or the track that a range over several of them takes. */
export type Slot =
  | { readonly id: number; readonly type: 'project' }
  | {
      readonly id: number;
      readonly type: 'track';
      readonly name: PackageName;
      readonly versions: readonly VersionText[];
    }
  | { readonly id: number; readonly type: 'choice'; readonly need: PackageNeed; readonly options: readonly Target[] };

/** Where a need leads: one of these releases of a slot. */
export interface Target {
  readonly slot: number;
  readonly set: PlaceSet;
}

/** Why some terms cannot hold together. */
export type Cause =
  | { readonly type: 'start' }
  /** What was chosen in a slot needs something, which only `target` has; `null`: nothing has it. */
  | {
      readonly type: 'need';
      readonly slot: number;
      readonly place: number;
      readonly need: PackageNeed;
      readonly target: Target | null;
    }
  | { readonly type: 'derived'; readonly of: readonly [Incompatibility, Incompatibility] };

/** What is said of one slot. */
export interface SlotTerm {
  readonly slot: number;
  readonly term: Term;
}

/** Terms that are never true together, of one slot each. */
export interface Incompatibility {
  readonly terms: readonly SlotTerm[];
  readonly cause: Cause;
}

/** The project is always chosen. */
export const PROJECT_SLOT = 0;
