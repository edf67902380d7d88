import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Dice, FULL, SEED } from '@waybill/tools/test-scale';
import { encodeWit } from '../../src/content/wit/encode-package.ts';
import { worldItemName } from '../../src/content/wit/identity.ts';
import { parseWit, type WitText } from '../../src/content/wit/resolve-document.ts';
import { isRegistryError } from '../../src/errors.ts';
import { readWit, SAMPLES, TYPES, WORLDS } from './wit-samples.ts';

const MUTANTS = FULL ? 200_000 : 4_000;

/** A clause of WIT.md, a text that keeps it, one that does not, and the line and column at which that is said. */
interface Case {
  readonly clause: string;
  readonly valid: string;
  readonly invalid: string;
  readonly at: readonly [number, number];
}

const IN_INTERFACE: readonly Case[] = [
  { clause: 'Keywords', valid: 'f: func(%type: u8);', invalid: 'f: func(type: u8);', at: [2, 9] },
  { clause: 'WIT Identifiers', valid: 'a-B2-3c: func();', invalid: 'a--b: func();', at: [2, 1] },
  { clause: 'WIT Identifiers', valid: 'ABC: func();', invalid: 'aBC: func();', at: [2, 1] },
  { clause: 'Comments', valid: '/* a /* b */ c */ f: func();', invalid: '/* a /* b */ f: func();', at: [2, 1] },
  {
    clause: 'Feature Gates',
    valid: '@since(version = 1.0.0) f: func();',
    invalid: '@since(version = 2.0.0) f: func();',
    at: [2, 1],
  },
  {
    clause: 'Feature Gates',
    valid: '@unstable(feature = a) f: func();',
    invalid: '@deprecated(version = 1.0.0) f: func();',
    at: [2, 1],
  },
  { clause: 'Feature Gates', valid: 'f: func();', invalid: '@since(version = 1.0) f: func();', at: [2, 18] },
  { clause: 'Name resolution', valid: 'type a = b; type b = u8;', invalid: 'type a = b; type b = c;', at: [2, 22] },
  {
    clause: 'Name resolution',
    valid: 'type a = u8; type b = a;',
    invalid: 'record a { x: b } record b { x: a }',
    at: [2, 8],
  },
  { clause: 'Name resolution', valid: 'type a = u8;', invalid: 'type a = u8; A: func();', at: [2, 14] },
  { clause: 'Item: record', valid: 'record r { a: u8, }', invalid: 'record r { }', at: [2, 10] },
  { clause: 'Item: record', valid: 'record r { a: u8, b: u8 }', invalid: 'record r { a: u8, a: u8 }', at: [2, 19] },
  {
    clause: 'Item: resource',
    valid: 'resource r { constructor() -> result<r>; }',
    invalid: 'resource r { constructor() -> r; }',
    at: [2, 14],
  },
  {
    clause: 'Item: resource',
    valid: 'resource r { a: func(); }',
    invalid: 'resource r { a: func(); a: static func(); }',
    at: [2, 25],
  },
  {
    clause: 'Item: resource',
    valid: 'resource r { a: func(b: u8); }',
    invalid: 'resource r { a: func(self: u8); }',
    at: [2, 22],
  },
  {
    clause: 'Handles',
    valid: 'resource r; f: func(a: borrow<r>) -> r;',
    invalid: 'resource r; f: func() -> list<borrow<r>>;',
    at: [2, 13],
  },
  {
    clause: 'Handles',
    valid: 'resource r; type s = r; f: func(a: own<s>);',
    invalid: 'type r = u8; f: func(a: own<r>);',
    at: [2, 29],
  },
  { clause: 'Types', valid: 'type a = list<u8, 4294967295>;', invalid: 'type a = list<u8, 4294967296>;', at: [2, 19] },
  { clause: 'Types', valid: 'type a = map<string, f32>;', invalid: 'type a = map<f32, string>;', at: [2, 14] },
  { clause: 'Types', valid: 'type a = result<_, u8>;', invalid: 'type a = result<_>;', at: [2, 18] },
  { clause: 'Types', valid: 'type a = tuple<u8>;', invalid: 'type a = tuple<>;', at: [2, 17] },
  { clause: 'WIT Functions', valid: 'f: func(a: u8, b: u8);', invalid: 'f: func(a: u8, A: u8);', at: [2, 16] },
];

