import { inBoth, inEither, inOneOnly, isEmpty, NO_PLACES, type PlaceSet } from './place-set.ts';

/**
 * What is said of one slot: with `isPositive`, that one of these releases is chosen; without, that none of them is, be it that
 * the slot stays empty. A set has each release by its place in the slot.
 */
export interface Term {
  readonly isPositive: boolean;
  readonly set: PlaceSet;
}

/** Nothing is said. */
export const ANYTHING: Term = { isPositive: false, set: NO_PLACES };

export function inverse({ isPositive, set }: Term): Term {
  return { isPositive: !isPositive, set };
}

/** What both say. */
export function both(a: Term, b: Term): Term {
  if (a.isPositive && b.isPositive) return { isPositive: true, set: inBoth(a.set, b.set) };
  if (a.isPositive) return { isPositive: true, set: inOneOnly(a.set, b.set) };
  if (b.isPositive) return { isPositive: true, set: inOneOnly(b.set, a.set) };
  return { isPositive: false, set: inEither(a.set, b.set) };
}

/** Whether what is known makes a term true, makes it false, or leaves it open. */
export function judge(known: Term, term: Term): 'true' | 'false' | 'open' {
  if (!known.isPositive) {
    if (!isEmpty(inOneOnly(term.set, known.set))) return 'open';
    return term.isPositive ? 'false' : 'true';
  }
  if (isEmpty(inOneOnly(known.set, term.set))) return term.isPositive ? 'true' : 'false';
  if (isEmpty(inBoth(known.set, term.set))) return term.isPositive ? 'false' : 'true';
  return 'open';
}
