import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../../src/bytes/byte-array.ts';
import { claimedKindOf, CONTENT_KINDS, type ClaimedKind } from '../../src/content/kind.ts';
import { kindCheckOf } from '../../src/content/tree/kind-check.ts';
import { encodeTreeIndex } from '../../src/content/tree/tree-index.ts';
import { isRegistryError } from '../../src/errors.ts';
import { digestOf } from '../../src/names/digest.ts';

const MODULE = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
const COMPONENT = Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0);
const TREE = encodeTreeIndex([{ path: 'a', digest: digestOf(utf8('a')) }]);
const TEXT = utf8('# text');

/** What becomes of bytes under a claim, whole or byte by byte: spec/content.md 3.1. */
function verdict(kind: ClaimedKind, bytes: Uint8Array, step: number): string {
  const check = kindCheckOf(kind);
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

/** For a module, a component, an index, a text and nothing. */
const VERDICTS: Readonly<Record<ClaimedKind, readonly string[]>> = {
  wasm: ['ok', 'ok', POLICY, POLICY, POLICY],
  component: [POLICY, 'ok', POLICY, POLICY, POLICY],
  interface: [POLICY, 'ok', POLICY, POLICY, POLICY],
  profile: [POLICY, 'ok', POLICY, POLICY, POLICY],
  module: ['ok', POLICY, POLICY, POLICY, POLICY],
  tree: [NO_TREE, NO_TREE, 'ok', NO_TREE, NO_TREE],
  other: ['ok', 'ok', 'ok', 'ok', 'ok'],
};

test('P4: bytes are held against the kind that is claimed for them', () => {
  for (const [kind, expected] of Object.entries(VERDICTS) as [ClaimedKind, readonly string[]][]) {
    for (const step of [1, 1_000]) {
      const found = [MODULE, COMPONENT, TREE, TEXT, new Uint8Array()].map((bytes) => verdict(kind, bytes, step));
      assert.deepEqual(found, expected, kind);
    }
  }
});

test('each media type says one kind, and what is not listed is another', () => {
  for (const [kind, { mediaType }] of Object.entries(CONTENT_KINDS)) {
    if (mediaType !== null) assert.equal(claimedKindOf(mediaType), kind);
  }
  assert.equal(claimedKindOf(null), 'wasm');
  assert.equal(claimedKindOf('application/octet-stream'), 'other');
  assert.equal(claimedKindOf('application/vnd.waybill.tree.v2'), 'other');
});
