import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../../src/bytes/byte-array.ts';
import { claimedKindOf, CONTENT_KINDS, type ClaimedKind } from '../../src/content/kind.ts';
import { bytesKeptByCheck, kindCheckOf, kindDemand, type KindDemand } from '../../src/content/kind-check.ts';
import { encodeTreeIndex } from '../../src/content/tree/tree-index.ts';
import { WIT_PACKAGE_BYTES_MAX } from '../../src/content/wit/model.ts';
import { isRegistryError } from '../../src/errors.ts';
import { digestOf } from '../../src/names/digest.ts';
import { parsePackageName } from '../../src/names/package-name.ts';
import { parseVersion } from '../../src/names/version.ts';

const MODULE = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
const COMPONENT = Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0);
const INTERFACE = witPackage([0x42, 0], 0x05, 'i');
const PROFILE = witPackage([0x41, 0], 0x04, 'w');
const TREE = encodeTreeIndex([{ path: 'a', digest: digestOf(utf8('a')) }]);
const TEXT = utf8('# text');

/** A WIT package `test:p` of one type, exported under a label: an empty interface, or an empty world. */
function witPackage(type: readonly number[], sort: number, label: string, version = ''): Uint8Array {
  const name = (text: string): number[] => [0, text.length, ...utf8(text)];
  const section = (id: number, bytes: readonly number[]): number[] => [id, bytes.length, ...bytes];
  const part = [1, 0x41, 2, 1, ...type, 4, ...name(`test:p/${label}${version}`), sort, 0];
  return Uint8Array.of(...COMPONENT, ...section(7, part), ...section(11, [1, ...name(label), 3, 0, 0]));
}

/** What becomes of bytes under a claim, whole or byte by byte: spec/content.md 3.1. */
function verdict(kind: ClaimedKind, bytes: Uint8Array, step: number): string {
  return verdictOn(kindDemand(kind, null), bytes, step);
}

function verdictOn(demand: KindDemand, bytes: Uint8Array, step: number): string {
  const check = kindCheckOf(demand);
  try {
    for (let at = 0; at < bytes.length; at += step) check.update(bytes.subarray(at, at + step));
    check.finish();
    return 'ok';
  } catch (thrown) {
    if (isRegistryError(thrown)) return thrown.code;
    throw thrown;
  }
}

const POLICY = 'content/policy';
const NO_TREE = 'content/tree';

/** A module, a component, a WIT package of an interface, one of a world, an index, a text and nothing. */
const CONTENTS = [MODULE, COMPONENT, INTERFACE, PROFILE, TREE, TEXT, new Uint8Array()];
const NO_WASM = [POLICY, POLICY, POLICY];

const VERDICTS: Readonly<Record<ClaimedKind, readonly string[]>> = {
  wasm: ['ok', 'ok', 'ok', 'ok', ...NO_WASM],
  component: [POLICY, 'ok', POLICY, POLICY, ...NO_WASM],
  interface: [POLICY, POLICY, 'ok', 'ok', ...NO_WASM],
  profile: [POLICY, POLICY, POLICY, 'ok', ...NO_WASM],
  module: ['ok', POLICY, POLICY, POLICY, ...NO_WASM],
  tree: [NO_TREE, NO_TREE, NO_TREE, NO_TREE, 'ok', NO_TREE, NO_TREE],
  other: ['ok', 'ok', 'ok', 'ok', 'ok', 'ok', 'ok'],
};

test('P4: bytes are held against the kind that is claimed for them', () => {
  for (const [kind, expected] of Object.entries(VERDICTS) as [ClaimedKind, readonly string[]][]) {
    for (const step of [1, 1_000]) {
      const found = CONTENTS.map((bytes) => verdict(kind, bytes, step));
      assert.deepEqual(found, expected, kind);
    }
  }
});

test('P4: a WIT package is the release that it says it is: spec/content.md 3.5', () => {
  const versioned = witPackage([0x42, 0], 0x05, 'i', '@1.2.0');
  const cases: readonly (readonly [Uint8Array, string, string, string])[] = [
    [versioned, 'test:p', '1.2.0', 'ok'],
    [versioned, 'test:p', '1.2.1', POLICY],
    [versioned, 'test:p', '1.2.0+build', POLICY],
    [versioned, 'test:q', '1.2.0', POLICY],
    [versioned, 'other:p', '1.2.0', POLICY],
    // Without a version it says nothing of it.
    [INTERFACE, 'test:p', '7.0.0', 'ok'],
    [INTERFACE, 'test:q', '7.0.0', POLICY],
  ];
  for (const [bytes, name, version, expected] of cases) {
    const release = { name: parsePackageName(name), version: parseVersion(version) };
    assert.equal(verdictOn(kindDemand('interface', release), bytes, 7), expected, `${name}@${version}`);
    // What is claimed to be WebAssembly of any kind is not read.
    assert.equal(verdictOn(kindDemand('wasm', release), bytes, 7), 'ok');
  }
  assert.equal(
    kindDemand('module', { name: parsePackageName('test:p'), version: parseVersion('1.0.0') }).release,
    null,
  );
});

test('what is larger than a WIT package may be, or cannot be read as one, is a component', () => {
  const large = new Uint8Array(WIT_PACKAGE_BYTES_MAX + 1);
  large.set(INTERFACE);
  // A custom section up to the end: its length in four bytes.
  const length = large.length - INTERFACE.length - 5;
  const leb = [length % 128, (length >> 7) % 128, (length >> 14) % 128].map((group) => group + 128);
  large.set([0, ...leb, length >> 21], INTERFACE.length);
  const malformed = Uint8Array.of(...COMPONENT, 7, 2, 1, 0x99);
  for (const bytes of [large, malformed]) {
    assert.equal(verdict('component', bytes, 65_536), 'ok');
    assert.equal(verdict('interface', bytes, 65_536), POLICY);
  }
});

test('W16: a check says how much it keeps: nothing of modules, and of what can be no WIT package', () => {
  assert.equal(bytesKeptByCheck('wasm', 1_000), 0);
  assert.equal(bytesKeptByCheck('component', 1_000), 1_000);
  assert.equal(bytesKeptByCheck('component', WIT_PACKAGE_BYTES_MAX + 1), 0);
  assert.equal(bytesKeptByCheck('component', null), WIT_PACKAGE_BYTES_MAX);
  assert.equal(bytesKeptByCheck('other', null), 0);
});

test('each media type says one kind, and what is not listed is another', () => {
  for (const [kind, { mediaType }] of Object.entries(CONTENT_KINDS)) {
    if (mediaType !== null) assert.equal(claimedKindOf(mediaType), kind);
  }
  assert.equal(claimedKindOf(null), 'wasm');
  assert.equal(claimedKindOf('application/octet-stream'), 'other');
  assert.equal(claimedKindOf('application/vnd.waybill.tree.v2'), 'other');
});
