import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dependencyEdges, DependencyReader, type ImportName } from '../../src/content/wit/dependency-edges.ts';
import {
  bytes,
  component,
  extern,
  imported,
  importSection,
  name as nameBytes,
  typeSection,
  uleb,
} from './wasm-bytes.ts';

function plain(name: string): ImportName {
  return { name, implements: null, versionSuffix: null };
}

/** An import name, and the edge as `name range`; an exclamation mark where the package itself is wanted. */
const NAMES: readonly (readonly [name: string, edge: string | null])[] = [
  ['wasi:io/streams@0.2.6', 'wasi:io ^0.2.6'],
  ['wasi:io/streams@1.2.3+build', 'wasi:io ^1.2.3+build'],
  ['wasi:io/streams', 'wasi:io null'],
  ['wasi:io/streams@0.2', 'wasi:io ^0.2'],
  ['wasi:io/streams@1', 'wasi:io ^1'],
  ['wasi:io/streams@0.0.3', 'wasi:io ^0.0.3'],
  ['wasi:http/types@0.3.0-rc-2025-09-16', 'wasi:http 0.3.0-rc-2025-09-16'],
  ['locked-dep=<demo:lib@1.2.3>', 'demo:lib 1.2.3!'],
  ['locked-dep=<demo:lib>', 'demo:lib null!'],
  ['unlocked-dep=<demo:lib>', 'demo:lib *!'],
  ['unlocked-dep=<demo:lib@*>', 'demo:lib *!'],
  ['unlocked-dep=<demo:lib@{>=1.0.0}>', 'demo:lib >=1.0.0!'],
  ['unlocked-dep=<demo:lib@{>=1.0.0 <2.0.0}>', 'demo:lib >=1.0.0 <2.0.0!'],
  ['unlocked-dep=<demo:lib@{>=1 <2}>', null],
  ['unlocked-dep=<demo:lib@{>=1.0.0 || <2.0.0}>', null],
  ['locked-dep=<demo:lib@latest>', null],
  ['wasi:io/streams@0.2.6.1', null],
  ['wasi:io/streams@', null],
  ['wasi:io/streams@0', null],
  ['wasi_snapshot_preview1', null],
  ['env', null],
  ['url=<https://example.com/a.wasm>', null],
  ['integrity=<sha256-abc>', null],
  ['Wasi:io/streams', null],
  ['a:b:c/d', null],
  ['[method]request.body', null],
  ['', null],
];

test('an import name leads to a package and the releases that will do, or to none', () => {
  for (const [name, expected] of NAMES) {
    const edges = dependencyEdges([plain(name)]).map(
      (edge) => `${edge.name} ${edge.range}${edge.isInterface ? '' : '!'}`,
    );
    assert.deepEqual(edges, expected === null ? [] : [expected], name);
  }
});

test('attributes count: what a plain name implements, and the rest of a version', () => {
  const suffixed = { name: 'wasi:io/streams@0.2', implements: null, versionSuffix: '.6' };
  const implementing = { name: 'cache', implements: 'demo:store/keys@1.0.0', versionSuffix: null };
  const edges = dependencyEdges([suffixed, implementing, plain('wasi:io/error@0.2.6')]);
  assert.deepEqual(
    edges.map(({ name, range }) => `${name} ${range}`),
    ['wasi:io ^0.2.6', 'demo:store ^1.0.0'],
  );
});

test('the digest that an old name states is kept', () => {
  const [edge] = dependencyEdges([plain('locked-dep=<demo:lib@1.2.3>,integrity=<sha256-AAAA>')]);
  assert.equal(edge?.integrity, 'sha256-AAAA');
});

test('P12: names made to keep a pattern busy are read in no time', () => {
  const start = performance.now();
  for (const part of ['@', '/', '>', ',integrity=<', '>=1.0.0 ', 'unlocked-dep=<']) {
    for (const head of ['a:b/c', 'unlocked-dep=<a:b@{', 'locked-dep=<a:b@']) {
      dependencyEdges(Array.from({ length: 100 }, () => plain(head + part.repeat(4_000 / part.length))));
    }
  }
  assert.ok(performance.now() - start < 2_000);
});

test('P12: of a large component the dependencies are read, and nothing else of it is kept', () => {
  const chunk = new Uint8Array(64 * 1024);
  const chunks = 4_096;
  const title = nameBytes('big');
  const reader = new DependencyReader();
  reader.update(bytes(component(), 0, uleb(title.length + chunk.length * chunks), title));
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  for (let i = 0; i < chunks; i++) {
    reader.update(chunk);
    if (i % 64 === 0) most = Math.max(most, process.memoryUsage().arrayBuffers - before);
  }
  const rest = bytes(typeSection([0x42, 0]), importSection(imported('demo:log/write@1.0.0', extern.instance(0))));
  for (const byte of rest) reader.update(Uint8Array.of(byte));
  const { kind, edges } = reader.finish();
  assert.equal(kind, 'component');
  assert.deepEqual(
    edges.map((edge) => `${edge.name} ${edge.range}`),
    ['demo:log ^1.0.0'],
  );
  assert.ok(most < 48 * 1024 * 1024, `${most} bytes`);
});
