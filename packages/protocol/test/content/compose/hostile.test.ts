import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Dice, FULL, SEED } from '@waybill/tools/test-scale';
import { composeComponents } from '../../../src/content/index.ts';
import { concatBytes, joinBytes } from '../../../src/bytes/byte-array.ts';
import { encodeUleb128 } from '../../../src/bytes/uleb128.ts';
import { isRegistryError } from '../../../src/errors.ts';
import { counters, customer, kinds, painter, shop } from './units.ts';

const REAL = fileURLToPath(
  new URL('../../../../../../node_modules/@bytecodealliance/jco/obj/wasm-tools.component.wasm', import.meta.url),
);
const MUTANTS = FULL ? 200_000 : 6_000;
const COMPOSITION_MS_MAX = 20_000;

/** `ok`, or the code; anything else that is thrown, and whatever takes long, fails. */
function outcome(root: Uint8Array, dependencies: Parameters<typeof composeComponents>[0]['dependencies']): string {
  const started = performance.now();
  try {
    composeComponents({ root, dependencies });
    return 'ok';
  } catch (failure) {
    if (isRegistryError(failure)) return failure.code;
    throw failure;
  } finally {
    assert.ok(performance.now() - started < COMPOSITION_MS_MAX, 'one composition takes long');
  }
}

test('P12: mutated components compose, or are refused by a code', async () => {
  const dice = new Dice(SEED);
  const whole = await Promise.all([customer(), shop(), counters(), painter(), kinds()]);
  const seen = new Set<string>();
  for (let round = 0; round < MUTANTS; round++) {
    const [root = Uint8Array.of(), ...others] = whole.map((bytes) => (dice.oneIn(2) ? mutated(bytes, dice) : bytes));
    const dependencies = others.map((bytes, index) => ({
      name: `demo:part-${index}`,
      version: null,
      supplies: 'any' as const,
      bytes,
    }));
    seen.add(outcome(root, dependencies));
  }
  for (const expected of ['ok', 'compose/mismatch', 'content/malformed', 'content/not-analysed'])
    assert.ok(seen.has(expected), `no mutant ended in ${expected}`);
});

test('P12: a real component, mutated in its types', async () => {
  const dice = new Dice(SEED);
  const bytes = await readFile(REAL);
  const seen = new Set<string>();
  for (let round = 0; round < (FULL ? 3_000 : 150); round++) {
    const copy = Uint8Array.from(bytes);
    // Its types come before its code.
    for (let left = 1 + dice.below(4); left > 0; left--) copy[8 + dice.below(7_000)] = dice.below(256);
    seen.add(outcome(copy, []));
  }
  assert.ok(seen.has('content/malformed'));
});

function mutated(bytes: Uint8Array, dice: Dice): Uint8Array {
  if (dice.oneIn(8)) return bytes.subarray(0, dice.below(bytes.length));
  const copy = Uint8Array.from(bytes);
  for (let left = 1 + dice.below(4); left > 0; left--) {
    const at = dice.below(copy.length);
    copy[at] = dice.oneIn(2) ? dice.below(256) : (copy[at] ?? 0) + dice.of([-1, 1]);
  }
  return copy;
}

const PREAMBLE = Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00);

function component(...sections: readonly Uint8Array[]): Uint8Array {
  return concatBytes(PREAMBLE, joinBytes(sections));
}

function section(id: number, contents: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(id), encodeUleb128(contents.length), contents);
}

function list(id: number, items: readonly Uint8Array[]): Uint8Array {
  return section(id, concatBytes(encodeUleb128(items.length), joinBytes(items)));
}

const repeated = (count: number, item: (index: number) => Uint8Array) =>
  Array.from({ length: count }, (_, i) => item(i));