const IN_PACKAGE: readonly Case[] = [
  {
    clause: 'Item: use',
    valid: 'interface a { type t = u8; } interface b { use a.{t as u}; }',
    invalid: 'interface a { } interface b { use a.{t}; }',
    at: [2, 38],
  },
  { clause: 'Item: use', valid: 'interface a { }', invalid: 'interface a { use b.{t}; }', at: [2, 19] },
  {
    clause: 'WIT Packages and use',
    valid: 'interface a { }',
    invalid: 'interface a { use b.{t}; type t = u8; } interface b { use a.{t}; }',
    at: [2, 11],
  },
  { clause: 'Top-level use', valid: 'use a as b; interface a { }', invalid: 'use c as b; interface a { }', at: [2, 5] },
  { clause: 'Package declaration', valid: 'interface a { }', invalid: 'use c:d/e; interface a { }', at: [2, 5] },
  {
    clause: 'Item: world',
    valid: 'interface a { } world w { import a; export a; }',
    invalid: 'interface a { } world w { import a; import a; }',
    at: [2, 44],
  },
  {
    clause: 'Item: world',
    valid: 'interface a { } world w { import b: a; import c: a; }',
    invalid: 'world v { } world w { import b: v; }',
    at: [2, 30],
  },
  {
    clause: 'Name Conflicts and with',
    valid: 'world v { import a: func(); } world w { import a: func(); include v with { a as b } }',
    invalid: 'world v { import a: func(); } world w { import a: func(); include v; }',
    at: [2, 67],
  },
  {
    clause: 'Name Conflicts and with',
    valid: 'interface a { } world v { import a; } world w { import a; include v; }',
    invalid: 'interface a { } world v { import a; } world w { include v with { a as b } }',
    at: [2, 66],
  },
  {
    clause: 'Item: include',
    valid: 'world w { include v; } world v { }',
    invalid: 'world w { include v; } world v { include w; }',
    at: [2, 7],
  },
];

function assertRefusedAt(read: () => unknown, at: readonly [number, number], clause: string): void {
  assert.throws(read, (failure) => {
    assert.ok(isRegistryError(failure, 'content/wit'), clause);
    assert.deepEqual([failure.detail['line'], failure.detail['column']], at, `${clause}: ${failure.message}`);
    return true;
  });
}

function assertRefused(read: () => unknown): void {
  assert.throws(read, (failure) => isRegistryError(failure, 'content/wit'));
}

test('WIT text is read, or refused with the place, clause by clause', () => {
  for (const { clause, valid, invalid, at } of IN_INTERFACE) {
    readWit(`package a:b@1.0.0; interface i {\n${valid}\n}`);
    assertRefusedAt(() => readWit(`package a:b@1.0.0; interface i {\n${invalid}\n}`), at, clause);
  }
  for (const { clause, valid, invalid, at } of IN_PACKAGE) {
    readWit(`package a:b@1.0.0;\n${valid}`);
    assertRefusedAt(() => readWit(`package a:b@1.0.0;\n${invalid}`), at, clause);
  }
});

test('a package is all its files, in the order of their paths', () => {
  const file = (path: string, text: string) => ({ path, text });
  const main = [
    file('b.wit', 'interface second { use first.{t}; }'),
    file('a.wit', '/// Docs.\npackage a:b; interface first { type t = u8; }'),
    file('c.wit', 'use second as other; world w { import other; }'),
  ];
  const document = parseWit({ main, dependencies: [] });
  assert.deepEqual([...document.main.interfaces.keys()], ['first', 'second']);
  assert.equal(document.main.docs, 'Docs.');
  const bytes = encodeWit(document);
  assert.deepEqual(encodeWit(parseWit({ main: main.toReversed(), dependencies: [] })), bytes);
  const others: readonly WitText['main'][] = [
    [file('a.wit', 'interface a { }')],
    [file('a.wit', 'package a:b;'), file('b.wit', 'package a:c;')],
    [file('a.wit', '// one\npackage a:b;'), file('b.wit', '// two\npackage a:b;')],
    [file('a.wit', 'package a:b; interface i { }'), file('b.wit', 'interface i { }')],
    [file('a.wit', 'package a:b; use i as j; interface i { }'), file('b.wit', 'world w { import j; }')],
    [],
  ];
  for (const wrong of others) assertRefused(() => parseWit({ main: wrong, dependencies: [] }));
});

test('packages that are named must be given, in the version that is named, and name no circle', () => {
  readWit('package a:b; world w { import c:d/e@1.0.0; }', 'package c:d@1.0.0; interface e { }');
  for (const [main, ...rest] of [
    ['package a:b; world w { import c:d/e@1.0.1; }', 'package c:d@1.0.0; interface e { }'],
    ['package a:b; world w { import c:d/e; }', 'package c:d@1.0.0; interface e { }'],
    ['package a:b; world w { import c:d/f@1.0.0; }', 'package c:d@1.0.0; interface e { }'],
    ['package a:b; world w { import c:d/e; }', 'package c:d; interface e { use a:b/g.{t}; }'],
    ['package a:b; interface g { } world w { import a:b/g; }'],
    ['package a:b;', 'package a:b;'],
  ] as const) {
    assertRefused(() => readWit(main, ...rest));
  }
});

