import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeBase64 } from '../src/bytes/base64.ts';
import { utf8 } from '../src/bytes/byte-array.ts';
import { decodeHex, encodeHex } from '../src/bytes/hex.ts';
import { sha256 } from '../src/crypto/hash.ts';
import { emptySubtree, hashMapLeaf, mapPath } from '../src/merkle/map-hash.ts';
import { hashLogLeaf } from '../src/merkle/log-hash.ts';
import { appendToLog, emptyLogEdge, logRootOfEdge, type LogEdge } from '../src/merkle/log-tile.ts';
import { proveLog } from '../src/merkle/log-proof.ts';
import { emptyMapRoot, proveMap } from '../src/merkle/map-tree.ts';
import { digestBytes, digestHex, digestOf, formatDigest, parseDigest } from '../src/names/digest.ts';
import { parsePublicKey, parseSignature, verifyBytes } from '../src/names/key.ts';
import { OPERATOR_LOG_ID, packageLogId, parseLogId, parseRecordId, type LogId } from '../src/names/log-id.ts';
import { parsePackageName } from '../src/names/package-name.ts';
import { encodeRecordContents, decodeSignedRecord } from '../src/record-log/signed-record.ts';
import { emptyLogState } from '../src/record-log/log-state.ts';
import { applyRecord, judgeRecord } from '../src/record-log/machine.ts';
import { OPERATOR_LOG } from '../src/record-log/operator-log.ts';
import { PACKAGE_LOG } from '../src/record-log/package-log.ts';
import { encodeCheckpoint, encodeTimestampedCheckpoint } from '../src/wire/checkpoint.ts';
import { encodeLogLeaf, encodeMapLeaf } from '../src/wire/log-leaf.ts';
import { decodeLogProofBundle, encodeLogProofBundle } from '../src/wire/log-proof-bundle.ts';
import { decodeMapProofBundle, encodeMapProofBundle } from '../src/wire/map-proof-bundle.ts';
import { verifyLogConsistency, verifyLogInclusion } from '../src/merkle/log-proof.ts';
import { verifyMapInclusion } from '../src/merkle/map-proof.ts';
import { memoryMap, memoryTiles } from './memory-tree.ts';
import { vectorFile } from './vector-file.ts';

const v = vectorFile('warg/section-11.json');

test('§11.2 keys and log ids', () => {
  for (const { text, id } of v.keys) assert.equal(digestHex(parsePublicKey(text).id), id);
  assert.equal(digestHex(OPERATOR_LOG_ID), v.operatorLogId);
  assert.equal(encodeHex(mapPath(OPERATOR_LOG_ID)), v.operatorMapPath);
  for (const [name, id] of Object.entries(v.packageLogIds))
    assert.equal(digestHex(packageLogId(parsePackageName(name))), id);
});

test('§11.2 empty trees', () => {
  assert.equal(encodeHex(emptySubtree(0)), v.emptyMap.e0);
  assert.equal(encodeHex(emptySubtree(1)), v.emptyMap.e1);
  assert.equal(encodeHex(emptySubtree(256)), v.emptyMap.e256);
  assert.equal(encodeHex(logRootOfEdge(emptyLogEdge())), v.emptyLogRoot);
});

test('§11.2 records O and P1: ids, canonical bytes, signatures, rules', async () => {
  const [alice = '', bob = ''] = v.keys.map(({ text }) => parsePublicKey(text).id);
  const o = decodeSignedRecord(OPERATOR_LOG, {
    contents: decodeHex(v.O.contents),
    keyId: alice,
    cosignatures: [],
    signature: `ecdsa-p256:${v.O.signature}`,
  });
  assert.equal(digestHex(o.id), v.O.recordId);
  assert.equal(encodeHex(encodeRecordContents(OPERATOR_LOG, o)), v.O.contents);
  await applyRecord(OPERATOR_LOG, emptyLogState(null), o);
  const p1 = decodeSignedRecord(PACKAGE_LOG, {
    contents: decodeHex(v.P1.contents),
    keyId: bob,
    cosignatures: [],
    signature: `ecdsa-p256:${v.P1.signature}`,
  });
  assert.equal(digestHex(p1.id), v.P1.recordId);
  assert.equal(encodeHex(encodeRecordContents(PACKAGE_LOG, p1)), v.P1.contents);
  const state = await applyRecord(PACKAGE_LOG, emptyLogState(null), p1);
  const entries = [
    { type: 'revoke', keyId: alice, permissions: ['yank'] },
    { type: 'yank', version: [...state.bindings.values()].map(({ version }) => version)[0] ?? assert.fail() },
  ] as const;
  const time = { seconds: p1.time.seconds + 1n, nanos: p1.time.nanos };
  const contents = encodeRecordContents(PACKAGE_LOG, { prev: p1.id, time, entries });
  const p2 = decodeSignedRecord(PACKAGE_LOG, {
    contents,
    keyId: bob,
    signature: `ecdsa-p256:${v.P1.signature}`,
    cosignatures: [],
  });
  assert.equal(digestHex(p2.id), v.P2.recordId);
  judgeRecord(PACKAGE_LOG, state, p2);
});

