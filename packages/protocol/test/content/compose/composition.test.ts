import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { composeComponents, type Composition, type Dependency } from '../../../src/content/index.ts';
import { encodeBase64 } from '../../../src/bytes/base64.ts';
import { sha256 } from '../../../src/crypto/hash.ts';
import { isRegistryError } from '../../../src/errors.ts';
import { parseVersion } from '../../../src/names/version.ts';
import { PASSES_RESOURCES, running, textOf, wasmOf } from './component-maker.ts';
import {
  adder,
  between,
  caller,
  collector,
  counters,
  customer,
  kinds,
  modulePrinter,
  multiplier,
  otherAdder,
  painter,
  relay,
  shop,
} from './units.ts';

const REAL = fileURLToPath(
  new URL('../../../../../../node_modules/@bytecodealliance/jco/obj/wasm-tools.component.wasm', import.meta.url),
);

async function composed(
  root: Promise<Uint8Array>,
  dependencies: readonly (readonly [string, Promise<Uint8Array>])[],
): Promise<Composition> {
  const found: Dependency[] = [];
  for (const [name, bytes] of dependencies) found.push({ name, version: null, supplies: 'any', bytes: await bytes });
  return composeComponents({ root: await root, dependencies: found });
}

function namesOf(dependencies: readonly Dependency[]): string[] {
  return dependencies.map(({ name }) => name);
}

/** What `run` gives, with modules that stand for what remains. */
async function result(
  { bytes }: Composition,
  hosts: Readonly<Record<string, string>> = {},
  ...args: readonly unknown[]
): Promise<unknown> {
  return running(bytes, hosts, ({ run }) => run?.(...args));
}

async function refusal(compose: Promise<unknown>): Promise<string> {
  try {
    await compose;
    return 'ok';
  } catch (failure) {
    return isRegistryError(failure) ? failure.code : `not a RegistryError: ${String(failure)}`;
  }
}

