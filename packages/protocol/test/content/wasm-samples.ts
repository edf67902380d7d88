import {
  PRIMITIVE,
  SORT,
  aliasOfExport,
  aliasSection,
  attributedName,
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
  textSection,
  type,
  typeSection,
  uleb,
  vector,
} from './wasm-bytes.ts';

const I32 = 0x7f;
const I64 = 0x7e;

/** A core module with an import and an export of every sort. */
export function sampleModule(): Uint8Array {
  const types = vector([bytes(0x60, vector([I32, I64]), vector([I32])), bytes(0x60, vector([]), vector([]))]);
  const imports = vector([
    bytes(name('env'), name('add'), 0x00, 0x00),
    bytes(name('env'), name('table'), 0x01, 0x70, 0x01, 1, 9),
    bytes(name('env'), name('memory'), 0x02, 0x05, 0x01, 0x10),
    bytes(name('env'), name('base'), 0x03, I32, 0x01),
    bytes(name('env'), name('failure'), 0x04, 0x00, 0x01),
  ]);
  const exports = vector([
    bytes(name('run'), 0x00, 1),
    bytes(name('again'), 0x00, 0),
    bytes(name('offset'), 0x03, 1),
    bytes(name('heap'), 0x02, 1),
  ]);
  return module(
    section(1, types),
    section(2, imports),
    section(3, vector([1])),
    section(5, vector([bytes(0x00, 3)])),
    section(6, vector([bytes(I64, 0x00, 0x42, 0x7f, 0x0b)])),
    section(7, exports),
    section(10, vector([bytes(2, 0, 0x0b)])),
    custom('name', bytes(0x00, uleb(name('tiny').length), name('tiny'))),
    textSection('authors', 'Ada'),
    custom('producers', vector([bytes(name('language'), vector([bytes(name('C'), name('17'))]))])),
    custom('.dep-v0', [0x78, 0x9c, 1, 2, 3]),
  );
}

const entryType = type.record(['key', PRIMITIVE.string], ['size', PRIMITIVE.u64]);

/** The type of an instance with a resource, a record and functions. */
const storeType = type.instance(
  declare.export('bucket', extern.resource()),
  declare.type(entryType),
  declare.export('entry', extern.type(1)),
  declare.type(type.borrow(0)),
  declare.type(type.own(0)),
  declare.type(type.list(index(2))),
  declare.type(type.function([['self', index(3)]], index(5))),
  declare.export('[method]bucket.entries', extern.function(6)),
  declare.type(type.function([], index(4))),
  declare.export('[constructor]bucket', extern.function(7)),
);

/** A component: an interface that it imports, types of it that the world and an export use, and a function. */
export function sampleComponent(): Uint8Array {
  return component(
    typeSection(storeType),
    importSection(imported('acme:store/buckets@1.2.3', extern.instance(0))),
    aliasSection(aliasOfExport(SORT.type, 0, 'entry')),
    importSection(imported('entry', extern.type(1))),
    typeSection(type.asyncFunction([['first', index(2)]], index(2))),
    importSection(imported('pick', extern.function(3))),
    section(1, sampleModule()),
    section(4, reexporter()),
    instanceSection(
      bytes(
        0x00,
        uleb(0),
        vector([
          bytes(name('import-type-entry'), SORT.type, uleb(1)),
          bytes(name('import-func-pick'), SORT.function, uleb(0)),
        ]),
      ),
    ),
    exportSection(exported('acme:pick/picker@0.1.0', SORT.instance, 1), exported('pick-one', SORT.function, 0)),
    textSection('version', '1.2.3'),
    textSection('licenses', 'MIT OR Apache-2.0'),
  );
}

/** As component tools make them, to give what they export types with names. */
function reexporter(): Uint8Array {
  return component(
    typeSection(entryType),
    importSection(imported('import-type-entry', extern.type(0))),
    typeSection(type.asyncFunction([['first', index(1)]], index(1))),
    importSection(imported('import-func-pick', extern.function(2))),
    exportSection(exported('entry', SORT.type, 1)),
    typeSection(type.asyncFunction([['first', index(3)]], index(3))),
    exportSection(bytes(0x00, name('pick'), SORT.function, 0, 0x01, extern.function(4))),
  );
}

