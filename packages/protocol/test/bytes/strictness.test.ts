import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { decodeBase64, encodeBase64, encodeBase64url } from '../../src/bytes/base64.ts';
import { utf8 } from '../../src/bytes/byte-array.ts';
import { decodeHex, encodeHex } from '../../src/bytes/hex.ts';
import { JSON_DEPTH_MAX, parseJson } from '../../src/bytes/json.ts';
import { isRegistryError, type ErrorCode } from '../../src/errors.ts';
import { isKebab } from '../../src/names/package-name.ts';
import { parseVersion } from '../../src/names/version.ts';

const MEGABYTE = 1024 * 1024;

function assertRefused(work: () => unknown, code: ErrorCode): void {
  assert.throws(work, (thrown) => isRegistryError(thrown, code));
}

/** What Node reads leniently is read here as one spelling or not at all (threats W10). */
test('W10: base64 and hex are read exactly when writing gives the same text again', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      assert.deepEqual(decodeBase64(encodeBase64(bytes)), bytes);
      assert.deepEqual(decodeHex(encodeHex(bytes)), bytes);
    }),
  );
  const almost = fc.array(fc.constantFrom('A', 'B', '/', '+', '=', '-', '_', ' ', '\n', 'f', '0'), { maxLength: 12 });
  fc.assert(
    fc.property(almost, (characters) => {
      const text = characters.join('');
      const canonical = Buffer.from(text, 'base64').toString('base64') === text;
      if (canonical) assert.equal(encodeBase64(decodeBase64(text)), text);
      else assertRefused(() => decodeBase64(text), 'text/base64');
      if (Buffer.from(text, 'hex').toString('hex') === text) assert.equal(encodeHex(decodeHex(text)), text);
      else assertRefused(() => decodeHex(text), 'text/hex');
    }),
  );
  assert.equal(encodeBase64url(Uint8Array.of(0xfb, 0xff, 0xfe)), '-__-');
  assert.equal(encodeBase64url(Uint8Array.of(0xff)), '_w');
});

test('W4: texts of megabytes are read or refused in linear time and without a deep stack', () => {
  const bytes = new Uint8Array(2 * MEGABYTE).fill(0xfb);
  const base64 = encodeBase64(bytes);
  assert.deepEqual(decodeBase64(base64), bytes);
  assertRefused(() => decodeBase64(`${base64.slice(0, -4)}!!!!`), 'text/base64');
  assertRefused(() => decodeBase64(`${base64}=`), 'text/base64');
  const hex = encodeHex(bytes);
  assert.deepEqual(decodeHex(hex), bytes);
  assertRefused(() => decodeHex(`${hex}g0`), 'text/hex');
  assert.ok(!isKebab('a-'.repeat(MEGABYTE / 2)));
  assert.ok(isKebab(`${'a-'.repeat(MEGABYTE / 2)}a`));
  assertRefused(() => parseVersion(`1.0.0-${'0.'.repeat(MEGABYTE / 2)}`), 'text/version');
  assertRefused(() => parseVersion('1'.repeat(MEGABYTE)), 'text/version');
  assertRefused(() => parseVersion('.'.repeat(MEGABYTE)), 'text/version');
  assertRefused(() => parseJson(`"${'\\u0041'.repeat(MEGABYTE / 8)}`), 'wire/json');
  assertRefused(() => parseJson('['.repeat(MEGABYTE)), 'wire/json');
  assertRefused(() => parseJson('{"a":'.repeat(MEGABYTE / 8)), 'wire/json');
  assertRefused(() => parseJson('9'.repeat(MEGABYTE)), 'wire/json');
  assert.equal(parseJson(`${' '.repeat(MEGABYTE)}1`), 1);
});

test('W8: JSON bytes must be UTF-8', () => {
  const quoted = (...bytes: readonly number[]): Uint8Array => Uint8Array.of(0x22, ...bytes, 0x22);
  assert.equal(parseJson(quoted(0xc3, 0xa9)), 'é');
  assert.equal(parseJson(quoted(0xf0, 0x9f, 0x98, 0x80)), '😀');
  for (const bytes of [
    [0xff],
    [0xc3],
    [0xc0, 0x80],
    [0xe0, 0x80, 0x80],
    [0xed, 0xa0, 0x80],
    [0xf4, 0x90, 0x80, 0x80],
    [0x80],
  ]) {
    assertRefused(() => parseJson(quoted(...bytes)), 'wire/json');
  }
  assertRefused(() => parseJson(Uint8Array.of(0xef, 0xbb, 0xbf, 0x31)), 'wire/json');
  assertRefused(() => parseJson(Uint8Array.of(0xff, 0xfe, 0x31, 0x00)), 'wire/json');
});

test('W8: what strict JSON reads, JSON.parse reads in the same way', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 5 }), (text) => {
      let value: unknown;
      try {
        value = parseJson(text);
      } catch (thrown) {
        assert.ok(isRegistryError(thrown, 'wire/json'));
        return;
      }
      assert.equal(JSON.stringify(value), JSON.stringify(JSON.parse(text)));
    }),
  );
});

test('W8: the depth that is allowed is allowed, for arrays and objects alike', () => {
  const arrays = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
  const objects = (depth: number): string => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
  for (const nest of [arrays, objects]) {
    parseJson(nest(JSON_DEPTH_MAX));
    assertRefused(() => parseJson(nest(JSON_DEPTH_MAX + 1)), 'wire/json');
  }
});

test('W7: objects have no prototype', () => {
  const value = parseJson('{"constructor":{"prototype":{"x":1}},"toString":2}');
  assert.equal(Object.getPrototypeOf(value), null);
  assert.equal(Reflect.get({}, 'x'), undefined);
  assertRefused(() => parseJson(utf8('{"a":[{"__proto__":{"x":1}}]}')), 'wire/json');
});
