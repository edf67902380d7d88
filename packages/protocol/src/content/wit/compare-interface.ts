import type { TypeComparison } from './compare-shapes.ts';
import type { WitImpact } from './compare-versions.ts';
import type { WitFunction, WitInterface, WitNamedType, WitNotes } from './model.ts';

/** One thing that differs between two readings. */
export interface WitDifference {
  /** `interface/function`, `interface/type`, `world/import …`. */
  readonly path: string;
  readonly impact: WitImpact;
  /** For a person: `was removed`. */
  readonly what: string;
}

/** Whether something is given to others or asked of them: what is asked for in addition breaks, what is given does not. */
export type WitSide = 'given' | 'asked';

const ADDED: Readonly<Record<WitSide, WitImpact>> = { given: 'additive', asked: 'breaking' };
const REMOVED: Readonly<Record<WitSide, WitImpact>> = { given: 'breaking', asked: 'additive' };

/** What is added to or removed from a side. */
export function membershipDifference(path: string, side: WitSide, change: 'added' | 'removed'): WitDifference {
  return change === 'added'
    ? { path, impact: ADDED[side], what: 'was added' }
    : { path, impact: REMOVED[side], what: 'was removed' };
}

/** What differs between two interfaces. */
export function interfaceDifferences(
  path: string,
  before: WitInterface,
  after: WitInterface,
  side: WitSide,
  comparison: TypeComparison,
): readonly WitDifference[] {
  // An interface may come any number of times, each time under another name.
  for (const { types, functions } of [before, after]) comparison.spend(membersWeight(types) + membersWeight(functions));
  return [
    ...memberDifferences(path, before.types, after.types, side, (name, a, b) =>
      typeDifferences(name, a, b, comparison),
    ),
    ...memberDifferences(path, before.functions, after.functions, side, (name, a, b) =>
      functionDifferences(name, a, b, comparison),
    ),
    ...notesDifferences(path, before, after),
  ];
}

const DOCS_LENGTH_A_STEP = 256;

function membersWeight(members: ReadonlyMap<string, WitNotes>): number {
  let weight = 1;
  for (const { docs } of members.values()) weight += 1 + Math.floor((docs?.length ?? 0) / DOCS_LENGTH_A_STEP);
  return weight;
}

/** What differs between two members of the same name. */
export function typeDifferences(
  path: string,
  before: WitNamedType,
  after: WitNamedType,
  comparison: TypeComparison,
): readonly WitDifference[] {
  const isSame = comparison.sameDefinition(before.definition, after.definition);
  const change: WitDifference = { path, impact: 'breaking', what: 'is another type' };
  return [...(isSame ? [] : [change]), ...notesDifferences(path, before, after)];
}

export function functionDifferences(
  path: string,
  before: WitFunction,
  after: WitFunction,
  comparison: TypeComparison,
): readonly WitDifference[] {
  const change = comparison.functionChange(before, after);
  const differences: readonly WitDifference[] = change === null ? [] : [{ path, impact: 'breaking', what: change }];
  return [...differences, ...notesDifferences(path, before, after)];
}

/** Words and gates decide nothing by themselves; whether an item counts at all, {@link countedMembers} says. */
export function notesDifferences(path: string, before: WitNotes, after: WitNotes): readonly WitDifference[] {
  const differences: WitDifference[] = [];
  if (before.docs !== after.docs) differences.push({ path, impact: 'neutral', what: 'is described differently' });
  if (JSON.stringify(before.stability) !== JSON.stringify(after.stability)) {
    differences.push({ path, impact: 'neutral', what: 'has another gate' });
  }
  return differences;
}

/** WIT.md "Feature Gates": what is `@unstable` may change or go at any time. */
export function countedMembers<T extends WitNotes>(members: ReadonlyMap<string, T>): ReadonlyMap<string, T> {
  return new Map([...members].filter(([, { stability }]) => stability?.type !== 'unstable'));
}

/** Sorted by what the members are in; those of the later reading come last. */
export function memberDifferences<T extends WitNotes>(
  path: string,
  before: ReadonlyMap<string, T>,
  after: ReadonlyMap<string, T>,
  side: WitSide,
  compare: (path: string, before: T, after: T) => readonly WitDifference[],
): readonly WitDifference[] {
  const old = countedMembers(before);
  const now = countedMembers(after);
  const below = (name: string) => (path === '' ? name : `${path}/${name}`);
  const kept = [...old].flatMap(([name, member]) => {
    const other = now.get(name);
    return other === undefined
      ? [membershipDifference(below(name), side, 'removed')]
      : compare(below(name), member, other);
  });
  const added = [...now.keys()].filter((name) => !old.has(name));
  return [...kept, ...added.map((name) => membershipDifference(below(name), side, 'added'))];
}
