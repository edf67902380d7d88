import { encodeHex } from '../bytes/hex.ts';

/* Whether bytes are a point: pure, so that the answer is the same on every platform. Public values only: not constant time. */

/** y² = x³ − 3x + b modulo p. */
export interface WeierstrassCurve {
  readonly p: bigint;
  readonly b: bigint;
}

/** a·x² + y² = 1 + d·x²·y² modulo p. */
export interface EdwardsCurve {
  readonly p: bigint;
  readonly a: bigint;
  readonly d: bigint;
}

export const P384: WeierstrassCurve = {
  p: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
  b: 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
};
export const P521: WeierstrassCurve = {
  p: 2n ** 521n - 1n,
  b: 0x51953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00n,
};
const ED25519_P = 2n ** 255n - 19n;
export const ED25519: EdwardsCurve = {
  p: ED25519_P,
  a: ED25519_P - 1n,
  d: 37095705934669439343138083508754565189542113879843219016388785533085940283555n,
};
const ED448_P = 2n ** 448n - 2n ** 224n - 1n;
export const ED448: EdwardsCurve = { p: ED448_P, a: 1n, d: ED448_P - 39081n };

const EDWARDS_CURVES: ReadonlyMap<string, EdwardsCurve> = new Map([
  ['Ed25519', ED25519],
  ['Ed448', ED448],
]);

/** By its name in a JWK; `null` for what is none. */
export function edwardsCurve(name: string): EdwardsCurve | null {
  return EDWARDS_CURVES.get(name) ?? null;
}

/** True for the big-endian coordinates of a point. */
export function isOnCurve({ p, b }: WeierstrassCurve, x: Uint8Array, y: Uint8Array): boolean {
  const [u, v] = [bigEndian(x), bigEndian(y)];
  return u < p && v < p && (v * v - (u * u * u - 3n * u + b)) % p === 0n;
}

/**
 * True for the canonical encoding (RFC 8032: y little-endian, the sign of x in the highest bit) of a point whose order does
 * not divide 8: with one that does, a signature can be made that is valid for every message.
 */
export function isStrongEdwardsPoint(curve: EdwardsCurve, encoded: Uint8Array): boolean {
  const { p } = curve;
  const y = encodedY(encoded);
  if (y >= p || isOfSmallOrder(curve, y)) return false;
  const { dividend, divisor } = xSquared(curve, y);
  return jacobi((dividend * divisor) % p, p) === 1;
}

/** True for an encoding, canonical or not, of a point whose order divides 8. */
export function isWeakEdwardsPoint(curve: EdwardsCurve, encoded: Uint8Array): boolean {
  return isOfSmallOrder(curve, encodedY(encoded) % curve.p);
}

function encodedY(encoded: Uint8Array): bigint {
  return BigInt.asUintN(8 * encoded.length - 1, bigEndian(encoded.toReversed()));
}

function isOfSmallOrder(curve: EdwardsCurve, y: bigint): boolean {
  const { dividend, divisor } = xSquared(curve, y);
  // Order 1 or 2: x = 0. Order 4: y = 0. Order 8: the double has y = 0, that is y² = a·x².
  return dividend === 0n || y === 0n || (y * y * divisor - curve.a * dividend) % curve.p === 0n;
}

/** x² is this fraction, and it is a square exactly when the product of its parts is one. */
function xSquared({ p, a, d }: EdwardsCurve, y: bigint): { readonly dividend: bigint; readonly divisor: bigint } {
  const ySquared = (y * y) % p;
  return { dividend: (1n + p - ySquared) % p, divisor: (a + (p - d) * ySquared) % p };
}

/** The Jacobi symbol: modulo a prime, 1 for what has a square root. */
function jacobi(value: bigint, modulus: bigint): number {
  let [upper, lower, sign] = [value, modulus, 1];
  while (upper !== 0n) {
    while ((upper & 1n) === 0n) {
      upper >>= 1n;
      const rest = lower & 7n;
      if (rest === 3n || rest === 5n) sign = -sign;
    }
    [upper, lower] = [lower, upper];
    if ((upper & 3n) === 3n && (lower & 3n) === 3n) sign = -sign;
    upper %= lower;
  }
  return lower === 1n ? sign : 0;
}

function bigEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${encodeHex(bytes) || '0'}`);
}
