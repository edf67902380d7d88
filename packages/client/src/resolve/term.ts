/**
 * What is said of one slot: with `isPositive`, that one of these releases is chosen; without, that none of them is, be it that
 * the slot stays empty. A set has the bit of each release, by its place in the slot.
 */
export interface Term {
  readonly isPositive: boolean;
  readonly set: bigint;
}

/** Nothing is said. */
export const ANYTHING: Term = { isPositive: false, set: 0n };

export function inverse({ isPositive, set }: Term): Term {
  return { isPositive: !isPositive, set };
}

/** What both say. */
export function both(a: Term, b: Term): Term {
  if (a.isPositive && b.isPositive) return { isPositive: true, set: a.set & b.set };
  if (a.isPositive) return { isPositive: true, set: a.set & ~b.set };
  if (b.isPositive) return { isPositive: true, set: b.set & ~a.set };
  return { isPositive: false, set: a.set | b.set };
}

/** Whether what is known makes a term true, makes it false, or leaves it open. */
export function judge(known: Term, term: Term): 'true' | 'false' | 'open' {
  const beyond = known.isPositive ? known.set & ~term.set : term.set & ~known.set;
  if (!known.isPositive) {
    if (beyond !== 0n) return 'open';
    return term.isPositive ? 'false' : 'true';
  }
  if (beyond === 0n) return term.isPositive ? 'true' : 'false';
  if ((known.set & term.set) === 0n) return term.isPositive ? 'false' : 'true';
  return 'open';
}

/** The place of the first release of a set that is not empty. */
export function firstOf(set: bigint): number {
  let place = 0;
  for (let rest = set; (rest & 1n) === 0n; rest >>= 1n) place++;
  return place;
}
