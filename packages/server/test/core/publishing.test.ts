import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  digestOf,
  encodeRecordContents,
  isRegistryError,
  PACKAGE_LOG,
  namespaceOf,
  packageLogId,
  parsePackageName,
  RegistryError,
  timestampFromMs,
  type PackageEntry,
  type RecordId,
} from '@waybill/protocol';
import { SOURCING_IDLE_MS, REJECTION_KEPT_MS } from '../../src/core/limits.ts';
import type { ContentStore } from '../../src/core/ports.ts';
import { keyOf, releaseOf, signContents, wasmOf, type LooseRecord } from '../publisher.ts';
import { openCore, PACKAGE, STARTED_MS, type CoreOptions, type RegistryCore } from './registry-core.ts';

/** Enough for a wrong publishing to happen; a right one waits for the test, however long it takes. */
const A_WHILE_MS = 50;

const alice = keyOf('alice');
const LOG = packageLogId(PACKAGE);
const ONE = wasmOf('one');
const TWO = wasmOf('two');
const INIT: PackageEntry = { type: 'init', key: alice.publicKey };

let core: RegistryCore;
const opened: RegistryCore[] = [];

async function open(options: CoreOptions = {}): Promise<RegistryCore> {
  const one = await openCore(options);
  opened.push(one);
  return one;
}

beforeEach(async () => {
  core = await open();
});
afterEach(() => Promise.all(opened.splice(0).map((one) => one.dispose())));

/** `nanos` tells records apart that are otherwise equal. */
function signed(entries: readonly PackageEntry[], prev: RecordId | null = null, nanos = 0): Promise<LooseRecord> {
  const time = timestampFromMs(STARTED_MS, nanos);
  return signContents(encodeRecordContents(PACKAGE_LOG, { prev, time, entries }), alice);
}

async function* bodyOf(...chunks: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* chunks;
}

function upload(to: RegistryCore, recordId: RecordId, content: Uint8Array): Promise<void> {
  return to.publishing.upload(LOG, recordId, digestOf(content), bodyOf(content));
}

test('a record whose content does not come is rejected when it has been idle for its time', async () => {
  const record = await signed([INIT, releaseOf('1.0.0', ONE)]);
  assert.equal((await core.publish(PACKAGE, record)).state, 'sourcing');
  core.nowMs += SOURCING_IDLE_MS;
  await core.publishing.sweep();
  assert.equal((await core.publishing.status(LOG, record.id)).state, 'processing');
  core.nowMs += 1;
  await core.publishing.sweep();
  assert.equal((await core.publishing.status(LOG, record.id)).state, 'rejected');
  await assert.rejects(upload(core, record.id, ONE), (thrown) => isRegistryError(thrown, 'publish/not-sourcing'));
});

test('a rejected record frees its package, and may itself be posted again', async () => {
  const record = await signed([INIT, releaseOf('1.0.0', ONE)]);
  const other = await signed([INIT], null, 1);
  await core.publish(PACKAGE, record);
  await assert.rejects(core.publish(PACKAGE, other), (thrown) => isRegistryError(thrown, 'publish/conflict'));
  core.nowMs += SOURCING_IDLE_MS + 1;
  await core.publishing.sweep();
  assert.equal((await core.publish(PACKAGE, record)).state, 'sourcing');
  await upload(core, record.id, ONE);
  assert.deepEqual(await core.publishing.status(LOG, record.id), {
    recordId: record.id,
    state: 'published',
    registryIndex: 1,
  });
});

test('every chunk of an upload counts as progress', async () => {
  const record = await signed([INIT, releaseOf('1.0.0', ONE)]);
  await core.publish(PACKAGE, record);
  async function* slowly(): AsyncIterable<Uint8Array> {
    for (const byte of ONE) {
      core.nowMs += SOURCING_IDLE_MS;
      await core.publishing.sweep();
      yield Uint8Array.of(byte);
    }
  }
  await core.publishing.upload(LOG, record.id, digestOf(ONE), slowly());
  assert.equal((await core.publishing.status(LOG, record.id)).state, 'published');
});

