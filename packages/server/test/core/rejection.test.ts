import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  digestOf,
  encodeRecordContents,
  isRegistryError,
  PACKAGE_LOG,
  packageLogId,
  RegistryError,
  timestampFromMs,
  utf8,
} from '@waybill/protocol';
import { SOURCING_IDLE_MS } from '../../src/core/limits.ts';
import { keyOf, releaseOf, signContents, wasmOf, type LooseRecord } from '../publisher.ts';
import { openCore, PACKAGE, STARTED_MS, type RegistryCore } from './registry-core.ts';

const alice = keyOf('alice');
const LOG = packageLogId(PACKAGE);
const CONTENT = wasmOf('content');
const TEXT = utf8('no WebAssembly');

let core: RegistryCore;

beforeEach(async () => {
  core = await openCore();
});
afterEach(() => core.dispose());

const isFull = (thrown: unknown): boolean => isRegistryError(thrown, 'storage/full');

function signed(content: Uint8Array, nanos = 0): Promise<LooseRecord> {
  const entries = [{ type: 'init', key: alice.publicKey } as const, releaseOf('1.0.0', content)];
  const time = timestampFromMs(STARTED_MS, nanos);
  return signContents(encodeRecordContents(PACKAGE_LOG, { prev: null, time, entries }), alice);
}

async function* bodyOf(content: Uint8Array): AsyncIterable<Uint8Array> {
  yield content;
}

/** Rows of waiting records find no room until the returned function is called. */
function fillRows(): () => void {
  const putPending = core.store.putPending.bind(core.store);
  core.store.putPending = () => Promise.reject(new RegistryError('storage/full', 'no room'));
  return () => {
    core.store.putPending = putPending;
  };
}

test('a package stays reserved until the rejection of its record is stored (threats D10)', async () => {
  const first = await signed(CONTENT);
  const second = await signed(CONTENT, 1);
  await core.publish(PACKAGE, first);
  core.nowMs += SOURCING_IDLE_MS + 1;
  const empty = fillRows();
  await assert.rejects(core.publishing.sweep(), isFull);
  assert.equal((await core.publishing.status(LOG, first.id)).state, 'processing');
  await assert.rejects(core.publish(PACKAGE, second), (thrown) => isRegistryError(thrown, 'publish/conflict'));
  empty();
  await core.publishing.sweep();
  assert.equal((await core.publishing.status(LOG, first.id)).state, 'rejected');
  assert.equal((await core.publish(PACKAGE, second)).state, 'sourcing');
});

test('content that is refused while its rejection finds no room is refused again (threats D10)', async () => {
  const record = await signed(TEXT);
  await core.publish(PACKAGE, record);
  const empty = fillRows();
  const upload = core.publishing.upload(LOG, record.id, digestOf(TEXT), bodyOf(TEXT));
  await assert.rejects(upload, isFull);
  assert.equal((await core.publishing.status(LOG, record.id)).state, 'processing');
  empty();
  const again = core.publishing.upload(LOG, record.id, digestOf(TEXT), bodyOf(TEXT));
  await assert.rejects(again, (thrown) => isRegistryError(thrown, 'content/policy'));
  assert.equal((await core.publishing.status(LOG, record.id)).state, 'rejected');
});

test('of two records that two processes have taken for one package a start keeps the first, and says so of the other', async () => {
  const first = await signed(CONTENT);
  const second = await signed(CONTENT, 1);
  await core.publish(PACKAGE, first);
  const { id: recordId, envelope } = second;
  const row = { recordId, logId: LOG, name: PACKAGE, envelope, rejection: null, updatedAtMs: STARTED_MS + 1 };
  await core.store.putPending(row);
  const restarted = await openCore({ state: core.state, lastSigned: core.lastSigned });
  try {
    assert.equal((await restarted.publishing.status(LOG, first.id)).state, 'processing');
    assert.equal((await restarted.publishing.status(LOG, second.id)).state, 'rejected');
  } finally {
    await restarted.dispose();
  }
});

test('a record is published only under a head that is served (threats D1)', async () => {
  const record = await signed(CONTENT);
  await core.publish(PACKAGE, record);
  const write = core.lastSigned.write.bind(core.lastSigned);
  let goOn = (): void => undefined;
  const committed = new Promise<void>((resolve) => {
    core.lastSigned.write = async (mark) => {
      // The commit is durable now, and its head is not served yet.
      resolve();
      await new Promise<void>((settle) => {
        goOn = settle;
      });
      await write(mark);
    };
  });
  const upload = core.publishing.upload(LOG, record.id, digestOf(CONTENT), bodyOf(CONTENT));
  await committed;
  assert.notEqual(await core.store.readRecord(record.id), null);
  const early = core.publish(PACKAGE, record);
  goOn();
  await upload;
  assert.equal((await early).state, 'published');
  assert.equal((await core.publishing.status(LOG, record.id)).state, 'published');
});

test('a record that is posted again after its rejection is not called rejected while it is committed', async () => {
  const record = await signed(CONTENT);
  await core.publish(PACKAGE, record);
  core.nowMs += SOURCING_IDLE_MS + 1;
  await core.publishing.sweep();
  assert.equal((await core.publishing.status(LOG, record.id)).state, 'rejected');
  await core.content.keepBytes(digestOf(CONTENT), CONTENT);
  const commit = core.store.commit.bind(core.store);
  let goOn = (): void => undefined;
  const begun = new Promise<void>((resolve) => {
    core.store.commit = async (...asked) => {
      resolve();
      await new Promise<void>((settle) => {
        goOn = settle;
      });
      return commit(...asked);
    };
  });
  const again = core.publish(PACKAGE, record);
  await begun;
  // Its row still says what it said before: nobody had to write it anew.
  assert.notEqual((await core.store.readPending(record.id))?.rejection ?? null, null);
  const thrice = core.publish(PACKAGE, record);
  // Enough for a wrong answer.
  await Promise.race([thrice, sleep(50)]);
  goOn();
  assert.deepEqual([(await again).state, (await thrice).state], ['published', 'published']);
});
