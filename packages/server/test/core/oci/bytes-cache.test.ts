import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BytesCache } from '../../../src/core/oci/bytes-cache.ts';

test('what was asked for last stays, as far as there is room for its bytes and its name', () => {
  const cache = new BytesCache<Uint8Array>(100, (bytes) => bytes.length);
  const put = (key: string, length: number): void => cache.set(key, new Uint8Array(length));
  const has = (...keys: readonly string[]): boolean[] => keys.map((key) => cache.get(key) !== null);
  put('a', 30);
  put('b', 30);
  put('c', 30);
  assert.deepEqual(has('b', 'c', 'a'), [true, true, true]);
  put('d', 30);
  assert.deepEqual(has('b', 'c', 'a', 'd'), [false, true, true, true]);
  put('d', 90);
  assert.deepEqual(has('c', 'a', 'd'), [false, false, true]);
  put('e', 99);
  assert.deepEqual(has('d', 'e'), [false, false]);
  put('f', 98);
  put('g', 98);
  assert.deepEqual(has('f', 'g'), [false, true]);
});
