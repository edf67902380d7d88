import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { derFromSignature, signatureFromDerOrNull } from '../../src/crypto/der.ts';
import { KeyCache } from '../../src/crypto/key-cache.ts';
import { isP256Scalar, readP256Scalar } from '../../src/crypto/p256.ts';

const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** 32 bytes, often with leading zeros or a high bit. */
const scalar = fc
  .tuple(fc.nat(32), fc.uint8Array({ minLength: 32, maxLength: 32 }))
  .map(([zeros, bytes]) => bytes.fill(0, 0, zeros));

function bytesOf(value: bigint): Uint8Array {
  return Uint8Array.from(Buffer.from(value.toString(16).padStart(64, '0'), 'hex'));
}

test('encodings: every pair of integers has one strict DER form', () => {
  fc.assert(
    fc.property(scalar, scalar, (r, s) => {
      const signature = Uint8Array.of(...r, ...s);
      const der = derFromSignature(signature);
      assert.deepEqual(signatureFromDerOrNull(der), signature);
      assert.equal(der.length, 2 + (der[1] ?? 0));
    }),
  );
  assert.deepEqual(derFromSignature(new Uint8Array(64)), Uint8Array.of(0x30, 6, 2, 1, 0, 2, 1, 0));
  const high = new Uint8Array(64).fill(0xff);
  assert.equal(derFromSignature(high).length, 72);
});

test('encodings 1: a scalar is in 1..n-1', () => {
  for (const inside of [1n, 2n, ORDER - 1n, 2n ** 255n]) assert.ok(isP256Scalar(bytesOf(inside)));
  for (const outside of [0n, ORDER, ORDER + 1n, 2n ** 256n - 1n]) assert.ok(!isP256Scalar(bytesOf(outside)));
  fc.assert(
    fc.property(fc.bigInt(0n, 2n ** 256n - 1n), (value) => {
      assert.equal(isP256Scalar(bytesOf(value)), value > 0n && value < ORDER);
    }),
  );
  assert.deepEqual(readP256Scalar(Uint8Array.of(...new Uint8Array(23), 7)), bytesOf(7n));
  assert.equal(readP256Scalar(new Uint8Array(24)), null);
  assert.equal(readP256Scalar(new Uint8Array(23).fill(1)), null);
});

test('a cached key answers for its own point only, and for the bytes it was parsed from', () => {
  let parses = 0;
  const cache = new KeyCache((point) => {
    parses++;
    return point.join();
  });
  const one = new Uint8Array(65).fill(1);
  const twin = Uint8Array.from(one).fill(2, 40);
  const expected = [one.join(), twin.join()];
  assert.deepEqual([cache.get(one), cache.get(one), parses], [expected[0], expected[0], 1]);
  assert.equal(cache.get(twin), expected[1]);
  assert.equal(cache.get(one), expected[0]);
  assert.equal(parses, 3);
  const scratch = Uint8Array.from(one);
  cache.get(scratch);
  scratch.fill(2, 40);
  assert.equal(cache.get(scratch), expected[1]);
});

test('more keys than a cache holds: those in use stay, the others go', () => {
  const parsed: number[] = [];
  const cache = new KeyCache((point) => parsed.push(numberOf(point)));
  const numberOf = (point: Uint8Array): number => new DataView(point.buffer).getUint32(1);
  const get = (number: number): number => {
    const point = new Uint8Array(65);
    new DataView(point.buffer).setUint32(1, number);
    return cache.get(point);
  };
  const many = 20_000;
  const first = get(0);
  for (let number = 1; number < many; number++) {
    get(number);
    assert.equal(get(0), first);
  }
  assert.equal(parsed.length, many);
  get(many - 1);
  assert.equal(parsed.length, many);
  get(1);
  assert.deepEqual(parsed.slice(many), [1]);
});
