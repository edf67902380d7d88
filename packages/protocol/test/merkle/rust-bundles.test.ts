import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../../src/bytes/byte-array.ts';
import { encodeHex } from '../../src/bytes/hex.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { proveLog } from '../../src/merkle/log-proof.ts';
import { emptyLogEdge } from '../../src/merkle/log-tile.ts';
import { hashMapLeaf } from '../../src/merkle/map-hash.ts';
import { emptyMapRoot, proveMap } from '../../src/merkle/map-tree.ts';
import { encodeLogProofBundle } from '../../src/wire/log-proof-bundle.ts';
import { encodeMapProofBundle } from '../../src/wire/map-proof-bundle.ts';
import { memoryMap, memoryTiles } from '../memory-tree.ts';
import { testLeaves } from './plain-trees.ts';
import { LOG_BUNDLES, MAP_BUNDLES, MAP_KEYS } from './rust-bundles.ts';

const digest = (bytes: Uint8Array): string => encodeHex(sha256(bytes));

test('log bundles are byte for byte those of Rust', async () => {
  const store = memoryTiles();
  store.append(emptyLogEdge(), testLeaves(600));
  for (const { digest: expected, ...request } of LOG_BUNDLES) {
    const bundle = await proveLog(request, store.read);
    assert.equal(digest(encodeLogProofBundle(bundle)), expected, JSON.stringify(request));
  }
});

test('map roots and bundles are byte for byte those of Rust', async () => {
  const pages = memoryMap();
  const pathOf = (key: number): Uint8Array => sha256(utf8(`k${key}`));
  let root = emptyMapRoot();
  for (const [step, key] of MAP_KEYS.entries()) {
    root = await pages.update(root, [{ path: pathOf(key), leafHash: hashMapLeaf(utf8(`v${step}`)) }], step + 1);
    const expected = MAP_BUNDLES.find((bundle) => bundle.step === step);
    if (expected === undefined) continue;
    assert.equal(encodeHex(root.hash), expected.root, `root at ${step}`);
    const proven = await proveMap(root, expected.asked.map(pathOf), pages.read);
    assert.equal(
      digest(encodeMapProofBundle({ proofs: proven.map(({ proof }) => proof) })),
      expected.digest,
      `bundle at ${step}`,
    );
  }
});
