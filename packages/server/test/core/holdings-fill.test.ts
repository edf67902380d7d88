import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  digestOf,
  encodeRecordContents,
  OPERATOR_LOG_ID,
  PACKAGE_LOG,
  packageLogId,
  RegistryError,
  timestampFromMs,
  type PackageEntry,
} from '@waybill/protocol';
import { holdingsOfStored } from '../../src/core/holding.ts';
import { HoldingsFill } from '../../src/core/holdings-fill.ts';
import { HOLDINGS_STEP_RECORDS } from '../../src/core/limits.ts';
import type { Holding, RecordRange, StoredRecord } from '../../src/core/ports.ts';
import { keyOf, releaseOf, signContents, wasmOf } from '../publisher.ts';
import { openCore, PACKAGE, STARTED_MS, type RegistryCore } from './registry-core.ts';

/* Holdings of records that were stored without them (threats D11). */

const LOG = packageLogId(PACKAGE);
const CONTENT = wasmOf('held');

let core: RegistryCore;
let record: StoredRecord;

async function* bodyOf(...chunks: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* chunks;
}

before(async () => {
  core = await openCore();
  const alice = keyOf('alice');
  const init: PackageEntry = { type: 'init', key: alice.publicKey };
  const entries = [init, releaseOf('1.0.0', CONTENT), releaseOf('2.0.0', CONTENT)];
  const time = timestampFromMs(STARTED_MS, 0);
  const signed = await signContents(encodeRecordContents(PACKAGE_LOG, { prev: null, time, entries }), alice);
  await core.publish(PACKAGE, signed);
  await core.publishing.upload(LOG, signed.id, digestOf(CONTENT), bodyOf(CONTENT));
  record = (await core.store.readRecord(signed.id)) ?? assert.fail();
});
after(() => core.dispose());

test('what is filled in is what a commit writes, and then the gap is gone', async () => {
  const { state, store } = core;
  const written = new Map(state.holdings);
  assert.equal(written.size, 2);
  state.holdings.clear();
  state.holdingsGap = { from: 0, to: state.records.size };
  const filling = new HoldingsFill({ store, writer: store });
  assert.deepEqual([await filling.step(), await filling.step()], [true, false]);
  assert.deepEqual([state.holdings, state.holdingsGap], [written, null]);
});

test('each step goes through a bounded number of records, and a gap that nothing fills ends', async () => {
  const steps: RecordRange[] = [];
  const made: Holding[] = [];
  let gap: RecordRange | null = { from: 5, to: 5 + 2 * HOLDINGS_STEP_RECORDS + 1 };
  const store = {
    readHoldingsGap: async () => gap,
    readRecords: async (from: number, limit: number) =>
      // Every second record is missing.
      Array.from({ length: limit }, (_, i) => ({ ...record, registryIndex: from + 2 * i })),
  };
  const writer = {
    fillHoldings: async (range: RecordRange, holdings: readonly Holding[]) => {
      steps.push(range);
      made.push(...holdings);
      gap = gap !== null && range.to < gap.to ? { from: range.to, to: gap.to } : null;
    },
  };
  const filling = new HoldingsFill({ store, writer });
  while (await filling.step());
  assert.deepEqual(
    steps.map(({ from, to }) => to - from),
    [HOLDINGS_STEP_RECORDS, HOLDINGS_STEP_RECORDS, 1],
  );
  assert.ok(made.every(({ registryIndex }) => registryIndex >= 5 && registryIndex < 5 + 2 * HOLDINGS_STEP_RECORDS + 1));
  assert.equal(new Set(made.map(({ registryIndex }) => registryIndex)).size, made.length / 2);
});

test('D11: rows that cannot be read keep no others from being found', async () => {
  const damaged = new Set([3, 4, 9]);
  const indexes: number[] = [];
  let gap: RecordRange | null = { from: 0, to: 10 };
  const store = {
    readHoldingsGap: async () => gap,
    async readRecords(from: number, limit: number) {
      const page = Array.from({ length: Math.min(limit, 10 - from) }, (_, i) => from + i);
      if (page.some((index) => damaged.has(index))) throw new RegistryError('storage/damaged', 'a row is cut off');
      return page.map((registryIndex) => ({ ...record, registryIndex }));
    },
  };
  const writer = {
    async fillHoldings(_: RecordRange, holdings: readonly Holding[]) {
      indexes.push(...holdings.map(({ registryIndex }) => registryIndex));
      gap = null;
    },
  };
  await new HoldingsFill({ store, writer }).step();
  assert.deepEqual([...new Set(indexes)], [0, 1, 2, 5, 6, 7, 8]);
});

test('what is no package record, or does not decode, holds nothing', async () => {
  const [operatorRecord] = await core.store.readRecords(0, 1);
  assert.equal(operatorRecord?.logId, OPERATOR_LOG_ID);
  assert.deepEqual(holdingsOfStored(operatorRecord), []);
  assert.equal(holdingsOfStored(record).length, 2);
  const contents = record.envelope.contents.slice(0, -1);
  assert.deepEqual(holdingsOfStored({ ...record, envelope: { ...record.envelope, contents } }), []);
});