test('a document has the packages that it takes something from, and no others', () => {
  const document = readWit(
    'package a:a; world w { import b:b/i; }',
    'package z:z; interface i { type t = u8; }',
    'package b:b; interface i { use z:z/i.{t}; }',
    'package c:c; interface i { }',
  );
  assert.deepEqual(
    document.dependencies.map(({ id }) => `${id.namespace}:${id.name}`),
    ['z:z', 'b:b'],
  );
});

test('a world has all that its items need, in one order', () => {
  const { main } = readWit(WORLDS, TYPES);
  const names = (main.worlds.get('whole')?.imports ?? []).map(worldItemName);
  assert.deepEqual(names, [
    'waybill:shapes/shapes@1.2.0',
    'waybill:shapes/users@1.2.0',
    'second',
    'log',
    'spot',
    'grip',
    'somewhere',
    '[constructor]grip',
    '[method]grip.close',
  ]);
});

test('an interface that exports need from both sides is refused', () => {
  const text =
    'package a:b; interface a { type t = u8; } interface b { use a.{t}; } interface c { use a.{t}; use b.{t as u}; }';
  readWit(`${text} world w { export a; export b; export c; }`);
  assertRefused(() => readWit(`${text} world w { export a; export c; }`));
});

test('what is said of an item is all of its comments, without their marks and their indent', () => {
  const docs = (text: string) =>
    readWit(`package a:b; interface i {\n${text}\nf: func(); }`).main.interfaces.get('i')?.functions.get('f')?.docs;
  assert.equal(docs(''), null);
  assert.equal(docs('///'), '');
  assert.equal(docs('///  one\n///    two\n///\n// three'), ' one\n   two\n\nthree');
  assert.equal(docs('/** one\r\n    two */'), 'one\n    two');
});

test('W4: hostile text is refused or read in time that grows with its length', { timeout: 60_000 }, () => {
  const size = 300_000;
  const many = (text: string) => text.repeat(size);
  for (const text of [
    `package a:b; /**${many('\n')}x*/ interface i { }`,
    `package a:b; ${many('// x\n')} interface i { }`,
    `package a:b; interface i { type t = ${many('list<')}u8; }`,
    `package a:b; ${many('/*')}`,
    `package a:b; "${many('\\a')}`,
    `package a:b; interface ${many('a-')}`,
    `package a:b; interface a${many('-1')}_ { }`,
    `package a:b@1.0.0-${many('0.')};`,
    `package ${many('a:')}b;`,
  ]) {
    try {
      readWit(text);
    } catch (failure) {
      assert.ok(isRegistryError(failure, 'content/wit'), String(failure));
    }
  }
});

test('P12: a text that asks for more than the limits is refused', () => {
  const doubling = Array.from(
    { length: 30 },
    (_, n) => `world w${n + 1} { include w${n}; include w${n} with { a as b${n} } }`,
  );
  const chain = Array.from({ length: 1_100 }, (_, n) => `interface i${n + 1} { use i${n}.{t}; }`);
  for (const text of [
    `package a:b; world w0 { import a: func(); } ${doubling.join('\n')}`,
    `package a:b; interface i0 { type t = u8; } ${chain.join('\n')}`,
    `package a:b; interface i { ${'f: func();'.repeat(200_000)} }`,
    `package a:b; // ${'x'.repeat(9_000_000)}`,
    `package a:b; interface i { flags f { ${Array.from({ length: 33 }, (_, n) => `f${n}`).join()} } }`,
  ]) {
    assertRefused(() => readWit(text));
  }
});

test('P12: mutated text is read, or refused with a place; what is read has a binary form', () => {
  const dice = new Dice(SEED);
  const pieces = SAMPLES.flat().flatMap((text) => text.split(/(?<=[^A-Za-z0-9-])|(?=[^A-Za-z0-9-])/));
  let read = 0;
  for (let round = 0; round < MUTANTS; round++) {
    const [main, ...dependencies] = dice.of(SAMPLES);
    const parts = main.split(/(?<=[^A-Za-z0-9-])|(?=[^A-Za-z0-9-])/);
    for (let change = 1 + dice.below(3); change > 0; change--) {
      parts.splice(dice.below(parts.length), dice.below(3), ...(dice.oneIn(2) ? [dice.of(pieces)] : []));
    }
    const text = parts.join('');
    try {
      encodeWit(readWit(text, ...dependencies));
      read++;
    } catch (failure) {
      assert.ok(isRegistryError(failure, 'content/wit'), `seed ${SEED}, round ${round}: ${String(failure)}\n${text}`);
    }
  }
  assert.ok(read > MUTANTS / 100, `${read} of ${MUTANTS} are read`);
});
