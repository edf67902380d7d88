import { comparePrecedence, parseVersion } from '../../names/version.ts';
import type { WitInterface, WitNamedType, WitPackage, WitPackageId, WitWorld } from './model.ts';
import type { NotesSyntax, PathSyntax } from './parse-syntax.ts';
import { WIT_CHAIN_MAX, WIT_WORLD_ITEMS_MAX, type WitPlace, witFailure } from './parse-source.ts';

/** What all packages of one reading share while names are looked up. */
export interface ResolveContext {
  readonly packages: Map<string, WitPackage>;
  /** The named types that stand for a resource. */
  readonly resources: Set<WitNamedType>;
  /** The named types that hold a borrowed handle somewhere. */
  readonly borrowing: Set<WitNamedType>;
  /** How long the chain of uses below an interface is. */
  readonly chains: Map<WitInterface, number>;
  readonly worldItems: { count: number };
}

/** Looks up where a path leads from some file of some package. Throws `content/wit`. */
export type ItemLookup = (path: PathSyntax) => WitInterface | WitWorld;

export function countChain(context: ResolveContext, user: WitInterface, used: WitInterface, place: WitPlace): void {
  const length = Math.max(context.chains.get(user) ?? 0, (context.chains.get(used) ?? 0) + 1);
  if (length > WIT_CHAIN_MAX)
    throw witFailure(place, `more than ${WIT_CHAIN_MAX} interfaces use each other in one chain`);
  context.chains.set(user, length);
}

export function countWorldItems(context: ResolveContext, count: number, place: WitPlace): void {
  context.worldItems.count += count;
  if (context.worldItems.count > WIT_WORLD_ITEMS_MAX) {
    throw witFailure(place, `the worlds have more than ${WIT_WORLD_ITEMS_MAX} items together: split the package`);
  }
}

/** A gate speaks of the version of the package it stands in, and cannot speak of one to come. Throws `content/wit`. */
export function checkGate(packageId: WitPackageId, { stability, place }: NotesSyntax): void {
  if (stability?.type !== 'stable') return;
  const { version } = packageId;
  if (version === null) {
    throw witFailure(place, 'a gate names a version, so the package needs one: package namespace:name@1.2.3;');
  }
  if (comparePrecedence(parseVersion(stability.since), parseVersion(version)) > 0) {
    throw witFailure(place, `@since names ${stability.since}, and the package is only at ${version}`);
  }
}
