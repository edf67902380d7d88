import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareWorlds } from '../../src/content/wit/compare-world.ts';
import { interfaceChange, readInterface, type InterfaceChange } from '../../src/content/wit/interface-change.ts';
import type { WitNamedType, WitWorld } from '../../src/content/wit/model.ts';
import { isRegistryError } from '../../src/errors.ts';
import { component, extern, importSection, imported, index, PRIMITIVE, type, typeSection } from './wasm-bytes.ts';
import { functionOf, named, NO_NOTES, primitive, typeOf, worldOf } from './wit-maker.ts';

/* What is compared where a server answers others too: without limits each of these takes minutes, or hours. */

/** Generous on a busy machine: the slowest takes a fraction of a second. */
const COMPARE_MS_MAX = 10_000;

function inTime<T>(work: () => T): T {
  const start = performance.now();
  try {
    return work();
  } finally {
    const took = performance.now() - start;
    assert.ok(took < COMPARE_MS_MAX, `it takes ${took} ms`);
  }
}

function change(before: Uint8Array, after: Uint8Array): InterfaceChange | null {
  const [old, now] = [readInterface(before), readInterface(after)];
  return inTime(() => interfaceChange({ reading: old, version: null }, { reading: now, version: null }));
}

function assertTooLarge(work: () => unknown): void {
  assert.throws(
    () => inTime(work),
    (failure) => isRegistryError(failure, 'content/policy'),
  );
}

const range = (count: number): readonly number[] => Array.from({ length: count }, (_, position) => position);

/** `x1` is another name of `x0`, `x2` of `x1` …; functions take the last. */
function aliasChain(length: number, functions: number): Uint8Array {
  return component(
    typeSection(type.list(PRIMITIVE.string)),
    importSection(...range(length).map((each) => imported(`x${each}`, extern.type(each)))),
    typeSection(
      type.function(
        range(50).map((each) => [`p${each}`, index(length)]),
        null,
      ),
    ),
    importSection(...range(functions).map((each) => imported(`f${each}`, extern.function(length + 1)))),
  );
}

/** A world of enums that are alike but for their names, and of functions that take all of them, each from another on. */
function enumWorld(prefix: string, { enums, labels, turn }: Record<'enums' | 'labels' | 'turn', number>): WitWorld {
  const world = worldOf('root', {});
  const cases = range(labels).map((each) => ({ name: `l${each}`, docs: null }));
  const types = range(enums).map((each) => typeOf(world, `${prefix}${each}`, { type: 'enum', cases }));
  const functions = range(enums).map((each) =>
    functionOf(`f${each}`, {
      parameters: types.map((_, position) => ({
        name: `p${position}`,
        value: named(types[(position + turn * each) % enums] ?? assert.fail()),
      })),
    }),
  );
  return {
    ...world,
    imports: functions.map((each) => ({ ...NO_NOTES, type: 'function', name: each.name, function: each })),
  };
}

/** Records in records, with names that are in no other such world. */
function nestedRecords(prefix: string, depth: number): WitWorld {
  const world = worldOf('root', {});
  let inner: WitNamedType = typeOf(world, prefix, { type: 'alias', target: primitive('u8') });
  for (const each of range(depth)) {
    const fields = [{ name: 'inner', docs: null, value: named(inner) }];
    inner = typeOf(world, `${prefix}${each}`, { type: 'record', fields });
  }
  const taking = functionOf('f', { result: named(inner) });
  return { ...world, imports: [{ ...NO_NOTES, type: 'function', name: 'f', function: taking }] };
}

test('W15: a long chain of names is followed once', () => {
  const chain = aliasChain(3_000, 20);
  assert.equal(change(chain, chain)?.impact, 'neutral');
  const long = aliasChain(30_000, 500);
  assert.equal(change(long, long)?.impact, 'neutral');
});

test('W15: pairs of types whose names differ are compared until it takes too much', () => {
  const few = { enums: 10, labels: 100, turn: 1 };
  assert.deepEqual(
    inTime(() => compareWorlds(enumWorld('a', few), enumWorld('b', { ...few, turn: 0 }))),
    [],
  );
  const many = { enums: 300, labels: 10_000, turn: 1 };
  const [before, after] = [enumWorld('a', many), enumWorld('b', { ...many, turn: 0 })];
  assertTooLarge(() => compareWorlds(before, after));
});

test('W15: pairs of short types count too', () => {
  const many = { enums: 1_500, labels: 1, turn: 1 };
  const [before, after] = [enumWorld('a', many), enumWorld('b', { ...many, turn: 0 })];
  assertTooLarge(() => compareWorlds(before, after));
});

test('P12: types in types are compared as deep as they may be, and no deeper', () => {
  const compared = (depth: number) => inTime(() => compareWorlds(nestedRecords('a', depth), nestedRecords('b', depth)));
  assert.deepEqual(compared(200), []);
  assertTooLarge(() => compared(50_000));
});
