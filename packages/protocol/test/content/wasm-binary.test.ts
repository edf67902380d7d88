import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseComponentName } from '../../src/content/binary/import-name.ts';
import { WASM_LIMITS } from '../../src/content/binary/limits.ts';
import { WasmOutlineReader } from '../../src/content/binary/outline-reader.ts';
import { type WasmOutline, readStructure, readWasm } from '../../src/content/binary/wasm-binary.ts';
import { isRegistryError } from '../../src/errors.ts';
import {
  bytes,
  component,
  custom,
  exportSection,
  importSection,
  module,
  name,
  section,
  textSection,
  uleb,
} from './wasm-bytes.ts';
import {
  SAMPLES,
  modernComponent,
  oldSamplePackage,
  sampleComponent,
  sampleModule,
  samplePackage,
} from './wasm-samples.ts';

function inChunks(contents: Uint8Array, size: number): WasmOutline {
  const reader = new WasmOutlineReader();
  for (let at = 0; at < contents.length; at += size) reader.update(contents.subarray(at, at + size));
  return reader.finish();
}

function skipping(contents: Uint8Array, size: number): { readonly outline: WasmOutline; readonly skipped: number } {
  const reader = new WasmOutlineReader();
  let skipped = 0;
  for (let at = 0; at < contents.length;) {
    const chunk = contents.subarray(at, at + size);
    reader.update(chunk);
    const passed = Math.min(reader.uninteresting, contents.length - at - chunk.length);
    reader.passOver(passed);
    skipped += passed;
    at += chunk.length + passed;
  }
  return { outline: reader.finish(), skipped };
}

test('an outline is the same where bytes of no interest are passed over', () => {
  const CODE = 10;
  const large = module(importSection([]), section(CODE, new Uint8Array(10_000)), custom('x', new Uint8Array(5_000)));
  for (const contents of [...Object.values(SAMPLES).map((sample) => sample()), large]) {
    for (const size of [1, 7, 64]) assert.deepEqual(skipping(contents, size).outline, inChunks(contents, size));
  }
  assert.ok(skipping(large, 64).skipped > 14_000);
});

test('what is to be read cannot be passed over', () => {
  const reader = new WasmOutlineReader();
  reader.passOver(0);
  assert.throws(() => reader.passOver(1), RangeError);
  reader.update(module(importSection([])).subarray(0, 9));
  assert.equal(reader.uninteresting, 0);
  assert.throws(() => reader.passOver(1), RangeError);
});

test('a section that is passed over to the end of a file that is cut is still refused', () => {
  const cut = module(section(10, new Uint8Array(1_000))).subarray(0, 500);
  assert.throws(
    () => skipping(cut, 64),
    (thrown) => isRegistryError(thrown, 'content/malformed'),
  );
});

test('a core module: imports and exports with their types, and what it says of itself', () => {
  const outline = readWasm(sampleModule());
  assert.equal(outline.kind, 'module');
  assert.deepEqual(outline.imports, [
    { module: 'env', name: 'add', externType: { type: 'function', parameters: ['i32', 'i64'], results: ['i32'] } },
    {
      module: 'env',
      name: 'table',
      externType: {
        type: 'table',
        element: 'funcref',
        bounds: { minimum: 1, maximum: 9, isShared: false, is64Bit: false },
      },
    },
    {
      module: 'env',
      name: 'memory',
      externType: { type: 'memory', bounds: { minimum: 1, maximum: 16, isShared: false, is64Bit: true } },
    },
    { module: 'env', name: 'base', externType: { type: 'global', value: 'i32', isMutable: true } },
    { module: 'env', name: 'failure', externType: { type: 'tag', parameters: [], results: [] } },
  ]);
  assert.deepEqual(outline.exports, [
    { name: 'run', externType: { type: 'function', parameters: [], results: [] } },
    { name: 'again', externType: { type: 'function', parameters: ['i32', 'i64'], results: ['i32'] } },
    { name: 'offset', externType: { type: 'global', value: 'i64', isMutable: false } },
    {
      name: 'heap',
      externType: { type: 'memory', bounds: { minimum: 3, maximum: null, isShared: false, is64Bit: false } },
    },
  ]);
  const { metadata } = outline;
  assert.equal(metadata.name, 'tiny');
  assert.equal(metadata.authors, 'Ada');
  assert.deepEqual(metadata.producers, [{ field: 'language', name: 'C', version: '17' }]);
  assert.equal(metadata.auditableBytes, 5);
  assert.deepEqual(metadata.notAnalysed, []);
});

