import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeWit, isProfile } from '../../src/content/wit/decode.ts';
import { printWit } from '../../src/content/wit/print.ts';
import type { WitInterface, WitNamedType, WitType, WitWorld, WitWorldItem } from '../../src/content/wit/model.ts';
import { isRegistryError } from '../../src/errors.ts';
import {
  PRIMITIVE,
  SORT,
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
  type,
  typeSection,
} from './wasm-bytes.ts';
import { modernComponent, oldSamplePackage, sampleComponent, sampleModule, samplePackage } from './wasm-samples.ts';

function rootWorld(contents: Uint8Array): WitWorld {
  const world = decodeWit(contents).main.worlds.get('root');
  assert.ok(world !== undefined);
  return world;
}

function shown(item: WitWorldItem): string {
  if (item.type === 'other') return `${item.name}: ${item.kind}`;
  return `${item.name ?? (item.type === 'interface' ? item.interface.name : '')}: ${item.type}`;
}

function interfaceAt(items: readonly WitWorldItem[], at: number): WitInterface {
  const item = items[at];
  assert.equal(item?.type, 'interface');
  return item.interface;
}

function typeAt(from: WitInterface, name: string): WitNamedType {
  const named = from.types.get(name);
  assert.ok(named !== undefined, name);
  return named;
}

test('the world of a component: types have the identity of the interface that declares them, through every copy', () => {
  const world = rootWorld(sampleComponent());
  assert.deepEqual(world.imports.map(shown), ['buckets: interface', 'entry: type', 'pick: function']);
  assert.deepEqual(world.exports.map(shown), ['picker: interface', 'pick-one: function']);

  const buckets = interfaceAt(world.imports, 0);
  assert.deepEqual(buckets.packageId, { namespace: 'acme', name: 'store', version: '1.2.3' });
  const entry = typeAt(buckets, 'entry');
  assert.equal(entry.definition.type, 'record');
  const used = world.imports[1];
  assert.ok(used?.type === 'type' && used.named.definition.type === 'alias');
  assert.deepEqual(used.named.definition.target, { type: 'named', named: entry });

  const copied = typeAt(interfaceAt(world.exports, 0), 'entry').definition;
  assert.ok(copied.type === 'alias' && copied.target.type === 'named');
  assert.ok([entry, used.named].includes(copied.target.named));
});

test('functions of resources: kind, resource and the name that text has for them', () => {
  const buckets = interfaceAt(rootWorld(sampleComponent()).imports, 0);
  const bucket = typeAt(buckets, 'bucket');
  const entries = buckets.functions.get('[method]bucket.entries');
  assert.deepEqual([entries?.kind, entries?.name, entries?.resource], ['method', 'entries', bucket]);
  assert.deepEqual(entries?.parameters, [{ name: 'self', value: { type: 'borrow', resource: bucket } }]);
  const made = buckets.functions.get('[constructor]bucket');
  assert.deepEqual(
    [made?.kind, made?.name, made?.result],
    ['constructor', 'bucket', { type: 'own', resource: bucket }],
  );
});

/** The same bytes with one text for another of its length. */
function replaced(contents: Uint8Array, before: string, after: string): Uint8Array {
  assert.equal(before.length, after.length);
  const text = Buffer.from(contents).toString('latin1');
  assert.ok(text.includes(before), before);
  return Buffer.from(text.replaceAll(before, after), 'latin1');
}

