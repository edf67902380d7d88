declare const verified: unique symbol;

/** A value that one of this folder's flows has checked. Nothing outside can make one. */
export type Verified<T> = T & { readonly [verified]: true };

/** For the flows of this folder alone, after their last check. */
export function markVerified<T>(value: T): Verified<T> {
  return value as Verified<T>;
}
