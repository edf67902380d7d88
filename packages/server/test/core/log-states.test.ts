import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  encodeRecordContents,
  PACKAGE_LOG,
  packageLogId,
  parsePackageName,
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
