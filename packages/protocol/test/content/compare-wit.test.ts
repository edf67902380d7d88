import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareWit } from '../../src/content/wit/compare-document.ts';
import { missingFor } from '../../src/content/wit/compare-profile.ts';
import { greatestImpact, neededStep, stepFits, type WitImpact } from '../../src/content/wit/compare-versions.ts';
import { compareWorlds } from '../../src/content/wit/compare-world.ts';
import { releaseBefore } from '../../src/content/wit/interface-change.ts';
import type { WitWorld } from '../../src/content/wit/model.ts';
import { parseVersion } from '../../src/names/version.ts';
import { readWit, TYPES } from './wit-samples.ts';

/** Before, after, and what one of them is to the other, both ways: docs/decisions/0021-interface-versions.md. */
type Pair = readonly [before: string, after: string, there: WitImpact, back: WitImpact];

const INTERFACES: readonly Pair[] = [
  ['f: func();', 'f: func();', 'neutral', 'neutral'],
  ['', 'f: func();', 'additive', 'breaking'],
  ['', 'type t = u8;', 'additive', 'breaking'],
  ['', '@unstable(feature = a) f: func();', 'neutral', 'neutral'],
  ['@unstable(feature = a) f: func();', 'f: func();', 'additive', 'breaking'],
  ['@unstable(feature = a) f: func();', '@unstable(feature = a) f: func() -> u8;', 'neutral', 'neutral'],
  ['f: func();', '/// Words.\nf: func();', 'neutral', 'neutral'],
  ['f: func(a: u8);', 'f: func(b: u8);', 'breaking', 'breaking'],
  ['f: func(a: u8);', 'f: func(a: u8, b: u8);', 'breaking', 'breaking'],
  ['f: func();', 'f: func() -> u8;', 'breaking', 'breaking'],
  ['f: func();', 'f: async func();', 'breaking', 'breaking'],
  ['f: func(a: list<u8>);', 'f: func(a: list<u8, 4>);', 'breaking', 'breaking'],
  ['enum e { a }', 'enum e { a, b }', 'breaking', 'breaking'],
  ['variant v { a }', 'variant v { a(u8) }', 'breaking', 'breaking'],
  ['record r { a: u8, b: u8 }', 'record r { b: u8, a: u8 }', 'breaking', 'breaking'],
  ['flags f { a }', 'flags f { a, b }', 'breaking', 'breaking'],
  ['resource r;', 'resource r { a: func(); }', 'additive', 'breaking'],
  ['type t = u8; f: func() -> t;', 'type t = u8; f: func() -> u8;', 'neutral', 'neutral'],
  ['resource r; type s = r; f: func(a: s);', 'resource r; type s = r; f: func(a: r);', 'neutral', 'neutral'],
];

const WORLDS: readonly Pair[] = [
  ['', 'import a: func();', 'breaking', 'additive'],
  ['', 'export a: func();', 'additive', 'breaking'],
  ['import a: func();', 'import a: func(x: u8);', 'breaking', 'breaking'],
  ['import i: interface { }', 'import i: interface { f: func(); }', 'breaking', 'additive'],
  ['export i: interface { }', 'export i: interface { f: func(); }', 'additive', 'breaking'],
  ['import a: func();', 'import a: interface { }', 'breaking', 'breaking'],
  ['', '@unstable(feature = a) import a: func();', 'neutral', 'neutral'],
  ['', 'import i;', 'breaking', 'additive'],
  ['', 'use i.{t};', 'breaking', 'additive'],
  ['import i;', 'use i.{t}; import i;', 'neutral', 'neutral'],
];

function impactOf(before: string, after: string): WitImpact {
  return greatestImpact(compareWit(readWit(before), readWit(after)).map(({ impact }) => impact));
}

function assertPairs(pairs: readonly Pair[], wrap: (text: string, version: string) => string): void {
  for (const [before, after, there, back] of pairs) {
    assert.equal(impactOf(wrap(before, '1.0.0'), wrap(after, '2.0.0')), there, `${before} → ${after}`);
    assert.equal(impactOf(wrap(after, '1.0.0'), wrap(before, '2.0.0')), back, `${after} → ${before}`);
  }
}