const indexed = (code: number, index: number) => concatBytes(Uint8Array.of(code), encodeUleb128(index));
/** A signed number, with a byte more than it needs where the sign asks for it. */
const signed = (index: number) => {
  const bytes = encodeUleb128(index);
  const last = bytes.at(-1) ?? 0;
  return last < 0x40 ? bytes : concatBytes(bytes.subarray(0, -1), Uint8Array.of(last + 0x80, 0));
};
const importOf = (name: string, instanceType: number) =>
  concatBytes(Uint8Array.of(0, name.length), new TextEncoder().encode(name), indexed(5, instanceType));

const MANY = 1_000_000;

/** Nested types, components and instances without end, and lists that say that they are longer than they are. */
const HOSTILE: readonly (readonly [string, string, () => Uint8Array])[] = [
  [
    'lists in lists',
    'content/policy',
    () =>
      component(
        list(7, [Uint8Array.of(0x70, 0x7d), ...repeated(10_000, (i) => concatBytes(Uint8Array.of(0x70), signed(i)))]),
      ),
  ],
  [
    'instance types in instance types',
    'content/policy',
    () =>
      component(
        section(
          7,
          joinBytes([Uint8Array.of(1), ...repeated(10_000, () => Uint8Array.of(0x42, 1, 1)), Uint8Array.of(0x42, 0)]),
        ),
      ),
  ],
  [
    'more types than are read',
    'content/policy',
    () =>
      component(
        list(
          7,
          repeated(MANY, () => Uint8Array.of(0x7f)),
        ),
      ),
  ],
  ['a count that lies', 'content/malformed', () => component(section(7, Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f)))],
  ['a section that lies', 'content/malformed', () => component(Uint8Array.of(7, 0xff, 0xff, 0xff, 0x0f, 0))],
  ['a type that is not there', 'content/malformed', () => component(list(10, [importOf('a:b/c', 3)]))],
  [
    'instances of instances',
    'ok',
    () =>
      component(
        list(7, [Uint8Array.of(0x42, 0)]),
        list(10, [importOf('a:b/c', 0)]),
        list(
          6,
          repeated(20_000, (i) => concatBytes(indexed(5, 0), encodeUleb128(i), Uint8Array.of(1, 0x78))),
        ),
      ),
  ],
  [
    'a component that makes an instance of itself',
    'ok',
    () =>
      component(
        section(
          4,
          component(
            list(6, [Uint8Array.of(4, 2, 1, 0)]),
            list(5, [Uint8Array.of(0, 0, 0)]),
            list(11, [Uint8Array.of(0, 1, 0x78, 5, 0, 0)]),
          ),
        ),
        list(5, [Uint8Array.of(0, 0, 0)]),
        list(6, [Uint8Array.of(5, 0, 0, 1, 0x78)]),
        list(11, [Uint8Array.of(0, 5, 0x61, 0x3a, 0x62, 0x2f, 0x63, 5, 0, 0)]),
      ),
  ],
  [
    'pairs of pairs',
    'ok',
    () =>
      component(
        list(7, [
          Uint8Array.of(0x6f, 1, 0x7d),
          ...repeated(90, (i) => concatBytes(Uint8Array.of(0x6f, 2), signed(i), signed(i))),
        ]),
        list(7, [
          concatBytes(
            Uint8Array.of(0x42, 3, 2, 3, 2, 1),
            encodeUleb128(90),
            Uint8Array.of(1, 0x40, 1, 1, 0x61, 0, 1, 0),
            Uint8Array.of(4, 0, 1, 0x66, 1, 1),
          ),
        ]),
        list(10, [importOf('a:b/c', 91), importOf('a:b/c@1.0.0', 91)]),
      ),
  ],
];

for (const [name, expected, make] of HOSTILE) {
  test(`P12: ${name}`, () => {
    const bytes = make();
    assert.equal(outcome(bytes, []), expected);
    outcome(component(list(7, [Uint8Array.of(0x42, 0)]), list(10, [importOf('a:b/c', 0)])), [
      { name: 'a:b', version: null, supplies: 'any' as const, bytes },
    ]);
    outcome(bytes, [{ name: 'a:b', version: null, supplies: 'any' as const, bytes }]);
  });
}
