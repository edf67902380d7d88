import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as immediate } from 'node:timers/promises';
import {
  encodeRecordContents,
  isRegistryError,
  judgeRecord,
  PACKAGE_LOG,
  packageLogId,
  parsePackageName,
  parseVersion,
  signRecord,
  timestampFromMs,
  type LogId,
  type PackageEntry,
  type PackagePermission,
  type Release,
} from '@waybill/protocol';
import { LogStates } from '../../src/core/log-states.ts';
import type { ContentStore, StoredRecord } from '../../src/core/ports.ts';
import { keyOf, releaseOf, signContents, wasmOf } from '../publisher.ts';
import { openCore, STARTED_MS, type RegistryCore } from './registry-core.ts';
import { testHomeOf } from '../home.ts';

const alice = keyOf('alice');
const CONTENT = wasmOf('content');
/** More than one such state, and fewer than two, fit into the caches of these tests. */
const VERSIONS = 100;
const ITEMS_MAX = 150;

/** Nothing is uploaded: whatever is asked for is there. */
function withContent(content: ContentStore): ContentStore {
  return {
    ...content,
    size: async () => CONTENT.length,
    async *read() {
      yield CONTENT;
    },
  };
}

/** A package with one record that binds many versions. */
async function publishVersions(core: RegistryCore, text: string, nanos: number): Promise<LogId> {
  const name = parsePackageName(text);
  const entries: PackageEntry[] = [{ type: 'init', key: alice.publicKey }];
  for (let i = 0; i < VERSIONS; i++) entries.push(releaseOf(`1.0.${i}`, CONTENT));
  const contents = encodeRecordContents(PACKAGE_LOG, { prev: null, time: timestampFromMs(STARTED_MS, nanos), entries });
  assert.equal((await core.publish(name, await signContents(contents, alice))).state, 'published');
  return packageLogId(name);
}

test('the cache of states counts versions, not records alone (threats W16)', async () => {
  const core = await openCore({ wrap: withContent });
  try {
    const one = await publishVersions(core, 'test:one', 0);
    const two = await publishVersions(core, 'test:two', 1);
    const states = new LogStates({ dialect: PACKAGE_LOG, homeOf: testHomeOf, store: core.store, itemsMax: ITEMS_MAX });
    assert.equal((await states.load(one)).bindings.size, VERSIONS);
    assert.notEqual(states.cached(one), null);
    assert.equal((await states.load(two)).bindings.size, VERSIONS);
    assert.equal(states.cached(one), null);
    assert.notEqual(states.cached(two), null);
    states.evict(two);
    assert.equal((await states.load(one)).bindings.size, VERSIONS);
    assert.notEqual(states.cached(one), null);
  } finally {
    await core.dispose();
  }
});

test('a state is looked at as it is then, although it moved on while it was waited for', async () => {
  const core = await openCore({ wrap: withContent });
  try {
    const one = await publishVersions(core, 'test:one', 0);
    const states = new LogStates({ dialect: PACKAGE_LOG, homeOf: testHomeOf, store: core.store });
    const time = timestampFromMs(STARTED_MS, 7);
    const entries: PackageEntry[] = [{ type: 'yank', version: parseVersion('1.0.0') }];
    const { head } = await states.load(one);
    states.evict(one);
    const next = await signRecord(PACKAGE_LOG, { prev: head?.id ?? null, time, entries }, alice);
    const move = async (): Promise<void> => {
      const { draft } = judgeRecord(PACKAGE_LOG, await states.load(one), next);
      states.put(one, draft.accept());
    };
    const moving = move();
    const looks = Array.from({ length: 4 }, () => states.read(one, ({ length, bindings }) => [length, bindings.size]));
    for (const [length, versions] of await Promise.all(looks))
      assert.ok((length === 1 || length === 2) && versions === VERSIONS);
    await moving;
    assert.deepEqual(await states.read(one, ({ length, keys }) => [length, keys.size]), [2, 1]);
  } finally {
    await core.dispose();
  }
});

