import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readStructure, readWasm } from '../../src/content/binary/wasm-binary.ts';
import { decodeWit } from '../../src/content/wit/decode.ts';
import { type ErrorCode, isRegistryError } from '../../src/errors.ts';
import {
  PRIMITIVE,
  SORT,
  aliasOfExport,
  aliasSection,
  bytes,
  component,
  custom,
  declare,
  exportSection,
  exported,
  extern,
  importSection,
  imported,
  index,
  instanceSection,
  module,
  name,
  section,
  type,
  typeSection,
  uleb,
  vector,
} from './wasm-bytes.ts';

/** Generous on a busy machine: what these guard against would take hours. */
const READ_MS_MAX = 10_000;
const HEAP_BYTES_MAX = 200_000_000;

function times(count: number, part: Uint8Array): Uint8Array {
  const all = new Uint8Array(part.length * count);
  for (let i = 0; i < count; i++) all.set(part, i * part.length);
  return all;
}

/** A component with one function that has the last of some types. */
function usingLast(types: readonly Uint8Array[]): Uint8Array {
  const last = types.length - 1;
  return component(
    section(7, vector([...types, type.function([['a', index(last)]], null)])),
    importSection(imported('f', extern.function(last + 1))),
  );
}

function nestedComponents(depth: number): Uint8Array {
  let inner = component();
  for (let i = 0; i < depth; i++) inner = component(section(4, inner));
  return inner;
}

/** Instance types in instance types: only lengths are absent in types, so this is small however deep. */
function nestedTypes(depth: number): Uint8Array {
  const open = times(depth, bytes(0x42, 0x01, 0x01));
  return component(section(7, bytes(0x01, open, 0x42, 0x00)));
}

/** Each component makes two instances of the one before, and its type is a pair of theirs. */
function doublingInstances(depth: number): Uint8Array {
  const instances = instanceSection(bytes(0x00, uleb(0), vector([])), bytes(0x00, uleb(0), vector([])));
  let inner = component(typeSection(type.list(PRIMITIVE.u8)), exportSection(exported('t', SORT.type, 0)));
  for (let i = 0; i < depth; i++) {
    inner = component(
      section(4, inner),
      instances,
      aliasSection(aliasOfExport(SORT.type, 0, 't'), aliasOfExport(SORT.type, 1, 't')),
      typeSection(type.tuple(index(0), index(1))),
      exportSection(exported('t', SORT.type, 2)),
    );
  }
  return component(
    section(4, inner),
    instanceSection(bytes(0x00, uleb(0), vector([]))),
    exportSection(exported('i', SORT.instance, 0)),
  );
}

/** A component that imports types of 10,000 parts each. */
function manyParts(types: number, code: number, part: Uint8Array): Uint8Array {
  const one = bytes(code, uleb(10_000), times(10_000, part));
  const imports = Array.from({ length: types }, (_, each) => imported(`x${each}`, extern.type(each)));
  return component(section(7, bytes(uleb(types), times(types, one))), importSection(...imports));
}

/** A component that imports one type of instance again and again, with an enum of long labels in it. */
function longLabels(instances: number, labels: number): Uint8Array {
  const label = 'a'.repeat(100_000);
  const one = type.enum(...Array.from({ length: labels }, () => label));
  const inside = type.instance(declare.type(one), declare.export('e', extern.type(0)));
  return component(
    typeSection(inside),
    importSection(...Array.from({ length: instances }, (_, each) => imported(`i${each}`, extern.instance(0)))),
  );
}

const primitiveTypes = (count: number): Uint8Array => bytes(uleb(count), times(count, Uint8Array.of(0x7f)));

interface HostileCase {
  readonly title: string;
  readonly contents: () => Uint8Array;
  readonly read: (contents: Uint8Array) => unknown;
  /** `null` where it is allowed, and only has to be fast. */
  readonly code: ErrorCode | null;
}