const DOCS = JSON.stringify({
  docs: 'A store.\n',
  interfaces: {
    buckets: {
      docs: 'Where things are.\nAll of them.',
      stability: { stable: { since: '1.0.0' } },
      types: { entry: { docs: 'One thing.', items: { key: 'Its name.' } } },
      funcs: { '[method]bucket.entries': { docs: 'What is in it.', stability: { unstable: { feature: 'listing' } } } },
    },
  },
  worlds: {
    user: {
      docs: 'Who uses it.',
      interface_import_docs: { 'acme:store/buckets@1.2.3': 'The store.' },
      funcs: { go: 'Goes.' },
    },
  },
});

/** The interface and the world of one package, each exported by itself as tools do today. */
export function samplePackage(): Uint8Array {
  return component(
    typeSection(
      type.component(declare.type(storeType), declare.export('acme:store/buckets@1.2.3', extern.instance(0))),
    ),
    exportSection(exported('buckets', SORT.type, 0)),
    typeSection(
      type.component(declare.type(userWorld()), declare.export('acme:store/user@1.2.3', extern.component(0))),
    ),
    exportSection(exported('user', SORT.type, 2)),
    custom('package-docs', bytes(0x01, new TextEncoder().encode(DOCS))),
  );
}

function userWorld(): Uint8Array {
  return type.component(
    declare.type(storeType),
    declare.import('acme:store/buckets@1.2.3', extern.instance(0)),
    declare.exportedType(0, 'entry'),
    declare.import('entry', extern.type(1)),
    declare.type(type.function([['which', index(2)]], null)),
    declare.export('go', extern.function(3)),
  );
}

/** The same package under the one name that the first form had, with an interface of another that it uses. */
export function oldSamplePackage(): Uint8Array {
  const poll = type.instance(declare.export('pollable', extern.resource()));
  const local = type.instance(
    declare.outerType(1, 1),
    declare.export('pollable', extern.type(0)),
    declare.type(type.own(1)),
    declare.type(type.function([], index(2))),
    declare.export('wait', extern.function(3)),
  );
  return component(
    typeSection(
      type.component(
        declare.type(poll),
        declare.import('wasi:io/poll@0.2.0', extern.instance(0)),
        declare.exportedType(0, 'pollable'),
        declare.type(local),
        declare.export('acme:old/waiting', extern.instance(2)),
      ),
    ),
    exportSection(exported('acme:old/wit', SORT.type, 0)),
  );
}

/** Shapes and attributes that came late. */
export function modernComponent(): Uint8Array {
  const shapes = type.instance(
    declare.type(type.stream(PRIMITIVE.u8)),
    declare.type(type.future(null)),
    declare.type(type.fixedList(PRIMITIVE.u32, 4)),
    declare.type(type.map(PRIMITIVE.string, index(2))),
    declare.type(type.result(index(0), PRIMITIVE['error-context'])),
    declare.type(type.tuple(index(1), index(3), index(4))),
    declare.type(type.option(index(5))),
    declare.type(type.asyncFunction([['all', index(6)]], null)),
    declare.export('shapes', extern.function(7)),
    declare.type(type.variant(['none', null], ['some', PRIMITIVE.bool])),
    declare.export('choice', extern.type(8)),
    declare.type(type.flags('read', 'write')),
    declare.export('rights', extern.type(10)),
    declare.type(type.enum('red', 'green')),
    declare.export('colour', extern.type(12)),
  );
  return component(
    typeSection(shapes, type.component()),
    importSection(
      bytes(
        attributedName('main-store', { implements: 'acme:store/shapes@0.2', versionSuffix: '.6' }),
        extern.instance(0),
      ),
      bytes(
        attributedName('acme:log/sink@1', { versionSuffix: '.4.0', externalId: 'https://example.com/sink' }),
        extern.instance(0),
      ),
      imported('unlocked-dep=<acme:dep@{>=1.0.0 <2.0.0}>', extern.component(1)),
      imported('locked-dep=<acme:dep@1.2.3>,integrity=<sha256-AAAA>', extern.instance(0)),
      imported('local', extern.instance(0)),
    ),
    section(3, vector([bytes(0x50, vector([]))])),
    importSection(imported('engine', extern.module(0)), imported('answer', extern.value(PRIMITIVE.u32))),
  );
}

export const SAMPLES: Readonly<Record<string, () => Uint8Array>> = {
  module: sampleModule,
  component: sampleComponent,
  package: samplePackage,
  'package, first form': oldSamplePackage,
  modern: modernComponent,
};
