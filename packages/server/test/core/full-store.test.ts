import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { setImmediate as immediate } from 'node:timers/promises';
import {
  digestOf,
  encodeRecordContents,
  isRegistryError,
  PACKAGE_LOG,
  packageLogId,
  RegistryError,
  timestampFromMs,
  type PackageEntry,
  type wargApi,
} from '@waybill/protocol';
import { REJECTION_KEPT_MS, SOURCING_IDLE_MS } from '../../src/core/limits.ts';
import { keyOf, releaseOf, signContents, wasmOf, type LooseRecord } from '../publisher.ts';
import { openCore, PACKAGE, STARTED_MS, type RegistryCore } from './registry-core.ts';

const alice = keyOf('alice');
const LOG = packageLogId(PACKAGE);
const CONTENT = wasmOf('content');
const INIT: PackageEntry = { type: 'init', key: alice.publicKey };

let core: RegistryCore;

beforeEach(async () => {
  core = await openCore();
});
afterEach(() => core.dispose());

function signed(): Promise<LooseRecord> {
  const entries = [INIT, releaseOf('1.0.0', CONTENT)];
  const contents = encodeRecordContents(PACKAGE_LOG, { prev: null, time: timestampFromMs(STARTED_MS), entries });
  return signContents(contents, alice);
}

async function* bodyOf(content: Uint8Array): AsyncIterable<Uint8Array> {
  yield content;
}

/** Commits fail until the returned function is called. */
function fillStore({ store }: RegistryCore): () => void {
  const commit = store.commit.bind(store);
  store.commit = () => Promise.reject(new RegistryError('storage/full', 'no room'));
  return () => {
    store.commit = commit;
  };
}

test('an accepted record that found no room is published by a later sweep, not forgotten (threats D10)', async () => {
  const record = await signed();
  assert.equal((await core.publish(PACKAGE, record)).state, 'sourcing');
  const empty = fillStore(core);
  const upload = core.publishing.upload(LOG, record.id, digestOf(CONTENT), bodyOf(CONTENT));
  await assert.rejects(upload, (thrown) => isRegistryError(thrown, 'storage/full'));
  assert.equal((await core.publishing.status(LOG, record.id)).state, 'processing');
  await core.publishing.sweep();
  assert.equal((await core.publishing.status(LOG, record.id)).state, 'processing');
  empty();
  await core.publishing.sweep();
  assert.equal((await core.publishing.status(LOG, record.id)).state, 'published');
});

test('a record posted again after its rejection is not swept away with it', async () => {
  const record = await signed();
  await core.publish(PACKAGE, record);
  core.nowMs += SOURCING_IDLE_MS + 1;
  await core.publishing.sweep();
  assert.equal((await core.publishing.status(LOG, record.id)).state, 'rejected');
  core.nowMs += REJECTION_KEPT_MS;
  assert.equal((await core.publish(PACKAGE, record)).state, 'sourcing');
  core.nowMs += 1;
  await core.publishing.sweep();
  assert.notEqual(await core.store.readPending(record.id), null);
});

test('a record posted again in the middle of the sweep that forgets its rejection keeps its row (threats L3)', async () => {
  const record = await signed();
  await core.publish(PACKAGE, record);
  core.nowMs += SOURCING_IDLE_MS + 1;
  await core.publishing.sweep();
  core.nowMs += REJECTION_KEPT_MS + 1;
  const { store } = core;
  const [readPending, putPending] = [store.readPending.bind(store), store.putPending.bind(store)];
  const deleted: string[] = [];
  store.deletePending = async (recordId) => void deleted.push(recordId);
  const posted: Promise<wargApi.RecordStatus>[] = [];
  store.readPending = async (recordId) => {
    store.readPending = readPending;
    const found = await readPending(recordId);
    await new Promise<void>((resolve) => {
      store.putPending = async (pending) => {
        resolve();
        // Not before the sweep has seen the row as it was.
        await immediate();
        await putPending(pending);
      };
      posted.push(core.publish(PACKAGE, record));
    });
    return found;
  };
  await core.publishing.sweep();
  assert.deepEqual(
    (await Promise.all(posted)).map(({ state }) => state),
    ['sourcing'],
  );
  assert.deepEqual(deleted, []);
  assert.equal((await readPending(record.id))?.rejection, null);
});

test('a row that was written while its record was committed does not stay', async () => {
  const record = await signed();
  await core.publish(PACKAGE, record);
  await core.publishing.upload(LOG, record.id, digestOf(CONTENT), bodyOf(CONTENT));
  const entries = [releaseOf('2.0.0', CONTENT)];
  const draft = { prev: record.id, time: timestampFromMs(STARTED_MS), entries };
  const next = await signContents(encodeRecordContents(PACKAGE_LOG, draft), alice);
  const commit = core.store.commit.bind(core.store);
  let goOn = (): void => undefined;
  core.store.commit = async (...committed) => {
    await commit(...committed);
    await new Promise<void>((resolve) => {
      goOn = resolve;
    });
  };
  assert.equal((await core.publish(PACKAGE, next)).state, 'processing');
  assert.notEqual(await core.store.readPending(next.id), null);
  goOn();
  assert.equal((await core.publishing.status(LOG, next.id)).state, 'published');
  await immediate();
  assert.equal(await core.store.readPending(next.id), null);
});

test('a sweep reads no rejection that is not due', async () => {
  const record = await signed();
  await core.publish(PACKAGE, record);
  core.nowMs += SOURCING_IDLE_MS + 1;
  await core.publishing.sweep();
  const read: string[] = [];
  core.store.listPending = () => Promise.reject(new Error('every row was read'));
  const readPending = core.store.readPending.bind(core.store);
  core.store.readPending = (recordId) => {
    read.push(recordId);
    return readPending(recordId);
  };
  await core.publishing.sweep();
  assert.deepEqual(read, []);
  core.nowMs += REJECTION_KEPT_MS + 1;
  await core.publishing.sweep();
  assert.deepEqual(read, [record.id]);
  assert.equal(core.state.pending.size, 0);
});
