/** Places in a slot, as bits: of a number, for the solver does little else, and of a bigint where a slot has more places. */
export type PlaceSet = number | bigint;

/** Those that are never negative. */
const NUMBER_BITS = 31;

export const NO_PLACES: PlaceSet = 0;

export function onePlace(place: number): PlaceSet {
  return place < NUMBER_BITS ? 1 << place : 1n << BigInt(place);
}

/** From the first on. */
export function firstPlaces(count: number): PlaceSet {
  return count < NUMBER_BITS ? (1 << count) - 1 : (1n << BigInt(count)) - 1n;
}

export function inBoth(a: PlaceSet, b: PlaceSet): PlaceSet {
  return typeof a === 'number' && typeof b === 'number' ? a & b : BigInt(a) & BigInt(b);
}

export function inEither(a: PlaceSet, b: PlaceSet): PlaceSet {
  return typeof a === 'number' && typeof b === 'number' ? a | b : BigInt(a) | BigInt(b);
}

export function inOneOnly(one: PlaceSet, other: PlaceSet): PlaceSet {
  return typeof one === 'number' && typeof other === 'number' ? one & ~other : BigInt(one) & ~BigInt(other);
}

export function isEmpty(set: PlaceSet): boolean {
  return set === 0 || set === 0n;
}

/** Of a set that is not empty. */
export function firstOf(set: PlaceSet): number {
  let place = 0;
  if (typeof set === 'number') for (let rest = set; (rest & 1) === 0; rest >>= 1) place++;
  else for (let rest = set; (rest & 1n) === 0n; rest >>= 1n) place++;
  return place;
}