describe('a component and its dependencies become one that runs', () => {
  test('a chain of three', async () => {
    const made = await composed(collector(['triple']), [
      ['demo:triple', multiplier('triple', 3)],
      ['demo:math', adder()],
    ]);
    assert.deepEqual(namesOf(made.composed), ['demo:math', 'demo:triple']);
    assert.deepEqual(made.imports, []);
    assert.equal(await result(made, {}, 7), 21);
  });

  test('a diamond has one instance of what both sides need, and nothing that nobody needs', async () => {
    const made = await composed(collector(['triple', 'double']), [
      ['demo:triple', multiplier('triple', 3)],
      ['demo:double', multiplier('double', 2)],
      ['demo:math', adder()],
      ['demo:other', adder('@2.0.0')],
    ]);
    assert.deepEqual(namesOf(made.composed), ['demo:math', 'demo:triple', 'demo:double']);
    assert.deepEqual(namesOf(made.unused), ['demo:other']);
    assert.equal(await result(made, {}, 7), 35);
  });

  test('resources are passed between three components', async () => {
    const made = await composed(customer(), [
      ['demo:shop', shop()],
      ['demo:counter', counters()],
    ]);
    assert.deepEqual(made.imports, []);
    assert.match(await textOf(made.bytes), /^\(component/);
    if (PASSES_RESOURCES) assert.equal(await result(made, {}, 5), 16_006);
  });

  test('an export of a later version of the same track does', async () => {
    const made = await composed(collector(['triple']), [
      ['demo:triple', multiplier('triple', 3)],
      ['demo:math', adder('@1.4.0')],
    ]);
    assert.equal(await result(made, {}, 7), 21);
    const apart = await composed(collector(['triple']), [
      ['demo:triple', multiplier('triple', 3)],
      ['demo:math', adder('@2.0.0')],
    ]);
    assert.deepEqual(apart.imports, ['demo:math/add@1.0.0']);
  });

  test('what exports what it imports stands between, in the order given', async () => {
    const made = await composed(collector(['double']), [
      ['demo:double', multiplier('double', 2)],
      ['demo:more', between(100)],
      ['demo:most', between(1000)],
      ['demo:math', adder()],
    ]);
    assert.deepEqual(namesOf(made.composed), ['demo:math', 'demo:most', 'demo:more', 'demo:double']);
    assert.equal(await result(made, {}, 7), 1114);
  });

  test('T7: what nobody chose takes no place of another package, whatever it exports', async () => {
    const [root, own, evil] = await Promise.all([multiplier('double', 2), adder('@1.0.9'), adder('@1.0.0')]);
    const chosen = (supplies: Dependency['supplies'], names: readonly string[]) => {
      const bytes: Readonly<Record<string, Uint8Array>> = { 'demo:evil': evil, 'demo:math': own };
      const dependencies = names.map((name) => ({
        name,
        version: null,
        supplies,
        bytes: bytes[name] ?? Uint8Array.of(),
      }));
      return namesOf(composeComponents({ root, dependencies }).composed);
    };
    for (const names of [
      ['demo:evil', 'demo:math'],
      ['demo:math', 'demo:evil'],
    ]) {
      assert.deepEqual(chosen('own', names), ['demo:math']);
      assert.deepEqual(chosen('own before others', names), ['demo:math']);
    }
    assert.deepEqual(chosen('own', ['demo:evil']), []);
    assert.deepEqual(chosen('own before others', ['demo:evil']), ['demo:evil']);
  });

  test('the same inputs give the same bytes', async () => {
    const compose = () => composed(customer(), [['demo:shop', shop()]]);
    assert.deepEqual((await compose()).bytes, (await compose()).bytes);
  });
});

describe('what no dependency has stays an import', () => {
  test('a real component brings its WASI imports, and runs', async () => {
    const made = await composed(modulePrinter(), [['local:wasm-tools', readFile(REAL)]]);
    assert.equal(made.imports.length, 16);
    assert.ok(made.imports.includes('wasi:filesystem/types@0.2.0'));
    assert.equal(await result(made), '(module)\n');
  });

  test('a real component alone keeps its imports and exports', async () => {
    const made = await composed(readFile(REAL), []);
    const world = /\((?:import|export) (?:\(;\d+;\) )?"[a-z]+:[^"]+"/g;
    const names = (text: string) => [...text.matchAll(world)].map(([found]) => found.replace(/\(;\d+;\) /, ''));
    const inside = names(await textOf(await readFile(REAL)));
    assert.deepEqual([...new Set(names(await textOf(made.bytes)))], [...new Set(inside)]);
  });

  test('imports of one track are one, of the highest version, with what any of them needs', async () => {
    const made = await composed(caller('0.2.0', ['one'], ['called']), [
      ['demo:called', caller('0.2.3', ['one', 'two'])],
    ]);
    assert.deepEqual(made.imports, ['demo:host/log@0.2.3']);
    const host = 'export const log = { one: () => 10, two: () => 200 };';
    assert.equal(await result(made, { 'demo:host': host }, 1), 1 + 10 + 1 + 10 + 200);
    const reversed = await composed(caller('0.2.3', ['one', 'two'], ['called']), [
      ['demo:called', caller('0.2.0', ['one'])],
    ]);
    assert.deepEqual(reversed.imports, ['demo:host/log@0.2.3']);
    assert.equal(await result(reversed, { 'demo:host': host }, 1), 1 + 10 + 200 + 1 + 10);
  });

  test('values of a supplied interface are imported for an interface that uses them; resources cannot be', async () => {
    const made = await composed(painter(), [['demo:shapes', kinds()]]);
    assert.deepEqual(made.imports, ['demo:shapes/kinds@0.3.1', 'demo:shapes/paint@0.3.1']);
    const host =
      'export const kinds = {}; export const paint = { area: ({ x, y, c }) => x * y + (c === "green" ? 100 : 0) };';
    assert.equal(await result(made, { 'demo:shapes': host }), 115);
    assert.equal(await refusal(composed(customer(), [['demo:counter', counters()]])), 'compose/mismatch');
  });
});

test('functions of the root name types as the composed component exports them', async () => {
  const made = await composed(
    wasmOf(`(component
      (core module $m (func (export "f") (param i32) (result i32) (local.get 0)))
      (core instance $i (instantiate $m))
      (type $inside (enum "one" "two"))
      (export $which "which" (type $inside))
      (func $f (param "a" $which) (result $which) (canon lift (core func $i "f")))
      (export "run" (func $f)))`),
    [],
  );
  // No runtime for Node.js takes types as exports.
  assert.match(await textOf(made.bytes), /\(export \(;\d+;\) "run" \(func \d+\) \(func \(type \d+\)\)\)/);
});

describe('core modules and whole components are dependencies too', () => {
  const LIBRARY = '(module (func (export "f") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 6))))';
  const importing = (name: string) => `(component
    (import "${name}" (core module $m (export "f" (func (param i32) (result i32)))))
    (core instance $i (instantiate $m))
    (func (export "run") (param "a" u32) (result u32) (canon lift (core func $i "f"))))`;

  for (const name of ['unlocked-dep=<demo:lib@{>=1.0.0}>', 'locked-dep=<demo:lib@1.0.0>', 'demo:lib/code@1.0.0']) {
    test(`a core module for ${name}`, async () => {
      const made = await composed(wasmOf(importing(name)), [['demo:lib', wasmOf(LIBRARY)]]);
      assert.deepEqual([namesOf(made.composed), made.imports], [['demo:lib'], []]);
      assert.equal(await result(made, {}, 7), 42);
      const alone = await composed(wasmOf(importing(name)), []);
      assert.deepEqual(alone.imports, [name]);
      assert.ok((await textOf(alone.bytes)).includes('(core module'));
    });
  }

  test('of several releases, the one that is asked for', async () => {
    const library = await wasmOf(LIBRARY);
    const releases = ['1.0.0', '1.5.0', '2.0.0'].map((text) => ({
      name: 'demo:lib',
      version: parseVersion(text),
      supplies: 'own' as const,
      bytes: library,
    }));
    const chosen = async (name: string) =>
      composeComponents({ root: await wasmOf(importing(name)), dependencies: releases }).composed.map(
        ({ version }) => version,
      );
    assert.deepEqual(await chosen('locked-dep=<demo:lib@2.0.0>'), ['2.0.0']);
    assert.deepEqual(await chosen('locked-dep=<demo:lib@3.0.0>'), []);
    assert.deepEqual(await chosen('unlocked-dep=<demo:lib@{>=1.2.0 <2.0.0}>'), ['1.5.0']);
    assert.deepEqual(await chosen('unlocked-dep=<demo:lib>'), ['1.0.0']);
  });

  test('an integrity that is said is held', async () => {
    const library = await wasmOf(LIBRARY);
    const named = (bytes: Uint8Array) =>
      wasmOf(importing(`locked-dep=<demo:lib@1.0.0>,integrity=<sha256-${encodeBase64(sha256(bytes))}>`));
    assert.equal(await refusal(composed(named(library), [['demo:lib', wasmOf(LIBRARY)]])), 'ok');
    assert.equal(await refusal(composed(named(Uint8Array.of(1)), [['demo:lib', wasmOf(LIBRARY)]])), 'content/digest');
  });

  test('a whole component is passed as it is', async () => {
    const root = wasmOf(`(component
      (import "locked-dep=<demo:double@1.0.0>" (component $c
        (import "demo:math/add@1.0.0" (instance (export "sum" (func (param "a" u32) (param "b" u32) (result u32)))))
        (export "demo:double/apply@1.0.0" (instance (export "run" (func (param "a" u32) (result u32)))))))
      (import "demo:math/add@1.0.0" (instance $m (export "sum" (func (param "a" u32) (param "b" u32) (result u32)))))
      (instance $i (instantiate $c (with "demo:math/add@1.0.0" (instance $m))))
      (alias export $i "demo:double/apply@1.0.0" (instance $a))
      (alias export $a "run" (func $run))
      (export "run" (func $run)))`);
    const made = await composed(root, [
      ['demo:double', multiplier('double', 2)],
      ['demo:math', adder()],
    ]);
    assert.deepEqual(made.imports, []);
    assert.equal(await result(made, {}, 7), 14);
    const alone = await composed(root, [['demo:math', adder()]]);
    assert.deepEqual(alone.imports, ['locked-dep=<demo:double@1.0.0>']);
    assert.equal(await refusal(composed(root, [['demo:double', wasmOf(LIBRARY)]])), 'compose/mismatch');
  });
});

describe('what does not fit is refused', () => {
  const CASES: readonly (readonly [string, string, () => Promise<unknown>])[] = [
    [
      'a function of another type',
      'compose/mismatch',
      () =>
        composed(collector(['double']), [
          ['demo:double', multiplier('double', 2)],
          ['demo:math', otherAdder()],
        ]),
    ],
    [
      'P10: dependencies that need each other',
      'compose/cycle',
      () =>
        composed(collector(['a']), [
          ['demo:a', relay('a', 'b')],
          ['demo:b', relay('b', 'c')],
          ['demo:c', relay('c', 'a')],
        ]),
    ],
    [
      'a dependency that stands between and has nothing after it',
      'ok',
      () => composed(between(1), [['demo:m', between(2)]]),
    ],
    ['a core module as the root', 'content/malformed', () => composed(wasmOf('(module)'), [])],
    [
      'two imports of one name and different types',
      'compose/mismatch',
      () =>
        composed(
          wasmOf(`(component (import "demo:double/apply@1.0.0" (instance (export "run" (func (param "a" u32) (result u32)))))
          (import "demo:math/add@1.1.0" (instance (export "sum" (func)))))`),
          [['demo:double', multiplier('double', 2)]],
        ),
    ],
    [
      'an export that lacks a function',
      'compose/mismatch',
      () =>
        composed(wasmOf('(component (import "demo:math/add@1.0.0" (instance (export "less" (func)))))'), [
          ['demo:math', adder()],
        ]),
    ],
  ];
  for (const [name, expected, compose] of CASES) {
    test(name, async () => assert.equal(await refusal(compose()), expected));
  }
});
