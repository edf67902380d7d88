import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import {
  isRegistryError,
  PACKAGE_LOG,
  packageLogId,
  parsePackageName,
  RegistryError,
  signRecord,
  timestampFromMs,
  type ErrorCode,
  type PackageEntry,
} from '@waybill/protocol';
import { CheckpointSigner } from '../../src/core/checkpoint-signer.ts';
import { TreeCommitter, type Batch, type Committed, type Committer } from '../../src/core/committing.ts';
import { HEAD_REFRESH_MS, QUEUE_BYTES_MAX, QUEUE_RECORDS_MAX } from '../../src/core/limits.ts';
import { silentObserver } from '../../src/core/observer.ts';
import { Sequencer, type Submission } from '../../src/core/sequencer.ts';
import { openStateCaches } from '../../src/core/state-caches.ts';
import { MemoryLastSigned } from '../../src/storage/memory/memory-last-signed.ts';
import { emptyMemoryState, MemoryStore, type MemoryState } from '../../src/storage/memory/memory-store.ts';
import { keyOf } from '../publisher.ts';
import { testLogSigners } from './log-signers.ts';
import { STARTED_MS } from './registry-core.ts';
import { testHomeOf } from '../home.ts';

const SECONDS_MS = 1_000;

let state: MemoryState;
let lastSigned: MemoryLastSigned;
let nowMs: number;
let fatal: unknown;

beforeEach(() => {
  state = emptyMemoryState();
  lastSigned = new MemoryLastSigned();
  nowMs = STARTED_MS;
  fatal = null;
});

const failsWith =
  (code: ErrorCode) =>
  (thrown: unknown): boolean =>
    isRegistryError(thrown, code);

/** A sequencer as a start of the server opens it; `wrap` stands before its committer. */
async function openSequencer(wrap: (committer: Committer) => Committer = (committer) => committer): Promise<Sequencer> {
  const store = new MemoryStore(state);
  const clock = (): number => nowMs;
  const signer = new CheckpointSigner(keyOf('operator'), clock);
  const committer = await TreeCommitter.open({ store, signer, logSigners: testLogSigners, lastSigned });
  const states = openStateCaches(store, testHomeOf);
  const onFatal = (failure: unknown): void => {
    fatal = failure;
  };
  const parts = { committer: wrap(committer), states, clock, observer: silentObserver, onFatal };
  return new Sequencer(parts, committer.head);
}

/** The first record of a package of its own; `grants` makes it long. */
async function firstRecord(title: string, grants = 0): Promise<Submission> {
  const name = parsePackageName(`test:${title}`);
  const key = keyOf(title);
  const grant: PackageEntry = { type: 'grant', key: key.publicKey, permissions: ['release'] };
  const entries: PackageEntry[] = [
    { type: 'init', key: key.publicKey },
    ...Array.from({ length: grants }, () => grant),
  ];
  const record = await signRecord(PACKAGE_LOG, { prev: null, time: timestampFromMs(STARTED_MS), entries }, key);
  return { kind: 'package', name, logId: packageLogId(name), record };
}

/** Holds every commit until `open` is called. */
function gate(): { readonly wrap: (committer: Committer) => Committer; readonly open: () => void } {
  const { promise, resolve } = withResolvers();
  const wrap = (committer: Committer): Committer => ({
    async commit(batch: Batch): Promise<Committed> {
      await promise;
      return committer.commit(batch);
    },
  });
  return { wrap, open: resolve };
}

