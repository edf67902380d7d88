import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import {
  emptyLogState,
  encodeBase64,
  encodeRecordContents,
  PACKAGE_LOG,
  parseSignature,
  replayLog,
  timestampFromMs,
  type PackageEntry,
} from '@waybill/protocol';
import { keyOf, signContents, type LooseRecord } from '../publisher.ts';
import { openCore, PACKAGE, STARTED_MS, type RegistryCore } from './registry-core.ts';

/* Of each signature (r, s) anybody can make (r, n - s). Both are valid, for the Rust signer writes either. */

const ORDER_OF_P256 = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

const alice = keyOf('alice');
const INIT: PackageEntry = { type: 'init', key: alice.publicKey };

let core: RegistryCore;

beforeEach(async () => {
  core = await openCore();
});
afterEach(() => core.dispose());

/** A record, and the same under the other signature, which was made without the key. */
async function twins(): Promise<readonly [first: LooseRecord, other: LooseRecord]> {
  const time = timestampFromMs(STARTED_MS);
  const first = await signContents(encodeRecordContents(PACKAGE_LOG, { prev: null, time, entries: [INIT] }), alice);
  const hex = Buffer.from(parseSignature(first.envelope.signature).raw).toString('hex');
  const [r, s] = [hex.slice(0, 64), hex.slice(64)].map((half) => BigInt(`0x${half}`));
  const integers = Buffer.concat([derInteger(r ?? 0n), derInteger(ORDER_OF_P256 - (s ?? 0n))]);
  const signature = `ecdsa-p256:${encodeBase64(Buffer.concat([Uint8Array.of(0x30, integers.length), integers]))}`;
  return [first, { id: first.id, envelope: { ...first.envelope, signature } }];
}

function derInteger(value: bigint): Buffer {
  const digits = value.toString(16);
  const magnitude = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex');
  const body = (magnitude[0] ?? 0) < 0x80 ? magnitude : Buffer.concat([Uint8Array.of(0), magnitude]);
  return Buffer.concat([Uint8Array.of(0x02, body.length), body]);
}

test('C5: a log is valid with either s, and its record has the same id', async () => {
  const heads = await Promise.all(
    (await twins()).map(async ({ envelope }) => (await replayLog(PACKAGE_LOG, emptyLogState(null), [envelope])).head),
  );
  assert.deepEqual(heads[0], heads[1]);
});

test('C5: the same record posted again with the other s is answered with the first, which alone is stored', async () => {
  const [first, other] = await twins();
  const published = await core.publish(PACKAGE, first);
  assert.equal(published.state, 'published');
  assert.deepEqual(await core.publish(PACKAGE, other), published);
  const stored = await core.store.readRecord(first.id);
  assert.equal(stored?.envelope.signature, first.envelope.signature);
});

test('C5: both posted at once make one record', async () => {
  const records = await twins();
  const [one, two] = await Promise.all(records.map((record) => core.publish(PACKAGE, record)));
  assert.deepEqual(one, two);
  const stored = await core.store.readRecord(records[0].id);
  assert.ok(records.some(({ envelope }) => envelope.signature === stored?.envelope.signature));
});