test('a component: what it imports and exports by name and sort, with the attributes of names', () => {
  const outline = readWasm(sampleComponent());
  assert.equal(outline.kind, 'component');
  const shown = [...outline.imports, ...outline.exports].map((one) => ('sort' in one ? [one.name, one.sort] : []));
  assert.deepEqual(shown, [
    ['acme:store/buckets@1.2.3', 'instance'],
    ['entry', 'type'],
    ['pick', 'function'],
    ['acme:pick/picker@0.1.0', 'instance'],
    ['pick-one', 'function'],
  ]);
  assert.equal(outline.metadata.version, '1.2.3');
  assert.equal(outline.metadata.licenses, 'MIT OR Apache-2.0');

  const modern = readWasm(modernComponent());
  assert.notEqual(modern.kind, 'module');
  const attributes = modern.imports.map((one) => ('attributes' in one ? one.attributes : null));
  assert.deepEqual(attributes[0], { implements: 'acme:store/shapes@0.2', versionSuffix: '.6', externalId: null });
  assert.deepEqual(attributes[1], { implements: null, versionSuffix: '.4.0', externalId: 'https://example.com/sink' });
});

test('a WIT package in both forms is told from a component; one export of another kind makes it a component', () => {
  assert.equal(readWasm(samplePackage()).kind, 'wit-package');
  assert.equal(readWasm(oldSamplePackage()).kind, 'wit-package');
  const plainType = component(
    section(7, bytes(1, 0x40, 0, 1, 0)),
    exportSection(bytes(0x00, name('t'), 0x03, 0, 0x00)),
  );
  assert.equal(readWasm(plainType).kind, 'component');
  assert.equal(readWasm(component()).kind, 'component');
});

test('the structure: every module and component inside, with offsets of the file', () => {
  const file = sampleComponent();
  const tree = readStructure(file);
  assert.deepEqual([tree.layer, tree.offset, tree.size], ['component', 0, file.length]);
  assert.deepEqual(
    tree.children.map(({ layer, children }) => [layer, children.length]),
    [
      ['module', 0],
      ['component', 0],
    ],
  );
  for (const child of tree.children) {
    const alone = file.slice(child.offset, child.offset + child.size);
    assert.deepEqual(readStructure(alone).sections.length, child.sections.length);
  }
  for (const one of tree.sections) assert.equal(file[one.offset], one.id);
});

const NAMES: readonly (readonly [string, object])[] = [
  ['run', { type: 'plain', name: 'run' }],
  ['[method]request.body', { type: 'plain', name: '[method]request.body' }],
  [
    'wasi:http/types@0.2.3',
    { type: 'interface', namespace: 'wasi', package: 'http', interface: 'types', version: '0.2.3' },
  ],
  [
    'unlocked-dep=<a:b@{>=1.0.0 <2.0.0}>',
    {
      type: 'dependency',
      isLocked: false,
      namespace: 'a',
      package: 'b',
      version: null,
      lower: '1.0.0',
      upper: '2.0.0',
      integrity: null,
    },
  ],
  [
    'unlocked-dep=<a:b@*>',
    {
      type: 'dependency',
      isLocked: false,
      namespace: 'a',
      package: 'b',
      version: null,
      lower: null,
      upper: null,
      integrity: null,
    },
  ],
  [
    'unlocked-dep=<a:b@{<2.0.0}>',
    {
      type: 'dependency',
      isLocked: false,
      namespace: 'a',
      package: 'b',
      version: null,
      lower: null,
      upper: '2.0.0',
      integrity: null,
    },
  ],
  [
    'locked-dep=<a:b@1.0.0>,integrity=<sha256-x>',
    {
      type: 'dependency',
      isLocked: true,
      namespace: 'a',
      package: 'b',
      version: '1.0.0',
      lower: null,
      upper: null,
      integrity: 'sha256-x',
    },
  ],
  [
    'locked-dep=<a:b>',
    {
      type: 'dependency',
      isLocked: true,
      namespace: 'a',
      package: 'b',
      version: null,
      lower: null,
      upper: null,
      integrity: null,
    },
  ],
  ['url=<https://x.test/a>', { type: 'url', url: 'https://x.test/a', integrity: null }],
  ['url=<https://x.test/a>,integrity=<sha256-x>', { type: 'url', url: 'https://x.test/a', integrity: 'sha256-x' }],
  ['integrity=<sha256-x>', { type: 'integrity', integrity: 'sha256-x' }],
  ['locked-dep=<a:b@1.0.0', { type: 'not-analysed', name: 'locked-dep=<a:b@1.0.0' }],
  ['a:b:c/d', { type: 'not-analysed', name: 'a:b:c/d' }],
  ['', { type: 'not-analysed', name: '' }],
];