function withResolvers(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

test('a clock more than 60 s behind the last head signs nothing, and goes on when it is right again (threats D8)', async () => {
  const sequencer = await openSequencer();
  await sequencer.sequence(await firstRecord('one'));
  const head = sequencer.head;
  nowMs -= 61 * SECONDS_MS;
  await assert.rejects(sequencer.sequence(await firstRecord('two')), failsWith('head/clock'));
  assert.equal(sequencer.head, head);
  assert.equal(state.newest, head);
  assert.equal(state.records.size, 1);
  assert.equal(fatal, null);
  nowMs += 61 * SECONDS_MS;
  assert.equal(await sequencer.sequence(await firstRecord('two')), 1);
});

test('a clock that jumps back a little repeats the time of the last head (threats D8)', async () => {
  const sequencer = await openSequencer();
  await sequencer.sequence(await firstRecord('one'));
  nowMs -= 60 * SECONDS_MS;
  await sequencer.sequence(await firstRecord('two'));
  assert.equal(sequencer.head?.checkpoint.contents.timestamp, STARTED_MS / SECONDS_MS);
});

test('an idle head is signed afresh with a newer time, and is no new head (threats T3)', async () => {
  const sequencer = await openSequencer();
  await sequencer.sequence(await firstRecord('one'));
  const before = sequencer.head;
  nowMs += HEAD_REFRESH_MS - 1;
  await sequencer.refreshHead();
  assert.equal(sequencer.head, before);
  nowMs += 1;
  await sequencer.refreshHead();
  const after = sequencer.head;
  const { timestamp = 0, ...roots } = before?.checkpoint.contents ?? {};
  assert.deepEqual(after?.checkpoint.contents, { ...roots, timestamp: timestamp + HEAD_REFRESH_MS / SECONDS_MS });
  assert.equal(after?.headsLength, before?.headsLength);
  assert.deepEqual(state.newest, after);
  assert.equal(lastSigned.mark?.timestamp, after?.checkpoint.contents.timestamp);
});

test('a head that cannot be signed afresh stands, and is tried again', async () => {
  let failing: RegistryError | null = null;
  const sequencer = await openSequencer((committer) => ({
    commit: (batch) => (failing === null ? committer.commit(batch) : Promise.reject(failing)),
  }));
  await sequencer.sequence(await firstRecord('one'));
  const before = sequencer.head;
  nowMs += HEAD_REFRESH_MS;
  failing = new RegistryError('storage/full', 'no room');
  await sequencer.refreshHead();
  assert.equal(sequencer.head, before);
  assert.equal(sequencer.failure, null);
  failing = null;
  await sequencer.refreshHead();
  assert.notEqual(sequencer.head, before);
});

test('an empty registry has no head to sign afresh', async () => {
  const sequencer = await openSequencer();
  nowMs += 10 * HEAD_REFRESH_MS;
  await sequencer.refreshHead();
  assert.equal(sequencer.head, null);
  assert.equal(state.newest, null);
});

test('records beyond the bound of the queue are told to come back, and none that was taken is lost (threats D12)', async () => {
  const { wrap, open } = gate();
  const sequencer = await openSequencer(wrap);
  // Never committed: the same record again and again costs nothing, and is refused on its own merits in the end.
  const submission = await firstRecord('one');
  const first = sequencer.sequence(await firstRecord('zero'));
  const waiting = Array.from({ length: QUEUE_RECORDS_MAX }, () => sequencer.sequence(submission));
  await assert.rejects(sequencer.sequence(submission), failsWith('request/too-many'));
  open();
  const settled = await Promise.allSettled([first, ...waiting]);
  assert.equal(settled.filter(({ status }) => status === 'fulfilled').length, 2);
  assert.equal(state.records.size, 2);
  assert.equal(await sequencer.sequence(await firstRecord('two')), 2);
});

test('bytes beyond the bound of the queue are told to come back (threats D12)', async () => {
  const { wrap, open } = gate();
  const sequencer = await openSequencer(wrap);
  const long = await firstRecord('long', 900);
  const { contents } = long.record.envelope;
  assert.ok(contents.length > 50_000);
  const first = sequencer.sequence(await firstRecord('zero'));
  const waiting: Promise<unknown>[] = [];
  while (waiting.length * contents.length < QUEUE_BYTES_MAX) waiting.push(sequencer.sequence(long));
  assert.ok(waiting.length < QUEUE_RECORDS_MAX);
  const small = await firstRecord('small');
  await assert.rejects(sequencer.sequence(small), failsWith('request/too-many'));
  open();
  await Promise.allSettled([first, ...waiting]);
  assert.equal(await sequencer.sequence(small), 2);
});

for (const code of ['storage/failed', 'head/conflict', 'storage/damaged'] as const) {
  test(`${code} ends the sequencer: what waits and what comes later gets the same answer (threats D5)`, async () => {
    const { wrap, open } = gate();
    const failing: Committer = { commit: () => Promise.reject(new RegistryError(code, 'it failed')) };
    const sequencer = await openSequencer(() => wrap(failing));
    const first = sequencer.sequence(await firstRecord('one'));
    const second = sequencer.sequence(await firstRecord('two'));
    const answers = [assert.rejects(first, failsWith(code)), assert.rejects(second, failsWith(code))];
    open();
    await Promise.all(answers);
    assert.ok(isRegistryError(fatal, code));
    assert.equal(sequencer.failure, fatal);
    await assert.rejects(sequencer.sequence(await firstRecord('three')), failsWith(code));
    nowMs += HEAD_REFRESH_MS;
    await sequencer.refreshHead();
    assert.equal(state.newest, null);
  });
}
