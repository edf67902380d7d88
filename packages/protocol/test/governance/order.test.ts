import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as protocol from '../../src/index.ts';
import { GOVERNANCE_LOG } from '../../src/record-log/governance-log.ts';
import { hashLogLeaf } from '../../src/merkle/log-hash.ts';
import { emptyLogEdge, logRootOfEdge } from '../../src/merkle/log-tile.ts';
import { proveLog } from '../../src/merkle/log-proof.ts';
import { formatDigest } from '../../src/names/digest.ts';
import { governanceLogId, OPERATOR_LOG_ID, packageLogId, parseLogId } from '../../src/names/log-id.ts';
import { parsePrivateKey, signBytes } from '../../src/names/key.ts';
import { parseNamespace, parsePackageName } from '../../src/names/package-name.ts';
import { timestampFromMs } from '../../src/names/timestamp.ts';
import { emptyLogState } from '../../src/record-log/log-state.ts';
import { OPERATOR_LOG, type OperatorEntry, type OperatorState } from '../../src/record-log/operator-log.ts';
import { replayLog } from '../../src/record-log/replay.ts';
import { signRecord } from '../../src/record-log/signed-record.ts';
import { openCheckpoint } from '../../src/verify/checkpoint.ts';
import {
  isVoid,
  placesOfRootedness,
  placesOfStart,
  servedRootedness,
  type ServedGovernanceLog,
} from '../../src/verify/governance-order.ts';
import { checkPlaces, type ClaimedPlace } from '../../src/verify/inclusion.ts';
import type { ServedRecord } from '../../src/verify/log-order.ts';
import { encodeTimestampedCheckpoint } from '../../src/wire/checkpoint.ts';
import type { Envelope } from '../../src/wire/envelope.ts';
import { encodeLogLeaf } from '../../src/wire/log-leaf.ts';
import { encodeLogProofBundle } from '../../src/wire/log-proof-bundle.ts';
import { memoryTiles } from '../memory-tree.ts';
import { isRegistryError, type ErrorCode } from '../../src/errors.ts';
import { privateKeyText, signCase, type RecordCase } from '../version1/record-case.ts';
import { envelopesOf } from '../version1/verdict.ts';

/* Verdicts rest on claimed indexes; what must be proven of them, and that it is (spec/verification.md 2.12). */

const PACKAGE = packageLogId(parsePackageName('test:package'));
const TIME = timestampFromMs(1_700_000_000_000);

const begins = (by: string): RecordCase => ({ signers: [by], entries: [{ root: { keys: [by] } }] });
const OPEN: RecordCase = { signers: ['alice'], entries: [{ policy: { start: 1, gateway: 1 } }] };
const LISTED: RecordCase = { signers: ['alice'], entries: [{ policy: { start: 2, keys: ['bob'], gateway: 1 } }] };

function at(envelopes: readonly Envelope[], indexes: readonly number[]): ServedRecord[] {
  assert.equal(envelopes.length, indexes.length);
  return envelopes.map((envelope, i) => ({ envelope, registryIndex: indexes[i] ?? assert.fail() }));
}

async function governanceAt(
  log: 'test' | 'registry',
  records: readonly RecordCase[],
  indexes: readonly number[],
): Promise<ServedGovernanceLog> {
  const signed = await signCase(records, log);
  const logId = governanceLogId(log === 'registry' ? null : parseNamespace(log));
  const home = { log: parseLogId(signed.log), origin: signed.origin };
  return { dialect: GOVERNANCE_LOG, logId, home, records: at(envelopesOf(protocol, signed), indexes) };
}

async function packageAt(indexes: readonly number[]) {
  const later = indexes
    .slice(1)
    .map((): RecordCase => ({ signers: ['alice'], entries: [{ transfer: { keys: ['alice'] } }] }));
  const signed = await signCase([begins('alice'), ...later]);
  return { logId: PACKAGE, records: at(envelopesOf(protocol, signed), indexes) };
}

const keyOf = (name: string) => parsePrivateKey(privateKeyText(name));

async function operatorRecords(...entries: readonly OperatorEntry[]): Promise<Envelope[]> {
  const envelopes: Envelope[] = [];
  let state: OperatorState = emptyLogState(null);
  for (const entry of entries) {
    const draft = { prev: state.head?.id ?? null, time: TIME, entries: [entry] };
    const { envelope } = await signRecord(OPERATOR_LOG, draft, keyOf('alice'));
    envelopes.push(envelope);
    state = await replayLog(OPERATOR_LOG, state, [envelope]);
  }
  return envelopes;
}

const indexesOf = (places: readonly ClaimedPlace[]): number[] => places.map(({ registryIndex }) => registryIndex);

/** Where root, open, listed and open of the namespace stand, and the package; what must be proven, and the verdict. */
const ORDERS: readonly (readonly [
  namespace: readonly number[],
  first: number,
  proven: readonly number[],
  verdict: string,
])[] = [
  [[2, 4, 6, 8], 1, [1, 2], 'rooted'],
  [[2, 4, 6, 8], 3, [3, 2, 4], 'rooted'],
  [[2, 4, 6, 8], 5, [5, 4, 6], 'rooted'],
  [[2, 4, 6, 8], 7, [7, 6, 8], 'unrooted'],
  [[2, 4, 6, 8], 9, [9, 8], 'rooted'],
  // Two records at one index cannot both be proven; until then the other is not before it.
  [[2, 4, 6, 8], 6, [6, 4, 6], 'rooted'],
];

