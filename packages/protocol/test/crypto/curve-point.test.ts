import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ed25519, ED25519_TORSION_SUBGROUP } from '@noble/curves/ed25519.js';
import { ed448 } from '@noble/curves/ed448.js';
import { p384, p521 } from '@noble/curves/nist.js';
import * as fc from 'fast-check';
import { decodeHex } from '../../src/bytes/hex.ts';
import {
  ED25519,
  ED448,
  isOnCurve,
  isStrongEdwardsPoint,
  isWeakEdwardsPoint,
  P384,
  P521,
} from '../../src/crypto/curve-point.ts';
import { ecdsaDer } from '../../src/crypto/ecdsa-der.ts';
import { derFromSignature } from '../../src/crypto/der.ts';

/** The verdict of another implementation. */
function isStrongByNoble(curve: typeof ed25519, encoded: Uint8Array): boolean {
  try {
    return !curve.Point.fromBytes(encoded, false).isSmallOrder();
  } catch {
    return false;
  }
}

const EDWARDS = [
  { name: 'Ed25519', curve: ED25519, noble: ed25519, bytes: 32 },
  { name: 'Ed448', curve: ED448, noble: ed448, bytes: 57 },
] as const;

for (const { name, curve, noble, bytes } of EDWARDS) {
  test(`jose 2.4: ${name}: which bytes are a point is what another implementation says`, () => {
    const random = fc.uint8Array({ minLength: bytes, maxLength: bytes });
    // Most strings of 57 bytes say more than y: clear what lies beyond it in half of them.
    const encoded = fc
      .tuple(random, fc.boolean())
      .map(([all, clear]) => (clear && bytes === 57 ? all.with(56, 0) : all));
    fc.assert(
      fc.property(encoded, (point) => {
        assert.equal(isStrongEdwardsPoint(curve, point), isStrongByNoble(noble, point));
      }),
    );
    const scalar = fc.bigInt(1n, 2n ** 200n);
    fc.assert(
      fc.property(scalar, (n) => assert.ok(isStrongEdwardsPoint(curve, noble.Point.BASE.multiply(n).toBytes()))),
      { numRuns: 20 },
    );
  });
}

test('jose 2.4: every point of the torsion subgroup is refused; a key with such a part is not', () => {
  assert.equal(ED25519_TORSION_SUBGROUP.length, 8);
  for (const encoded of ED25519_TORSION_SUBGROUP) {
    const weak = decodeHex(encoded);
    assert.ok(!isStrongEdwardsPoint(ED25519, weak), encoded);
    assert.ok(isWeakEdwardsPoint(ED25519, weak), encoded);
    const mixed = ed25519.Point.BASE.add(ed25519.Point.fromBytes(weak, false)).toBytes();
    assert.ok(isStrongEdwardsPoint(ED25519, mixed));
    assert.ok(!isWeakEdwardsPoint(ED25519, mixed));
  }
});

test('jose 2.3: points of P-384 and P-521, and their neighbours', () => {
  const curves = [
    { curve: P384, noble: p384, half: 48 },
    { curve: P521, noble: p521, half: 66 },
  ];
  for (const { curve, noble, half } of curves) {
    fc.assert(
      fc.property(fc.bigInt(1n, 2n ** 380n), fc.nat(2 * half - 1), (n, place) => {
        const point = noble.Point.BASE.multiply(n).toBytes(false).subarray(1);
        assert.ok(isOnCurve(curve, point.subarray(0, half), point.subarray(half)));
        const other = point.with(place, (point[place] ?? 0) ^ 1);
        assert.ok(!isOnCurve(curve, other.subarray(0, half), other.subarray(half)));
      }),
      { numRuns: 20 },
    );
  }
});

test('DER of any curve is that of P-256 where both can say it', () => {
  const scalar = fc
    .tuple(fc.nat(32), fc.uint8Array({ minLength: 32, maxLength: 32 }))
    .map(([zeros, bytes]) => bytes.fill(0, 0, zeros));
  fc.assert(
    fc.property(scalar, scalar, (r, s) => {
      const signature = Uint8Array.of(...r, ...s);
      assert.deepEqual(ecdsaDer(signature), derFromSignature(signature));
    }),
  );
  const long = ecdsaDer(new Uint8Array(132).fill(0xff));
  assert.deepEqual(long.subarray(0, 3), Uint8Array.of(0x30, 0x81, long.length - 3));
});