test('P4: a name or a gate that would say something else as text is refused, or says nothing', () => {
  const whole = samplePackage();
  for (const [before, after] of [
    ['which', 'a: b;'],
    ['entry', 'x { }'],
    ['entry', '%type'],
    ['entry', '\n}\n//'],
    ['entry', 'a_b-c'],
    ['key', 'a;b'],
    ['.entries', '.entr-2S'],
    ['.entries', '.entr--s'],
  ] as const) {
    const outcome = (): unknown => decodeWit(replaced(whole, before, after));
    if (after === '.entr-2S') outcome();
    else
      assert.throws(outcome, (thrown) => isRegistryError(thrown, 'content/malformed', 'content/not-analysed'), after);
  }
  const gates = [
    ['"since":"1.0.0"', '"since":"1) x;"'],
    ['"feature":"listing"', '"feature":"x)\\nf: "'],
  ] as const;
  for (const [before, after] of gates) {
    const { main } = decodeWit(replaced(whole, before, after));
    const buckets = main.interfaces.get('buckets');
    const stabilities = [buckets?.stability, buckets?.functions.get('[method]bucket.entries')?.stability];
    assert.ok(stabilities.includes(null), after);
    assert.ok(!printWit({ main, dependencies: [] }).includes('x;'), after);
  }
});

test('a WIT package: interface, world, documentation and stability', () => {
  const document = decodeWit(samplePackage());
  const { main } = document;
  assert.deepEqual([main.id, main.docs], [{ namespace: 'acme', name: 'store', version: '1.2.3' }, 'A store.']);
  assert.ok(isProfile(document));
  assert.deepEqual(document.dependencies, []);
  const buckets = main.interfaces.get('buckets');
  assert.ok(buckets !== undefined);
  assert.equal(buckets.docs, 'Where things are.\nAll of them.');
  assert.deepEqual(buckets.stability, { type: 'stable', since: '1.0.0', deprecated: null });
  const { docs, definition } = typeAt(buckets, 'entry');
  assert.equal(docs, 'One thing.');
  assert.ok(definition.type === 'record');
  assert.deepEqual(
    definition.fields.map((field) => field.docs),
    ['Its name.', null],
  );
  const listing = buckets.functions.get('[method]bucket.entries');
  assert.deepEqual(listing?.stability, { type: 'unstable', feature: 'listing', deprecated: null });

  const user = main.worlds.get('user');
  assert.ok(user !== undefined);
  assert.equal(interfaceAt(user.imports, 0), buckets);
  assert.deepEqual(
    [user.docs, user.imports[0]?.type === 'interface' && user.imports[0].docs],
    ['Who uses it.', 'The store.'],
  );
  assert.ok(user.exports[0]?.type === 'function' && user.exports[0].docs === 'Goes.');
});

test('a WIT package in its first form, and what is copied of the package that it uses', () => {
  const document = decodeWit(oldSamplePackage());
  assert.deepEqual(document.main.id, { namespace: 'acme', name: 'old', version: null });
  assert.ok(!isProfile(document));
  assert.deepEqual(
    document.dependencies.map(({ id, interfaces }) => [id.name, [...interfaces.keys()]]),
    [['io', ['poll']]],
  );
  const waiting = document.main.interfaces.get('waiting');
  const poll = document.dependencies[0]?.interfaces.get('poll');
  assert.ok(waiting !== undefined && poll !== undefined);
  assert.deepEqual(typeAt(waiting, 'pollable').definition, {
    type: 'alias',
    target: { type: 'named', named: typeAt(poll, 'pollable') },
  });
});

test('names with attributes, shapes that came late, and what WIT has no word for', () => {
  const world = rootWorld(modernComponent());
  assert.deepEqual(world.imports.map(shown), [
    'main-store: interface',
    'sink: interface',
    'unlocked-dep=<acme:dep@{>=1.0.0 <2.0.0}>: component',
    'locked-dep=<acme:dep@1.2.3>,integrity=<sha256-AAAA>: not-analysed',
    'local: interface',
    'engine: module',
    'answer: value',
  ]);
  const store = interfaceAt(world.imports, 0);
  assert.deepEqual([store.name, store.packageId?.version], ['shapes', '0.2.6']);
  assert.equal(interfaceAt(world.imports, 1).packageId?.version, '1.4.0');
  const local = interfaceAt(world.imports, 4);
  assert.deepEqual([local.name, local.packageId], [null, null]);
  const all = store.functions.get('shapes');
  assert.ok(all?.isAsync);
  assert.equal(
    shape(all.parameters[0]?.value),
    'option<tuple<future, map<string, fixed-list<u32>>, result<stream<u8>, error-context>>>',
  );
  assert.deepEqual(
    [...store.types].map(([name, { definition }]) => [name, definition.type]),
    [
      ['choice', 'variant'],
      ['rights', 'flags'],
      ['colour', 'enum'],
    ],
  );
});