test('P2: a verdict is by the governance logs before the first record, and rests on the records around it', async () => {
  for (const [indexes, first, proven, verdict] of ORDERS) {
    const namespace = await governanceAt('test', [begins('alice'), OPEN, LISTED, OPEN], indexes);
    const log = await packageAt([first, 20]);
    const logs = { namespace, registry: null };
    assert.deepEqual(indexesOf(placesOfRootedness(log, logs)), proven, `package at ${first}`);
    assert.equal(servedRootedness(log, logs).verdict, verdict, `package at ${first}`);
  }
});

test('both logs count, each around the same index, and nothing is to be proven where there is none', async () => {
  const log = await packageAt([5]);
  const registry = await governanceAt('registry', [begins('alice'), LISTED], [0, 1]);
  const namespace = await governanceAt('test', [begins('alice'), OPEN], [3, 9]);
  assert.deepEqual(indexesOf(placesOfRootedness(log, { namespace, registry })), [5, 3, 9, 1]);
  assert.deepEqual(servedRootedness(log, { namespace, registry }), {
    verdict: 'unrooted',
    reason: 'key',
    by: 'registry',
  });
  assert.deepEqual(placesOfRootedness(log, { namespace: null, registry: null }), []);
  assert.equal(servedRootedness(log, { namespace: null, registry: null }).verdict, 'rooted');
});

test('a log is void by the operator log before its first record, and rests on the records around that', async () => {
  const [alice, bob] = [keyOf('alice').publicKey, keyOf('bob').publicKey];
  const envelopes = await operatorRecords(
    { type: 'init', key: alice },
    { type: 'grant', key: bob, permissions: ['defineNamespace'] },
    { type: 'revoke', keyId: bob.id, permissions: ['defineNamespace'] },
  );
  const records = at(envelopes, [0, 3, 6]);
  const operator = { dialect: OPERATOR_LOG, logId: OPERATOR_LOG_ID, home: null, records };
  const cases = [
    [2, [2, 0, 3], true],
    [4, [4, 3, 6], false],
    [7, [7, 6], true],
  ] as const;
  for (const [index, proven, expected] of cases) {
    const log = await governanceAt('test', [begins('bob')], [index]);
    assert.deepEqual(indexesOf(placesOfStart(log, operator)), proven, `begun at ${index}`);
    assert.equal(isVoid(log, operator), expected, `begun at ${index}`);
  }
});

test('L11: places are proven as they are claimed, and no other way', async () => {
  const namespace = await governanceAt('test', [begins('alice'), OPEN, LISTED, OPEN], [0, 1, 3, 4]);
  const log = await packageAt([2]);
  const places = placesOfRootedness(log, { namespace, registry: null });
  const leaves = await Promise.all(
    [namespace, namespace, { ...log, dialect: null }, namespace, namespace].map(async (one, index) => {
      const record = one.records.find(({ registryIndex }) => registryIndex === index) ?? assert.fail();
      const kind = one.dialect === null ? 'package' : 'governance';
      return hashLogLeaf(
        encodeLogLeaf({ logId: one.logId, recordId: protocol.recordIdOf(kind, record.envelope.contents) }),
      );
    }),
  );
  const tiles = memoryTiles();
  const edge = tiles.append(emptyLogEdge(), leaves);
  const logRoot = formatDigest(logRootOfEdge(edge));
  const contents = { logRoot, logLength: leaves.length, mapRoot: logRoot, timestamp: 1_700_000_000 };
  const [init = assert.fail()] = await operatorRecords({ type: 'init', key: keyOf('alice').publicKey });
  const operator = await replayLog(OPERATOR_LOG, emptyLogState(null), [init]);
  const { text: signature } = await signBytes('checkpoint', encodeTimestampedCheckpoint(contents), keyOf('alice'));
  const checkpoint = await openCheckpoint({ contents, keyId: init.keyId, signature }, operator);
  const proofOf = async (...leafIndexes: readonly number[]): Promise<Uint8Array> => {
    const request = { size: leaves.length, consistentLengths: [], leafIndexes };
    return encodeLogProofBundle(await proveLog(request, tiles.read));
  };
  const failsWith = (code: ErrorCode) => (thrown: unknown) => isRegistryError(thrown, code);
  checkPlaces(checkpoint, places, await proofOf(2, 1, 3));
  const [first = assert.fail(), ...others] = places;
  const claims = (registryIndex: number): ClaimedPlace[] => [{ ...first, registryIndex }, ...others];
  assert.throws(() => checkPlaces(checkpoint, claims(0), new Uint8Array()), failsWith('proof/mismatch'));
  const moved = await proofOf(0, 1, 3);
  assert.throws(() => checkPlaces(checkpoint, claims(0), moved), failsWith('proof/root'));
  assert.throws(() => checkPlaces(checkpoint, places, moved), failsWith('proof/mismatch'));
  assert.throws(() => checkPlaces(checkpoint, claims(leaves.length), moved), failsWith('proof/mismatch'));
  assert.throws(() => checkPlaces(checkpoint, places, Uint8Array.of(0xff)), failsWith('proof/malformed'));
});