test('a change of an interface breaks, adds or does neither', () => {
  assertPairs(INTERFACES, (text, version) => `package a:b@${version}; interface i {\n${text}\n}`);
  assertPairs([['', 'interface i { }', 'additive', 'breaking']], (text, version) => `package a:b@${version};\n${text}`);
});

test('a change of a world is judged for its host', () => {
  assertPairs(WORLDS, (text, version) => `package a:b@${version}; interface i { type t = u8; } world w {\n${text}\n}`);
});

test('a difference names its path', () => {
  const before = readWit(TYPES);
  const after = readWit(TYPES.replace('nothing: func();', '').replace('x: s32', 'x: s64'));
  const found = compareWit(before, after).map(({ path, impact }) => `${impact} ${path}`);
  assert.deepEqual(found, ['breaking shapes/point', 'breaking shapes/nothing']);
});

test('types from elsewhere are the same in versions that can stand for each other', () => {
  const user = (own: string, version: string) =>
    readWit(
      `package a:b@${own}; interface i { use c:d/e@${version}.{r, v}; f: func(a: r) -> v; }`,
      `package c:d@${version}; interface e { resource r; record v { x: u8 } }`,
    );
  const impact = (one: string, other: string) =>
    greatestImpact(compareWit(user('1.0.0', one), user('1.0.1', other)).map((each) => each.impact));
  assert.equal(impact('0.2.0', '0.2.1'), 'neutral');
  assert.equal(impact('0.2.0', '0.3.0'), 'breaking');
});

test(
  'P12: types that are built of types many times over are compared in time that grows with their number',
  { timeout: 20_000 },
  () => {
    const layers = Array.from({ length: 60 }, (_, n) => `record r${n + 1} { a: r${n}, b: r${n} }`).join(' ');
    const world = (name: string) =>
      worldOf(
        `package a:${name}; interface i { record r0 { x: u8 } ${layers} } world w { use i.{r60}; import f: func(a: r60); }`,
      );
    const functions = compareWorlds(world('b'), world('c')).filter(({ path }) => path === 'import f');
    assert.deepEqual(functions, []);
  },
);

test('the step of a version says at least what a change asks for', () => {
  const rows: readonly (readonly [string, WitImpact, string, string, string])[] = [
    // from, impact, needed, fits, does not
    ['1.2.3', 'breaking', 'major', '2.0.0', '1.3.0'],
    ['1.2.3', 'additive', 'minor', '1.3.0', '1.2.4'],
    ['1.2.3', 'neutral', 'patch', '1.2.4', '1.2.2'],
    ['0.2.1', 'breaking', 'minor', '0.3.0', '0.2.2'],
    ['0.2.1', 'additive', 'patch', '0.2.2', '0.2.1'],
    ['0.0.1', 'breaking', 'patch', '0.0.2', '0.0.1'],
    ['1.2.3', 'breaking', 'major', '2.0.0-rc.1', '1.2.4-rc.1'],
  ];
  for (const [from, impact, needed, fitting, short] of rows) {
    assert.equal(neededStep(impact, parseVersion(from)), needed);
    assert.ok(stepFits(impact, parseVersion(from), parseVersion(fitting)), `${from} → ${fitting}`);
    assert.ok(!stepFits(impact, parseVersion(from), parseVersion(short)), `${from} → ${short}`);
  }
  assert.equal(neededStep('breaking', parseVersion('1.0.0-rc.1')), null);
  assert.ok(stepFits('breaking', parseVersion('1.0.0-rc.1'), parseVersion('1.0.0')));
});

const io = (version: string, extra = '') =>
  `package test:io@${version}; interface streams { resource s { read: func() -> list<u8>; ${extra} } } interface out { use streams.{s}; put: func(to: borrow<s>); }`;