test('an upload that ends after its record was rejected publishes nothing', async () => {
  const record = await signed([INIT, releaseOf('1.0.0', ONE)]);
  await core.publish(PACKAGE, record);
  async function* late(): AsyncIterable<Uint8Array> {
    yield ONE.subarray(0, 4);
    core.nowMs += SOURCING_IDLE_MS + 1;
    await core.publishing.sweep();
    yield ONE.subarray(4);
  }
  await core.publishing.upload(LOG, record.id, digestOf(ONE), late());
  assert.equal((await core.publishing.status(LOG, record.id)).state, 'rejected');
});

test('a rejection is forgotten after its time, and so is the record', async () => {
  const record = await signed([INIT, releaseOf('1.0.0', ONE)]);
  await core.publish(PACKAGE, record);
  core.nowMs += SOURCING_IDLE_MS + 1;
  await core.publishing.sweep();
  core.nowMs += REJECTION_KEPT_MS;
  await core.publishing.sweep();
  assert.equal((await core.publishing.status(LOG, record.id)).state, 'rejected');
  core.nowMs += 1;
  await core.publishing.sweep();
  await assert.rejects(core.publishing.status(LOG, record.id), (thrown) => isRegistryError(thrown, 'log/not-found'));
  assert.deepEqual(await core.store.listPending(), []);
});

test('a record that waits is durable before its publisher is told so; a published one leaves no row', async () => {
  const record = await signed([INIT, releaseOf('1.0.0', ONE)]);
  await core.publish(PACKAGE, record);
  const [pending, ...others] = await core.store.listPending();
  assert.deepEqual([pending?.recordId, pending?.rejection, others.length], [record.id, null, 0]);
  await upload(core, record.id, ONE);
  assert.deepEqual(await core.store.listPending(), []);
});

test('a start takes waiting records up with a fresh time to upload', async () => {
  const record = await signed([INIT, releaseOf('1.0.0', ONE)]);
  await core.publish(PACKAGE, record);
  const again = await open({ state: core.state, lastSigned: core.lastSigned });
  again.nowMs = STARTED_MS + SOURCING_IDLE_MS;
  await again.publishing.sweep();
  assert.equal((await again.publishing.status(LOG, record.id)).state, 'processing');
  await upload(again, record.id, ONE);
  assert.equal((await again.publishing.status(LOG, record.id)).state, 'published');
});

test('a start publishes a record whose content had come', async () => {
  const record = await signed([INIT, releaseOf('1.0.0', ONE)]);
  await core.publish(PACKAGE, record);
  const { content } = core;
  const kept = await content.startUpload();
  await kept.write(ONE);
  await kept.keep(digestOf(ONE));
  const again = await open({ state: core.state, lastSigned: core.lastSigned, wrap: () => content });
  assert.equal((await again.publishing.status(LOG, record.id)).state, 'published');
});

test('a start drops the row of a record that was published after it was written', async () => {
  const record = await signed([INIT, releaseOf('1.0.0', ONE)]);
  await core.publish(PACKAGE, record);
  const [row = assert.fail()] = await core.store.listPending();
  await upload(core, record.id, ONE);
  await core.store.putPending(row);
  const again = await open({ state: core.state, lastSigned: core.lastSigned });
  assert.deepEqual(await again.store.listPending(), []);
  assert.equal((await again.publishing.status(LOG, record.id)).state, 'published');
});

/** A content store whose look-ups of sizes wait until they are let go. */
function held(): { wrap: (content: ContentStore) => ContentStore; release: () => void; asked: Promise<void> } {
  let release = (): void => undefined;
  let tellAsked = (): void => undefined;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const asked = new Promise<void>((resolve) => {
    tellAsked = resolve;
  });
  const wrap = (content: ContentStore): ContentStore => ({
    ...content,
    size: async (digest) => {
      tellAsked();
      await gate;
      return content.size(digest);
    },
  });
  return { wrap, release, asked };
}

