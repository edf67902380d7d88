import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  encodeRecordContents,
  judgeRecord,
  PACKAGE_LOG,
  packageLogId,
  parsePackageName,
  parseVersion,
  signRecord,
  timestampFromMs,
  type LogId,
  type PackageEntry,
} from '@waybill/protocol';
import { LogStates } from '../../src/core/log-states.ts';
import { keyOf, releaseOf, signContents, wasmOf } from '../publisher.ts';
import { openCore, STARTED_MS, type RegistryCore } from './registry-core.ts';

const alice = keyOf('alice');
const CONTENT = wasmOf('content');
/** More than one such state, and fewer than two, fit into the caches of these tests. */
const VERSIONS = 100;
const ITEMS_MAX = 150;

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
  const core = await openCore({ wrap: (content) => ({ ...content, size: async () => CONTENT.length }) });
  try {
    const one = await publishVersions(core, 'test:one', 0);
    const two = await publishVersions(core, 'test:two', 1);
    const states = new LogStates(PACKAGE_LOG, core.store, ITEMS_MAX);
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
  const core = await openCore({ wrap: (content) => ({ ...content, size: async () => CONTENT.length }) });
  try {
    const one = await publishVersions(core, 'test:one', 0);
    const states = new LogStates(PACKAGE_LOG, core.store);
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