function shape(value: WitType | null | undefined): string {
  if (value === null || value === undefined) return '_';
  switch (value.type) {
    case 'primitive':
      return value.primitive;
    case 'named':
      return value.named.name;
    case 'map':
      return `map<${shape(value.key)}, ${shape(value.value)}>`;
    case 'result':
      return `result<${shape(value.ok)}, ${shape(value.error)}>`;
    case 'tuple':
      return `tuple<${value.elements.map(shape).join(', ')}>`;
    case 'own':
    case 'borrow':
      return `${value.type}<${value.resource.name}>`;
    default:
      return value.element === null ? value.type : `${value.type}<${shape(value.element)}>`;
  }
}

test('shapes are shared by identity: a type without a name is one object wherever it is used', () => {
  const contents = type.instance(
    declare.type(type.list(PRIMITIVE.u8)),
    declare.type(
      type.function(
        [
          ['a', index(0)],
          ['b', index(0)],
        ],
        index(0),
      ),
    ),
    declare.export('echo', extern.function(1)),
  );
  const echo = interfaceAt(
    rootWorld(component(typeSection(contents), importSection(imported('a:b/c', extern.instance(0))))).imports,
    0,
  ).functions.get('echo');
  assert.equal(echo?.parameters[0]?.value, echo?.result);
  assert.equal(echo?.parameters[1]?.value, echo?.result);
});

test('two imports of one type of instance have different resources', () => {
  const world = rootWorld(
    component(
      typeSection(type.instance(declare.export('r', extern.resource()))),
      importSection(imported('a:b/one', extern.instance(0)), imported('a:b/two', extern.instance(0))),
    ),
  );
  const [one, two] = [interfaceAt(world.imports, 0), interfaceAt(world.imports, 1)];
  assert.deepEqual(
    [typeAt(one, 'r').definition, typeAt(two, 'r').definition],
    [{ type: 'resource' }, { type: 'resource' }],
  );
  assert.notEqual(typeAt(one, 'r'), typeAt(two, 'r'));
});

test('an unknown type makes what uses it not analysed, and leaves the rest', () => {
  const world = rootWorld(
    component(
      typeSection(type.function([], PRIMITIVE.u8)),
      importSection(imported('known', extern.function(0))),
      typeSection(bytes(0x11, 0x22)),
      importSection(imported('unknown', extern.function(1))),
    ),
  );
  assert.deepEqual(world.imports.map(shown), ['known: function', 'unknown: not-analysed']);
});

test('documentation of another shape, or of things that are not there, says nothing', () => {
  const docs = new TextEncoder().encode('{"docs":[1],"interfaces":{"x":7},"worlds":{"root":{"types":null,"nope":1}}}');
  const { main } = decodeWit(component(custom('package-docs', bytes(0x01, docs))));
  assert.equal(main.docs, null);
});

const onlyInterface = type.component(
  declare.type(type.instance()),
  declare.export('other:package/x', extern.instance(0)),
);

test('P4: a WIT package whose parts say different names is refused', () => {
  const mixed = component(
    typeSection(
      type.component(declare.type(type.instance()), declare.export('acme:a/x', extern.instance(0))),
      onlyInterface,
    ),
    exportSection(exported('x', SORT.type, 0), exported('y', SORT.type, 1)),
  );
  assert.throws(
    () => decodeWit(mixed),
    (failure) => isRegistryError(failure, 'content/malformed'),
  );
});

test('a core module says nothing in WIT', () => {
  assert.throws(
    () => decodeWit(sampleModule()),
    (failure) => isRegistryError(failure, 'content/not-analysed'),
  );
});