/** A yank of the first version, as the second record of a log. */
async function secondRecord(states: LogStates<PackageEntry, PackagePermission, Release>, logId: LogId) {
  const { head } = await states.load(logId);
  const entries: PackageEntry[] = [{ type: 'yank', version: parseVersion('1.0.0') }];
  const time = timestampFromMs(STARTED_MS, 7);
  return signRecord(PACKAGE_LOG, { prev: head?.id ?? null, time, entries }, alice);
}

test('a state that is ahead of the store is waited for, not replayed, when it had to make room (threats D1)', async () => {
  const core = await openCore({ wrap: withContent });
  try {
    const [one, two] = [await publishVersions(core, 'test:one', 0), await publishVersions(core, 'test:two', 1)];
    const states = new LogStates({ dialect: PACKAGE_LOG, homeOf: testHomeOf, store: core.store, itemsMax: ITEMS_MAX });
    const record = await secondRecord(states, one);
    states.putAhead(one, judgeRecord(PACKAGE_LOG, await states.load(one), record).draft.accept());
    await states.load(two);
    assert.equal(states.cached(one), null);
    const seen: number[] = [];
    const looking = states.read(one, ({ length }) => seen.push(length));
    // Long enough for any replay, which would find one record.
    for (let i = 0; i < 20; i++) await immediate();
    assert.deepEqual(seen, []);
    assert.equal((await core.publish(parsePackageName('test:one'), record)).state, 'published');
    states.release(one);
    await looking;
    assert.deepEqual(seen, [2]);
  } finally {
    await core.dispose();
  }
});

test('a replay that began before a state moved on does not take its place (threats D1)', async () => {
  const core = await openCore({ wrap: withContent });
  try {
    const [one, two] = [await publishVersions(core, 'test:one', 0), await publishVersions(core, 'test:two', 1)];
    const readLog = core.store.readLog.bind(core.store);
    let hold = Promise.resolve();
    core.store.readLog = async (...asked) => {
      await hold;
      return readLog(...asked);
    };
    const states = new LogStates({ dialect: PACKAGE_LOG, homeOf: testHomeOf, store: core.store, itemsMax: ITEMS_MAX });
    const record = await secondRecord(states, one);
    const { draft } = judgeRecord(PACKAGE_LOG, await states.load(one), record);
    // It makes room while what moves it on waits for something else, and a reader asks for it.
    await states.load(two);
    let goOn = (): void => undefined;
    hold = new Promise((resolve) => {
      goOn = resolve;
    });
    const looking = states.read(one, ({ length }) => length);
    states.putAhead(one, draft.accept());
    goOn();
    assert.equal(await looking, 2);
    assert.equal(states.cached(one)?.length, 2);
    states.release(one);
  } finally {
    await core.dispose();
  }
});

test('a stored record that is damaged is a fault of the store, and rejects no record after it (threats D10)', async () => {
  const core = await openCore({ wrap: withContent });
  try {
    const one = await publishVersions(core, 'test:one', 0);
    const isDamaged = (thrown: unknown): boolean => isRegistryError(thrown, 'storage/damaged');
    const readLog = core.store.readLog.bind(core.store);
    const damages: readonly ((record: StoredRecord) => StoredRecord[])[] = [
      (record) => [{ ...record, envelope: { ...record.envelope, contents: new Uint8Array(3) } }],
      (record) => [{ ...record, envelope: { ...record.envelope, contents: record.envelope.contents.slice(0, -1) } }],
      (record) => [record, record],
    ];
    for (const damage of damages) {
      core.store.readLog = async (...asked) => (await readLog(...asked)).flatMap(damage);
      await assert.rejects(
        new LogStates({ dialect: PACKAGE_LOG, homeOf: testHomeOf, store: core.store }).load(one),
        isDamaged,
      );
    }
  } finally {
    await core.dispose();
  }
});