const CASES: readonly HostileCase[] = [
  {
    title: '1,000,000 types of a component',
    contents: () => component(section(7, primitiveTypes(1_000_000))),
    read: decodeWit,
    code: null,
  },
  {
    title: 'more types than that',
    contents: () => component(section(7, primitiveTypes(1_000_001))),
    read: decodeWit,
    code: 'content/policy',
  },
  {
    title: '1,000,000 types of a WIT package',
    contents: () =>
      component(
        section(7, primitiveTypes(1_000_000)),
        typeSection(type.component()),
        exportSection(exported('x', SORT.type, 1_000_000)),
      ),
    read: readWasm,
    code: 'content/policy',
  },
  {
    title: '1,000,000 types of a core module',
    contents: () => module(section(1, bytes(uleb(1_000_000), times(1_000_000, bytes(0x60, 0, 0))))),
    read: readWasm,
    code: null,
  },
  {
    title: 'a second section of types in a core module',
    contents: () =>
      module(
        section(1, vector([bytes(0x60, 0, 0)])),
        section(1, bytes(uleb(2), bytes(0x60, 1, 0x7f, 0), bytes(0x60, 0, 1, 0x7f))),
      ),
    read: readWasm,
    code: 'content/malformed',
  },
  {
    title: '16,000,000 labels of enums',
    contents: () => manyParts(1_600, 0x6d, bytes(1, 0x61)),
    read: decodeWit,
    code: 'content/policy',
  },
  {
    title: '16,000,000 labels of flags',
    contents: () => manyParts(1_600, 0x6e, bytes(1, 0x61)),
    read: decodeWit,
    code: 'content/policy',
  },
  {
    title: '8,000,000 cases without anything in them',
    contents: () => manyParts(800, 0x71, bytes(1, 0x61, 0, 0)),
    read: decodeWit,
    code: 'content/policy',
  },
  {
    title: '450,000 labels of enums',
    contents: () => manyParts(45, 0x6d, bytes(1, 0x61)),
    read: decodeWit,
    code: null,
  },
  {
    title: 'labels of 100,000 bytes in 10,000 instances',
    contents: () => longLabels(10_000, 100),
    read: decodeWit,
    code: 'content/policy',
  },
  {
    title: '1,000,000 sections',
    contents: () => component(times(1_000_000, bytes(7, 1, 0))),
    read: readWasm,
    code: 'content/policy',
  },
  {
    title: '1,000,000 imports',
    contents: () => module(section(2, bytes(uleb(1_000_000), times(1_000_000, bytes(0, 0, 0x03, 0x7f, 0))))),
    read: readWasm,
    code: 'content/policy',
  },
  {
    title: 'components, 10,000 deep',
    contents: () => nestedComponents(10_000),
    read: readStructure,
    code: 'content/policy',
  },
  { title: 'types, 10,000 deep', contents: () => nestedTypes(10_000), read: decodeWit, code: 'content/policy' },
  {
    title: 'a type of a type of a type, 100,000 times',
    contents: () =>
      usingLast([type.list(PRIMITIVE.u8), ...Array.from({ length: 100_000 }, (_, i) => type.list(index(i)))]),
    read: decodeWit,
    code: 'content/policy',
  },
  {
    title: 'pairs of pairs, 2^90 when written out',
    contents: () =>
      usingLast([type.list(PRIMITIVE.u8), ...Array.from({ length: 90 }, (_, i) => type.tuple(index(i), index(i)))]),
    read: decodeWit,
    code: 'content/policy',
  },
  {
    title: 'instances that double 60 times',
    contents: () => doublingInstances(60),
    read: decodeWit,
    code: 'content/policy',
  },
  {
    title: 'a chain of 100,000 exports of exports',
    contents: () =>
      component(
        typeSection(type.enum('a')),
        section(
          11,
          bytes(uleb(100_000), ...Array.from({ length: 100_000 }, (_, i) => exported(`t${i}`, SORT.type, i))),
        ),
      ),
    read: decodeWit,
    code: null,
  },
  {
    title: 'the same chain, asked for from its end',
    contents: () =>
      component(
        typeSection(type.enum('a')),
        section(11, bytes(uleb(1_000), ...Array.from({ length: 1_000 }, (_, i) => exported(`t${i}`, SORT.type, i)))),
        typeSection(type.function([['a', index(1_000)]], null)),
        importSection(imported('f', extern.function(1_001))),
      ),
    read: decodeWit,
    code: 'content/policy',
  },
  {
    title: 'a type that is its own export',
    contents: () => component(exportSection(exported('t', SORT.type, 0))),
    read: decodeWit,
    code: 'content/malformed',
  },
  {
    title: 'a custom section of 50 MB',
    contents: () => component(custom('authors', new Uint8Array(50_000_000))),
    read: readWasm,
    code: null,
  },
  {
    title: 'package-docs, nested 100,000 deep',
    contents: () => component(custom('package-docs', bytes(0x01, times(100_000, Uint8Array.of(0x5b))))),
    read: decodeWit,
    code: null,
  },
  {
    title: 'a name of 200,000 bytes',
    contents: () => component(importSection(bytes(0x00, name('a'.repeat(200_000)), extern.function(0)))),
    read: readWasm,
    code: 'content/policy',
  },
  {
    title: 'a name that two readings of a pattern could fight over',
    contents: () => component(importSection(imported(`${'a-'.repeat(40_000)}!`, extern.function(0)))),
    read: readWasm,
    code: null,
  },
  {
    title: '100,000 fields',
    contents: () => usingLast([bytes(0x72, uleb(100_000), times(100_000, bytes(name('a'), PRIMITIVE.u8)))]),
    read: decodeWit,
    code: 'content/policy',
  },
  {
    title: 'an alias that reaches out of everything',
    contents: () =>
      component(
        aliasSection(bytes(SORT.type, 0x02, uleb(4_000_000_000), 0)),
        exportSection(exported('t', SORT.type, 0)),
      ),
    read: decodeWit,
    code: 'content/malformed',
  },
];

for (const { title, contents, read, code } of CASES) {
  test(`P12: ${title}`, () => {
    const made = contents();
    const before = process.memoryUsage().heapUsed;
    const start = performance.now();
    if (code === null) read(made);
    else
      assert.throws(
        () => read(made),
        (failure) => isRegistryError(failure, code),
      );
    assert.ok(performance.now() - start < READ_MS_MAX, 'it takes too long');
    assert.ok(process.memoryUsage().heapUsed - before < HEAP_BYTES_MAX, 'it takes too much memory');
  });
}
