import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../../src/bytes/byte-array.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { isRegistryError, type ErrorCode } from '../../src/errors.ts';
import { digestOf } from '../../src/names/digest.ts';
import { privateKeyFromRandom, type PrivateKey } from '../../src/names/key.ts';
import type { RecordId } from '../../src/names/log-id.ts';
import { parseVersion } from '../../src/names/version.ts';
import { emptyLogState } from '../../src/record-log/log-state.ts';
import { PACKAGE_LOG, type PackageEntry, type PackageState } from '../../src/record-log/package-log.ts';
import { replayLog } from '../../src/record-log/replay.ts';
import { signRecord, type SignedRecord } from '../../src/record-log/signed-record.ts';
import type { Envelope } from '../../src/wire/envelope.ts';

const alice = keyOf('alice');
const bob = keyOf('bob');
/** Enough records for the replay to wait for signatures on its way, more than once. */
const LONG_LOG = 700;
const TIME = { seconds: 1_700_000_000n, nanos: 0 };

function keyOf(name: string): PrivateKey {
  return privateKeyFromRandom(sha256(utf8(name))) ?? assert.fail();
}

function release(version: string): PackageEntry {
  return { type: 'release', version: parseVersion(version), content: digestOf(utf8(version)) };
}

async function logOf(...records: readonly (readonly PackageEntry[])[]): Promise<Envelope[]> {
  const envelopes: Envelope[] = [];
  let prev: RecordId | null = null;
  for (const entries of records) {
    const record: SignedRecord<PackageEntry> = await signRecord(PACKAGE_LOG, { prev, time: TIME, entries }, alice);
    prev = record.id;
    envelopes.push(record.envelope);
  }
  return envelopes;
}

const INIT: PackageEntry = { type: 'init', key: alice.publicKey };

async function assertFailsAt(envelopes: readonly Envelope[], recordIndex: number, code: ErrorCode): Promise<void> {
  await assert.rejects(replayLog(PACKAGE_LOG, emptyLogState(null), envelopes), (thrown) => {
    assert.ok(isRegistryError(thrown, code));
    assert.equal(thrown.detail['recordIndex'], recordIndex);
    return true;
  });
}

test('warg.md 4: a whole log replays, each record once and in order', async () => {
  const envelopes = await logOf([INIT], [release('1.0.0')], [release('2.0.0')]);
  const seen: number[] = [];
  const state: PackageState = await replayLog(PACKAGE_LOG, emptyLogState(null), envelopes, ({ envelope }) => {
    seen.push(envelopes.indexOf(envelope));
  });
  assert.deepEqual(seen, [0, 1, 2]);
  assert.deepEqual([state.length, [...state.bindings.keys()]], [3, ['1.0.0', '2.0.0']]);
});

test('warg.md 4: the earliest record that fails decides, whether by a rule or by its signature', async () => {
  const [init = assert.fail(), one = assert.fail(), two = assert.fail()] = await logOf(
    [INIT],
    [release('1.0.0')],
    [release('1.0.0')],
  );
  await assertFailsAt([init, one, two], 2, 'record/release-again');
  const forged = { ...one, signature: init.signature };
  await assertFailsAt([init, forged, two], 1, 'record/signature');
  await assertFailsAt([{ ...init, signature: one.signature }, forged], 0, 'record/signature');
  await assertFailsAt([init, { ...one, signature: '' }, two], 1, 'record/decode');
  await assertFailsAt([one], 0, 'record/prev-on-first');
  await assertFailsAt([init, two], 1, 'record/prev-mismatch');
  await assertFailsAt([init, { ...one, keyId: bob.publicKey.id }], 1, 'record/unauthorized');
});

test('warg.md 4: the earliest failure decides also among signatures that are verified side by side', async () => {
  const versions = Array.from({ length: LONG_LOG }, (_, i) => [release(`1.0.${i}`)]);
  const log = await logOf([INIT], ...versions);
  const forged = (...indexes: readonly number[]): Envelope[] =>
    log.map((envelope, i) => (indexes.includes(i) ? { ...envelope, signature: log[0]?.signature ?? '' } : envelope));
  assert.equal((await replayLog(PACKAGE_LOG, emptyLogState(null), log)).length, log.length);
  await assertFailsAt(forged(10, 200, 300, 600), 10, 'record/signature');
  await assertFailsAt(forged(250, 255, LONG_LOG), 250, 'record/signature');
  await assertFailsAt(forged(LONG_LOG), LONG_LOG, 'record/signature');
  const broken = (at: number): Envelope[] => forged(400, 500).filter((_, i) => i !== at);
  await assertFailsAt(broken(399), 399, 'record/prev-mismatch');
  await assertFailsAt(broken(401), 400, 'record/signature');
  await assertFailsAt(broken(550), 400, 'record/signature');
});

test('a log of the largest records replays', async () => {
  const records = Array.from({ length: 12 }, (_, i) => [
    release(`${i}.0.0+${'a'.repeat(1_000_000)}`),
    release(`${i}.1.0+${'a'.repeat(1_000_000)}`),
  ]);
  const state = await replayLog(PACKAGE_LOG, emptyLogState(null), await logOf([INIT], ...records));
  assert.equal(state.length, 13);
});

test('warg.md 1: what is signed for one kind of log says nothing in the other, and key ids are canonical', async () => {
  const [init = assert.fail()] = await logOf([INIT]);
  await assertFailsAt([{ ...init, keyId: alice.publicKey.text }], 0, 'record/key-unknown');
  await assertFailsAt([{ ...init, keyId: alice.publicKey.id.toUpperCase() }], 0, 'record/key-unknown');
});

test('warg.md 4: an empty log replays to nothing', async () => {
  const state: PackageState = await replayLog(PACKAGE_LOG, emptyLogState(null), []);
  assert.deepEqual([state.length, state.head], [0, null]);
});