test('§11.2 registry log and map, checkpoint, bundles', async () => {
  const testComponent = packageLogId(parsePackageName('test:component'));
  const leaves = [
    { logId: OPERATOR_LOG_ID, recordId: parseRecordId(`sha256:${v.O.recordId}`) },
    { logId: testComponent, recordId: parseRecordId(`sha256:${v.P1.recordId}`) },
    { logId: testComponent, recordId: parseRecordId(`sha256:${v.P2.recordId}`) },
  ];
  const tiles = memoryTiles();
  const map = memoryMap();
  let edge = emptyLogEdge();
  let root = emptyMapRoot();
  for (const [i, leaf] of leaves.entries()) {
    edge = tiles.append(edge, [hashLogLeaf(encodeLogLeaf(leaf))]);
    root = await map.update(
      root,
      [{ path: mapPath(leaf.logId), leafHash: hashMapLeaf(encodeMapLeaf(leaf.recordId)) }],
      i + 1,
    );
    assert.equal(encodeHex(logRootOfEdge(edge)), v.roots[i]?.log);
    assert.equal(encodeHex(root.hash), v.roots[i]?.map);
  }
  const checkpoint = {
    logLength: 3,
    logRoot: formatDigest(logRootOfEdge(edge)),
    mapRoot: formatDigest(root.hash),
    timestamp: 1700000005,
  };
  assert.equal(digestHex(digestOf(encodeCheckpoint(checkpoint))), v.checkpoint.id);
  const [alice = assert.fail()] = v.keys.map(({ text }) => parsePublicKey(text));
  const signature = parseSignature(`ecdsa-p256:${v.checkpoint.signature}`);
  assert.ok(await verifyBytes('checkpoint', encodeTimestampedCheckpoint(checkpoint), alice, signature));

  const inclusion = await proveLog({ size: 3, consistentLengths: [], leafIndexes: [0, 2] }, tiles.read);
  assert.equal(encodeHex(encodeLogProofBundle(inclusion)), v.bundles.inclusion);
  const proven = leaves
    .map((leaf, index) => ({ index, hash: hashLogLeaf(encodeLogLeaf(leaf)) }))
    .filter(({ index }) => index !== 1);
  verifyLogInclusion(
    { size: 3, root: digestBytes(checkpoint.logRoot), leaves: proven },
    decodeLogProofBundle(decodeHex(v.bundles.inclusion)),
  );
  for (const [from, hex] of [
    [1, v.bundles.consistency1],
    [2, v.bundles.consistency2],
  ] as const) {
    const bundle = await proveLog({ size: 3, consistentLengths: [from], leafIndexes: [] }, tiles.read);
    assert.equal(encodeHex(encodeLogProofBundle(bundle)), hex);
    const old = { size: from, root: decodeHex(v.roots[from - 1]?.log ?? '') };
    verifyLogConsistency(
      { from: old, to: { size: 3, root: digestBytes(checkpoint.logRoot) } },
      decodeLogProofBundle(decodeHex(hex)),
    );
  }
  const keys = await proveMap(root, [mapPath(OPERATOR_LOG_ID), mapPath(testComponent)], map.read);
  assert.equal(encodeHex(encodeMapProofBundle({ proofs: keys.map(({ proof }) => proof) })), v.bundles.map);
  const entries = [0, 2]
    .map((i) => leaves[i] ?? assert.fail())
    .map(({ logId, recordId }) => ({ logId, leafHash: hashMapLeaf(encodeMapLeaf(recordId)) }));
  verifyMapInclusion({ root: root.hash, entries }, decodeMapProofBundle(decodeHex(v.bundles.map)));
});

test('§11.2 bulk log', () => {
  let edge: LogEdge = emptyLogEdge();
  for (let i = 0; i < 300; i++) {
    const leaf = { logId: parseLogId(digestOf(utf8(`l${i}`))), recordId: parseRecordId(digestOf(utf8(`r${i}`))) };
    edge = appendToLog(edge, [hashLogLeaf(encodeLogLeaf(leaf))]).edge;
    const expected = v.bulkLog[String(i + 1)];
    if (expected !== undefined) assert.equal(encodeHex(logRootOfEdge(edge)), expected);
  }
});

test('§11.2 bulk map', async () => {
  const map = memoryMap();
  let root = emptyMapRoot();
  const leafOf = (i: number): { logId: LogId; leafHash: Uint8Array } => ({
    logId: packageLogId(parsePackageName(`ns-a:p${i % 400}`)),
    leafHash: hashMapLeaf(encodeMapLeaf(parseRecordId(digestOf(utf8(`r${i}`))))),
  });
  for (let i = 0; i < 500; i++) {
    const { logId, leafHash } = leafOf(i);
    root = await map.update(root, [{ path: mapPath(logId), leafHash }], i + 1);
    const expected = v.bulkMap[String(i)];
    if (expected !== undefined) assert.equal(encodeHex(root.hash), expected);
  }
  const [p7] = await proveMap(root, [mapPath(leafOf(7).logId)], map.read);
  assert.equal(p7?.proof.length, v.bulkMapProofSiblings);
});

test('a digest is what sha256 says, in the text of §1', () => {
  const text = digestOf(utf8('waybill'));
  assert.deepEqual(digestBytes(parseDigest(text)), sha256(utf8('waybill')));
  assert.equal(encodeBase64(Uint8Array.of(0, 255)), 'AP8=');
});
