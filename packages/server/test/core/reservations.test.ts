import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  isRegistryError,
  PACKAGE_LOG,
  packageLogId,
  parsePackageName,
  parseRecordId,
  signRecord,
  timestampFromMs,
  type RecordId,
} from '@waybill/protocol';
import {
  PENDING_BYTES_MAX,
  PENDING_RECORDS_MAX,
  REJECTED_BYTES_MAX,
  REJECTION_KEPT_MS,
  REJECTIONS_KEPT_MAX,
} from '../../src/core/limits.ts';
import { Rejections } from '../../src/core/rejections.ts';
import { Reservations, type Reservation } from '../../src/core/reservations.ts';
import { TreeFiles } from '../../src/core/tree-files.ts';
import { keyOf } from '../publisher.ts';

const alice = keyOf('alice');
const signed = signRecord(
  PACKAGE_LOG,
  { prev: null, time: timestampFromMs(0), entries: [{ type: 'init', key: alice.publicKey }] },
  alice,
);

function idOf(number: number): RecordId {
  return parseRecordId(`sha256:${number.toString(16).padStart(64, '0')}`);
}

/** As if its record had so many bytes. */
async function reservationOf(number: number, bytes: number): Promise<Reservation> {
  const record = await signed;
  const name = parsePackageName(`test:p${number}`);
  const envelope = { ...record.envelope, contents: new Uint8Array(bytes) };
  const done = Promise.resolve();
  return {
    name,
    logId: packageLogId(name),
    record: { ...record, id: idOf(number), envelope },
    missing: new Set(),
    trees: new TreeFiles(),
    heldBytes: 0,
    lastProgressMs: 0,
    durable: null,
    row: done,
    sourcing: done,
    sequencing: null,
    registryIndex: null,
  };
}

test('records on their way are bounded by their bytes and by their number (threats W16)', async () => {
  const reservations = new Reservations();
  const large = await reservationOf(0, PENDING_BYTES_MAX);
  reservations.add(large);
  assert.equal(reservations.full, true);
  reservations.remove(large);
  reservations.remove(large);
  assert.equal(reservations.full, false);
  for (let number = 0; number < PENDING_RECORDS_MAX; number++) {
    assert.equal(reservations.full, false);
    reservations.add(await reservationOf(number, 1));
  }
  assert.equal(reservations.full, true);
});

test('what is in memory for a record counts to its bytes, until it is let go, and goes with it (threats W16)', async () => {
  const reservations = new Reservations();
  const one = await reservationOf(0, 10);
  reservations.add(one);
  const tooMany = (thrown: unknown): boolean => isRegistryError(thrown, 'request/too-many');
  assert.throws(() => reservations.hold(one, PENDING_BYTES_MAX), tooMany);
  const letGo = reservations.hold(one, PENDING_BYTES_MAX - 10);
  assert.equal(reservations.full, true);
  letGo();
  assert.equal(reservations.full, false);
  const late = reservations.hold(one, PENDING_BYTES_MAX - 10);
  reservations.remove(one);
  late();
  assert.equal(reservations.full, false);
  reservations.add(await reservationOf(1, PENDING_BYTES_MAX - 1));
  assert.equal(reservations.full, false);
});

test('a package has one record on its way, and another one of it takes nothing away', async () => {
  const reservations = new Reservations();
  const [one, other] = [await reservationOf(1, 10), await reservationOf(1, 10)];
  reservations.add(one);
  assert.equal(reservations.get(one.logId), one);
  assert.deepEqual([reservations.has(one), reservations.has(other)], [true, false]);
  assert.deepEqual([reservations.hasRecord(idOf(1)), reservations.hasRecord(idOf(2))], [true, false]);
  reservations.remove(other);
  assert.deepEqual([...reservations.values()], [one]);
  reservations.remove(one);
  assert.deepEqual([reservations.get(one.logId), reservations.hasRecord(idOf(1))], [undefined, false]);
});

test('rejections are forgotten when they are old, when they are many, and when they are large; the oldest first', () => {
  const rejections = new Rejections();
  rejections.add(idOf(1), 0, 1);
  rejections.add(idOf(2), 10, 1);
  rejections.add(idOf(1), 20, 1);
  assert.deepEqual([...rejections.takeDue(10 + REJECTION_KEPT_MS)], []);
  assert.deepEqual([...rejections.takeDue(11 + REJECTION_KEPT_MS)], [idOf(2)]);
  rejections.add(idOf(3), 30, REJECTED_BYTES_MAX);
  assert.deepEqual([...rejections.takeDue(30)], [idOf(1)]);
  rejections.add(idOf(4), 40, REJECTED_BYTES_MAX);
  assert.deepEqual([...rejections.takeDue(40)], [idOf(3)]);
  assert.deepEqual([...rejections.takeDue(41 + REJECTION_KEPT_MS)], [idOf(4)]);
  for (let number = 0; number < REJECTIONS_KEPT_MAX + 2; number++) rejections.add(idOf(number), 50, 0);
  assert.deepEqual([...rejections.takeDue(50)], [idOf(0), idOf(1)]);
});
