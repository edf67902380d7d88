import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import {
  digestOf,
  encodeRecordContents,
  isRegistryError,
  PACKAGE_LOG,
  packageLogId,
  parsePackageName,
  timestampFromMs,
  type PackageEntry,
} from '@waybill/protocol';
import { keyOf, releaseOf, signContents, wasmOf, type LooseRecord } from '../publisher.ts';
import { openCore, PACKAGE, STARTED_MS, type RegistryCore } from './registry-core.ts';

/* Record bytes do not name their package, so anybody can post another's record under a second name (threats P6). */

const alice = keyOf('alice');
const OTHER = parsePackageName('test:other');
const CONTENT = wasmOf('content');
const INIT: PackageEntry = { type: 'init', key: alice.publicKey };

let core: RegistryCore;

beforeEach(async () => {
  core = await openCore();
});
afterEach(() => core.dispose());

function signed(entries: readonly PackageEntry[]): Promise<LooseRecord> {
  const contents = encodeRecordContents(PACKAGE_LOG, { prev: null, time: timestampFromMs(STARTED_MS), entries });
  return signContents(contents, alice);
}

test('the same record posted under two names at once is published once', async () => {
  const record = await signed([INIT]);
  const outcomes = await Promise.allSettled([core.publish(PACKAGE, record), core.publish(OTHER, record)]);
  assert.deepEqual(outcomes.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected']);
  for (const outcome of outcomes) {
    assert.ok(outcome.status === 'fulfilled' || isRegistryError(outcome.reason, 'admission/policy'));
  }
});

test('a record that waits for content under one name cannot be posted under another', async () => {
  const record = await signed([INIT, releaseOf('1.0.0', CONTENT)]);
  assert.equal((await core.publish(PACKAGE, record)).state, 'sourcing');
  await assert.rejects(core.publish(OTHER, record), (thrown) => isRegistryError(thrown, 'admission/policy'));
  assert.equal((await core.store.readPending(record.id))?.logId, packageLogId(PACKAGE));
  const body = (async function* () {
    yield CONTENT;
  })();
  await core.publishing.upload(packageLogId(PACKAGE), record.id, digestOf(CONTENT), body);
  assert.equal((await core.publishing.status(packageLogId(PACKAGE), record.id)).state, 'published');
});