test('names of imports: plain, of interfaces, and the dependencies that older tools wrote', () => {
  for (const [text, expected] of NAMES) assert.deepEqual(parseComponentName(text), expected, text);
});

test('in chunks of any size the outline is the same as of the whole', () => {
  for (const [title, sample] of Object.entries(SAMPLES)) {
    const whole = readWasm(sample());
    for (const size of [1, 3, 7, 64, 100_000]) assert.deepEqual(inChunks(sample(), size), whole, `${title} by ${size}`);
  }
});

test('in chunks, sections that nobody asks for cost no memory, however large', () => {
  const large = custom('.debug_info', new Uint8Array(WASM_LIMITS.keptBytes + 1));
  const outline = inChunks(module(large, textSection('authors', 'Ada')), 2 * large.length);
  assert.deepEqual([outline.sections.length, outline.metadata.authors], [2, 'Ada']);
  const types = section(1, bytes(0, new Uint8Array(WASM_LIMITS.keptBytes)));
  assert.throws(
    () => inChunks(module(types), 65_536),
    (failure) => isRegistryError(failure, 'content/policy'),
  );
});

test('what is unknown is kept and told, and the rest is read', () => {
  const future = readWasm(bytes([0x00, 0x61, 0x73, 0x6d, 0x0e, 0, 1, 0], textSection('authors', 'Ada')));
  assert.deepEqual([future.version, future.imports, future.metadata.authors], [14, [], 'Ada']);

  const unknownSection = readWasm(component(section(77, [1, 2, 3]), textSection('authors', 'Ada')));
  assert.deepEqual(
    unknownSection.notAnalysed.map(({ id }) => id),
    [77],
  );
  const unknownSort = readWasm(component(importSection(bytes(0x00, name('a'), 0x09, 0))));
  assert.equal(unknownSort.notAnalysed.length, 1);
  const coreUnknown = readWasm(module(section(2, bytes(1, name('a'), name('b'), 0x70))));
  assert.equal(coreUnknown.notAnalysed.length, 1);
  const badDocs = readWasm(component(custom('package-docs', [9, 1, 2]), custom('producers', [200])));
  assert.deepEqual(badDocs.metadata.packageDocs, { version: 9, contents: null });
  assert.deepEqual(badDocs.metadata.notAnalysed, ['producers']);
});

const DAMAGED: readonly (readonly [string, Uint8Array])[] = [
  ['nothing', bytes()],
  ['half a preamble', bytes(0, 0x61, 0x73)],
  ['text', new TextEncoder().encode('not WebAssembly at all')],
  ['layer 2', bytes([0x00, 0x61, 0x73, 0x6d, 1, 0, 2, 0])],
  ['a section beyond the end', module(bytes(1, 100))],
  ['a section without a length', module(bytes(1))],
  ['a length of six bytes', module(bytes(1, 0x80, 0x80, 0x80, 0x80, 0x80, 0))],
  ['a length over 32 bits', module(bytes(1, 0xff, 0xff, 0xff, 0xff, 0x7f))],
  ['a custom section without a name', module(section(0, []))],
  ['a name beyond its section', module(section(0, [200, 1]))],
  ['a name that is not UTF-8', module(section(0, [2, 0xc3, 0x28]))],
  ['more imports than bytes', module(section(2, uleb(4_000_000_000)))],
  ['more exports than bytes', component(section(11, uleb(1_000_000)))],
];

test('P12: lengths that lie and ends that come too early are refused, whole and in chunks', () => {
  for (const [title, contents] of DAMAGED) {
    const isDamaged = (failure: unknown): boolean => isRegistryError(failure, 'content/malformed');
    assert.throws(() => readWasm(contents), isDamaged, title);
    assert.throws(() => inChunks(contents, 1), isDamaged, title);
  }
});