function worldOf(text: string, ...dependencies: readonly string[]): WitWorld {
  const [world] = readWit(text, ...dependencies).main.worlds.values();
  if (world === undefined) throw new TypeError('the text has no world');
  return world;
}

function component(items: string, version: string, extra = ''): WitWorld {
  return worldOf(`package c:c; world c {\n${items}\n}`, io(version, extra));
}

test('a component runs in a profile that offers what it imports and asks for what it exports', () => {
  const profile = worldOf(
    'package test:profile@1.0.0; world p { import test:io/out@0.2.3; import log: func(text: string); export run: func(); }',
    io('0.2.3', '@unstable(feature = more) more: func();'),
  );
  const missing = (world: WitWorld) => missingFor(world, profile).map(({ direction, name }) => `${direction} ${name}`);
  const run = 'export run: func();';
  assert.deepEqual(missing(component(run, '0.2.3')), []);
  assert.deepEqual(missing(component(`import test:io/out@0.2.0; import log: func(text: string); ${run}`, '0.2.0')), []);
  assert.deepEqual(missing(component(`use test:io/streams@0.2.0.{s}; ${run}`, '0.2.0')), []);
  assert.deepEqual(missing(component('', '0.2.3')), ['export run']);
  assert.deepEqual(missing(component('export run: func() -> u8;', '0.2.3')), ['export run']);
  assert.deepEqual(missing(component(`import log: func(); ${run}`, '0.2.3')), ['import log']);
  assert.deepEqual(missing(component(`import other: func(); ${run}`, '0.2.3')), ['import other']);
  assert.deepEqual(missing(component(`import test:io/out@0.2.4; ${run}`, '0.2.4')), [
    'import test:io/streams@0.2.4',
    'import test:io/out@0.2.4',
  ]);
  assert.deepEqual(missing(component(`import test:io/streams@0.3.0; ${run}`, '0.3.0')), [
    'import test:io/streams@0.3.0',
  ]);
  assert.deepEqual(missing(component(`import test:io/streams@0.2.0; ${run}`, '0.2.0', 'more: func();')), [
    'import test:io/streams@0.2.0',
  ]);
  assert.deepEqual(
    missing({ ...component(run, '0.2.3'), imports: [{ type: 'other', name: 'runtime', kind: 'module' }] }),
    ['import runtime'],
  );
});

test('types of the world itself are held against those of the profile', () => {
  const profile = worldOf(
    'package test:p@1.0.0; world p { record t { a: u32 } import f: func(x: t); export g: func() -> t; }',
  );
  const missing = (items: string) =>
    missingFor(worldOf(`package c:c; world c {\n${items}\n}`), profile).map(
      ({ direction, name }) => `${direction} ${name}`,
    );
  const functions = 'import f: func(x: t); export g: func() -> t;';
  assert.deepEqual(missing(`record t { a: u32 } ${functions}`), []);
  assert.deepEqual(missing(`record t { a: string } ${functions}`), ['import t']);
  assert.deepEqual(missing(`resource t; ${functions}`), ['import t', 'import f', 'export g']);
  assert.deepEqual(missing('record u { a: string } import f: func(x: u); export g: func() -> u;'), [
    'import f',
    'export g',
  ]);
  assert.deepEqual(missing('record u { a: u32 } import f: func(x: u); export g: func() -> u;'), []);
});

test('admission 8.2: a version is held against the newest stable release below it', () => {
  const releases = ['1.0.0', '2.0.0', '1.10.0', '1.9.0', '1.11.0-rc.1'].map((text) => ({
    version: parseVersion(text),
  }));
  const cases: readonly (readonly [version: string, before: string | null])[] = [
    ['1.0.0', null],
    ['1.0.1', '1.0.0'],
    ['1.10.0', '1.9.0'],
    ['1.11.0', '1.10.0'],
    ['2.0.0-rc.1', '1.10.0'],
    ['3.0.0', '2.0.0'],
    ['0.1.0', null],
  ];
  for (const [version, before] of cases) {
    assert.equal(releaseBefore(releases, parseVersion(version))?.version ?? null, before, version);
  }
});