test('a sweep between the post and the look-up of its content does not publish the record without it', async () => {
  const { wrap, release, asked } = held();
  const slow = await open({ wrap });
  const record = await signed([INIT, releaseOf('1.0.0', ONE)]);
  const answer = slow.publish(PACKAGE, record);
  await asked;
  const swept = slow.publishing.sweep();
  await sleep(A_WHILE_MS);
  release();
  await swept;
  assert.equal((await answer).state, 'sourcing');
  assert.equal(await slow.store.readRecord(record.id), null);
});

test('an upload during the look-up of what is missing does not publish the record without the rest', async () => {
  const { wrap, release, asked } = held();
  const slow = await open({ wrap });
  const record = await signed([INIT, releaseOf('1.0.0', ONE), releaseOf('2.0.0', TWO)]);
  const answer = slow.publish(PACKAGE, record);
  await asked;
  const uploaded = upload(slow, record.id, ONE);
  await sleep(A_WHILE_MS);
  release();
  assert.equal((await answer).state, 'sourcing');
  await uploaded;
  assert.equal(await slow.store.readRecord(record.id), null);
  await upload(slow, record.id, TWO);
  assert.equal((await slow.publishing.status(LOG, record.id)).state, 'published');
});

test('whoever posts the same bytes while the first post is looked at gets its answer, or its refusal', async () => {
  const { wrap, release, asked } = held();
  const slow = await open({ wrap });
  const record = await signed([INIT, releaseOf('1.0.0', ONE)]);
  const first = slow.publish(PACKAGE, record);
  await asked;
  const second = slow.publish(PACKAGE, record);
  release();
  assert.deepEqual(await second, await first);

  const replayed = await signed([INIT]);
  await core.publish(PACKAGE, replayed);
  const other = parsePackageName('test:other');
  const outcomes = await Promise.allSettled([1, 2, 3].map(() => core.publish(other, replayed)));
  for (const outcome of outcomes) {
    assert.ok(outcome.status === 'rejected' && isRegistryError(outcome.reason, 'admission/policy'));
  }
});

test('a full disk refuses the upload, leaves nothing of it, and the record waits on', async () => {
  let full = true;
  const wrap = (content: ContentStore): ContentStore => ({
    ...content,
    startUpload: async () => {
      const one = await content.startUpload();
      const write = (chunk: Uint8Array): Promise<void> =>
        full ? Promise.reject(new RegistryError('storage/full', 'no room')) : one.write(chunk);
      return { write, keep: (digest) => one.keep(digest), discard: () => one.discard() };
    },
  });
  const tight = await open({ wrap });
  const record = await signed([INIT, releaseOf('1.0.0', ONE)]);
  await tight.publish(PACKAGE, record);
  await assert.rejects(upload(tight, record.id, ONE), (thrown) => isRegistryError(thrown, 'storage/full'));
  assert.equal((await tight.publishing.status(LOG, record.id)).state, 'processing');
  full = false;
  await upload(tight, record.id, ONE);
  assert.equal((await tight.publishing.status(LOG, record.id)).state, 'published');
});

test('publishers: who is not listed is denied before anything is looked at', async () => {
  const rule = (keyIds: readonly string[], delegation: boolean) => ({ keys: new Set(keyIds), delegation });
  const bob = keyOf('bob').publicKey.id;
  const record = await signed([INIT]);
  for (const [namespaces, packages, allowed] of [
    [[], [], false],
    [[rule([bob], false)], [], false],
    [[rule([bob], true)], [], false],
    [[rule([alice.publicKey.id], false)], [], true],
    [[], [rule([alice.publicKey.id], false)], true],
  ] as const) {
    const strict = await open({
      publishers: {
        namespaces: new Map(namespaces.map((one) => [namespaceOf(PACKAGE), one])),
        packages: new Map(packages.map((one) => [PACKAGE, one])),
      },
    });
    const outcome = await strict.publish(PACKAGE, record).catch((thrown: unknown) => thrown);
    if (allowed) assert.ok(!isRegistryError(outcome));
    else assert.ok(isRegistryError(outcome, 'admission/denied'));
  }
});
