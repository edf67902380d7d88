import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { concatBytes } from '../../src/bytes/byte-array.ts';
import { ProtoMessage, ProtoWriter } from '../../src/bytes/protobuf.ts';
import { encodeUleb128 } from '../../src/bytes/uleb128.ts';
import { isRegistryError } from '../../src/errors.ts';

const UNSIGNED_64_BIT_MAX = 2n ** 64n - 1n;
/** Around every place where a varint grows, changes from number to bigint, or leaves 32, 53 or 64 bits. */
const EDGES: readonly bigint[] = [7n, 14n, 28n, 31n, 32n, 42n, 48n, 49n, 50n, 53n, 56n, 63n, 64n]
  .flatMap((bits) => [2n ** bits - 1n, 2n ** bits, 2n ** bits + 1n])
  .concat(0n, 1n)
  .filter((value) => value <= UNSIGNED_64_BIT_MAX);
const unsigned = fc.oneof(fc.constantFrom(...EDGES), fc.bigInt(0n, UNSIGNED_64_BIT_MAX));

/** A varint by the book, `padding` bytes longer than it must be. */
function plainVarint(value: bigint, padding = 0): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  for (let i = 0; i < padding; i++) {
    bytes.push((bytes.pop() ?? 0) | 0x80, 0);
  }
  return Uint8Array.from(bytes);
}

test('encodings: unsigned LEB128 is the same for numbers and bigints, to 64 bits and not beyond', () => {
  fc.assert(
    fc.property(unsigned, (value) => {
      assert.deepEqual(encodeUleb128(value), plainVarint(value));
      if (value <= BigInt(Number.MAX_SAFE_INTEGER)) assert.deepEqual(encodeUleb128(Number(value)), plainVarint(value));
    }),
  );
  assert.deepEqual(encodeUleb128(2 ** 60), plainVarint(2n ** 60n));
  for (const outside of [-1, -1n, 0.5, 2 ** 49 + 0.5, 2 ** 64, 2n ** 64n, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(() => encodeUleb128(outside), RangeError);
  }
});

test('encodings 6: integers are read as prost truncates them, however long their varint is', () => {
  fc.assert(
    fc.property(unsigned, fc.nat(9), (value, more) => {
      const padding = Math.min(more, 10 - plainVarint(value).length);
      const message = ProtoMessage.decode(concatBytes(Uint8Array.of(0x08), plainVarint(value, padding)));
      assert.equal(message.uint32(1), Number(BigInt.asUintN(32, value)));
      assert.equal(message.int32(1), Number(BigInt.asIntN(32, value)));
      assert.equal(message.int64(1), BigInt.asIntN(64, value));
      const packed = concatBytes(plainVarint(5n), plainVarint(value, padding));
      const list = ProtoMessage.decode(new ProtoWriter().message(1, packed).finish());
      assert.deepEqual(list.repeatedInt32(1), [5, Number(BigInt.asIntN(32, value))]);
    }),
  );
});

test('encodings 6: varints over 64 bits, keys over 32 bits and lengths beyond the input are refused', () => {
  const full = new Uint8Array(9).fill(0xff);
  const refused = [
    concatBytes(Uint8Array.of(0x08), full, Uint8Array.of(0x02)),
    concatBytes(Uint8Array.of(0x08), full, Uint8Array.of(0x80, 0x00)),
    concatBytes(Uint8Array.of(0x08), full),
    concatBytes(plainVarint(2n ** 32n + 8n), Uint8Array.of(0)),
    concatBytes(plainVarint(2n ** 63n + 8n), Uint8Array.of(0)),
    ...EDGES.filter((length) => length > 3n).map((length) =>
      concatBytes(Uint8Array.of(0x0a), plainVarint(length), Uint8Array.of(1, 2, 3)),
    ),
  ];
  for (const bytes of refused) {
    assert.throws(
      () => ProtoMessage.decode(bytes),
      (thrown) => isRegistryError(thrown, 'wire/protobuf'),
    );
  }
  const max = ProtoMessage.decode(concatBytes(Uint8Array.of(0x08), full, Uint8Array.of(0x01)));
  assert.equal(max.int64(1), -1n);
  assert.deepEqual(ProtoMessage.decode(concatBytes(plainVarint(2n ** 32n - 8n), Uint8Array.of(0))).numbers, [
    2 ** 29 - 1,
  ]);
});

test('W4: a oneof member given twice is merged, with a million fields too', () => {
  const one = new ProtoWriter().message(4, new ProtoWriter().string(1, 'a').finish()).finish();
  const many = new Uint8Array(1_000_000).fill(0x18);
  for (let i = 1; i < many.length; i += 2) many[i] = 1;
  const two = new ProtoWriter().message(4, many).finish();
  const member = ProtoMessage.decode(concatBytes(one, two)).oneof(new Map([[4, new Map([[1, 'string']])]]));
  assert.equal(member?.number, 4);
  assert.equal(member.message.string(1), 'a');
  assert.equal(member.message.numbers.length, 500_001);
});
