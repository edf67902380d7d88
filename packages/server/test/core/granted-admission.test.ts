import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import {
  annotationIdOf,
  concatBytes,
  digestOf,
  encodeAnnotation,
  HOLDER_KEYS_MAX,
  isRegistryError,
  packageLogId,
  parseGrantId,
  parsePackageName,
  parseVersion,
  timestampFromMs,
  utf8,
  type ErrorCode,
  type GrantId,
  type LogHome,
  type PackageEntry,
  type RecordId,
  type SignedRecord,
} from '@waybill/protocol';
import { EXPIRING_RECORD_AGE_SECONDS_MAX, RECORD_KEYS_MAX } from '../../src/core/limits.ts';
import { testHomeOf } from '../home.ts';
import { claimedRelease, delegateTo, holderNamed, signJointly } from '../joint-record.ts';
import { wasmOf } from '../publisher.ts';
import { openCore, PACKAGE, STARTED_MS, type RegistryCore } from './registry-core.ts';

const LOG = packageLogId(PACKAGE);
const OTHER = parsePackageName('test:other');
const ONE = wasmOf('one');
const ROOT_HOLDER = holderNamed('alice', 'bob');
const ROOT: PackageEntry = { type: 'root', holder: ROOT_HOLDER };
const BOTH = ['alice', 'bob'] as const;

let core: RegistryCore;
let head: RecordId | null;

beforeEach(async () => {
  core = await openCore();
  head = null;
});
afterEach(() => core.dispose());

interface Given {
  readonly by?: readonly string[];
  readonly home?: LogHome;
  readonly ms?: number;
  readonly annotations?: readonly Uint8Array[];
}

function signed(entries: readonly PackageEntry[], given: Given = {}): Promise<SignedRecord<PackageEntry>> {
  const { by = BOTH, home = testHomeOf(LOG), ms = core.nowMs, annotations = [] } = given;
  return signJointly(entries, { prev: head, time: timestampFromMs(ms), home, by, annotations });
}

async function publish(entries: readonly PackageEntry[], given: Given = {}): Promise<SignedRecord<PackageEntry>> {
  const record = await signed(entries, given);
  assert.equal((await core.publish(PACKAGE, record)).state, 'published');
  head = record.id;
  return record;
}

async function upload(recordId: RecordId, content: Uint8Array): Promise<void> {
  const body = async function* (): AsyncIterable<Uint8Array> {
    yield content;
  };
  await core.publishing.upload(LOG, recordId, digestOf(content), body());
}

async function assertRefused(code: ErrorCode, entries: readonly PackageEntry[], given: Given = {}): Promise<void> {
  const record = await signed(entries, given);
  await assert.rejects(core.publish(PACKAGE, record), (thrown) => isRegistryError(thrown, code));
}

const grantIn = ({ id }: SignedRecord<PackageEntry>, index: number): GrantId => parseGrantId(`${id}/${index}`);

test('a signer that the record does not need is refused (admission.md 6)', async () => {
  await assertRefused('admission/unknown-key', [ROOT], { by: ['alice', 'bob', 'cyd'] });
  await publish([ROOT]);
  // Valid in the log, for the root signs: a key that holds something elsewhere has no part in this.
  const grant = await publish([delegateTo(['cyd'], ['yank'])]);
  await assertRefused('admission/policy', [delegateTo(['dan'], ['yank'])], { by: ['alice', 'bob', 'cyd'] });
  await publish([delegateTo(['dan'], ['yank'])], { by: ['alice', 'bob', 'dan'] });
  await publish([{ type: 'revokeGrant', grant: grantIn(grant, 0), under: grantIn(grant, 0) }], { by: ['cyd'] });
});

test('a grant that could never be used is refused (admission.md 6)', async () => {
  await publish([ROOT]);
  const [low, high] = [parseVersion('1.0.0'), parseVersion('2.0.0')];
  const past = BigInt(STARTED_MS / 1000) - 1n;
  for (const predicates of [
    { versionMin: high, versionMax: low },
    { versionMin: low, versionMax: low },
    { notAfter: past },
  ]) {
    await assertRefused('admission/policy', [delegateTo(['cyd'], ['release'], predicates)]);
  }
  const wide = await publish([
    delegateTo(['cyd'], ['grant', 'release'], { versionMin: high, mediaTypes: ['application/wasm'] }),
  ]);
  for (const predicates of [{ versionMax: high }, { mediaTypes: ['text/plain'] }]) {
    const below = { ...delegateTo(['dan'], ['release'], predicates), under: grantIn(wide, 0) };
    await assertRefused('admission/policy', [below], { by: ['cyd'] });
  }
});

test('T9: under a grant that expires a record must not be dated long ago', async () => {
  const nowSeconds = BigInt(STARTED_MS / 1000);
  const record = await publish([ROOT, delegateTo(['cyd'], ['grant', 'yank'], { notAfter: nowSeconds + 900n })]);
  const under = grantIn(record, 1);
  const act = { ...delegateTo(['dan'], ['yank']), under };
  core.nowMs += (EXPIRING_RECORD_AGE_SECONDS_MAX + 1) * 1000;
  await assertRefused('admission/policy', [act], { by: ['cyd'], ms: STARTED_MS });
  // The root may be late.
  await publish([delegateTo(['eve'], ['yank'])], { ms: STARTED_MS });
  await publish([act], { by: ['cyd'] });
  core.nowMs = Number(nowSeconds + 901n) * 1000;
  await assertRefused('record/unauthorized', [{ ...delegateTo(['fay'], ['yank']), under }], { by: ['cyd'] });
});

test('P7: a record of annotations alone is by who holds what they are under; a withdrawal, by who holds anything yet', async () => {
  const record = await publish([ROOT, delegateTo(['cyd'], ['annotate:x.note']), delegateTo(['dan'], ['yank'])]);
  const note = encodeAnnotation({ type: 'x.note', under: grantIn(record, 1) });
  await assertRefused('admission/policy', [], { by: ['cyd', 'dan'], annotations: [note] });
  const { id } = await publish([], { by: ['cyd'], annotations: [note] });
  const withdrawal = encodeAnnotation({ type: 'withdrawal', target: annotationIdOf(id, 0) });
  await publish([], { by: ['cyd'], annotations: [withdrawal] });
  await publish([{ type: 'revokeGrant', grant: grantIn(record, 1) }]);
  await assertRefused('admission/policy', [], { by: ['cyd'], annotations: [withdrawal] });
});

test('T9: an annotation under a grant that expires is not dated long ago', async () => {
  const notAfter = BigInt(STARTED_MS / 1000) + 900n;
  const record = await publish([ROOT, delegateTo(['cyd'], ['annotate:x.note'], { notAfter })]);
  const annotations = [encodeAnnotation({ type: 'x.note', under: grantIn(record, 1) })];
  core.nowMs += (EXPIRING_RECORD_AGE_SECONDS_MAX + 1) * 1000;
  await assertRefused('admission/policy', [], { by: ['cyd'], ms: STARTED_MS, annotations });
  await publish([], { by: ['cyd'], annotations });
});

test('a size that is not that of the content is refused at post where the content is, else at upload', async () => {
  const first = await signed([ROOT, claimedRelease('1.0.0', ONE, ONE.length + 1)]);
  assert.equal((await core.publish(PACKAGE, first)).state, 'sourcing');
  await assert.rejects(upload(first.id, ONE), (thrown) => isRegistryError(thrown, 'admission/policy'));
  assert.equal((await core.publishing.status(LOG, first.id)).state, 'rejected');
  await assertRefused('admission/policy', [ROOT, claimedRelease('1.0.0', ONE, ONE.length - 1)]);
  await publish([ROOT, claimedRelease('1.0.0', ONE)]);
});

/** Grants of together `keyCount` keys, to as many as one holder may have, and to the rest of them. */
function grantsOf(keyCount: number): PackageEntry[] {
  const names = Array.from({ length: HOLDER_KEYS_MAX }, (_, i) => `key ${i}`);
  const full = Math.floor(keyCount / names.length);
  const rest = names.slice(0, keyCount % names.length);
  const grants: PackageEntry[] = Array<PackageEntry>(full).fill(delegateTo(names, ['yank']));
  return rest.length === 0 ? grants : [...grants, delegateTo(rest, ['yank'])];
}

test('W15: keys of a record are bounded, over all its entries (admission.md 2.1)', async () => {
  await publish([ROOT]);
  await assertRefused('admission/policy', grantsOf(RECORD_KEYS_MAX + 1));
  await assertRefused('admission/policy', [
    ...grantsOf(RECORD_KEYS_MAX - 1),
    { type: 'transfer', holder: ROOT_HOLDER },
  ]);
  await publish(grantsOf(RECORD_KEYS_MAX));
});

test('W15: keys of a record are counted before any is looked at', async () => {
  const withKeys = (count: number): Promise<unknown> => {
    const holder = concatBytes(...Array<Uint8Array>(count).fill(field([0x0a], utf8('no key'))));
    const root = field([0x22], field([0x82, 0x01], holder));
    const contents = concatBytes(Uint8Array.of(0x10, 0x01), field([0x1a], Uint8Array.of(0x08, 0x01)), root);
    return core.publishing.publish({ logId: LOG, name: PACKAGE, final: false, envelope: { ...UNSIGNED, contents } });
  };
  const refused = (code: ErrorCode) => (thrown: unknown) => isRegistryError(thrown, code);
  await assert.rejects(withKeys(RECORD_KEYS_MAX), refused('record/decode'));
  await assert.rejects(withKeys(RECORD_KEYS_MAX + 1), refused('admission/policy'));
});

const UNSIGNED = { keyId: '', signature: '', cosignatures: [] };

/** A field of protobuf: its key as bytes, its length, and what it holds. */
function field(key: readonly number[], bytes: Uint8Array): Uint8Array {
  const { length } = bytes;
  const low = length & 0x7f;
  return concatBytes(Uint8Array.of(...key, ...(length < 0x80 ? [low] : [low | 0x80, length >> 7])), bytes);
}

test('P6: a record is of one log in one registry', async () => {
  const record = await publish([ROOT]);
  const carried = core.publish(OTHER, record);
  await assert.rejects(carried, (thrown) => isRegistryError(thrown, 'record/log'));
  head = null;
  const foreign = await signed([ROOT], { home: { log: packageLogId(OTHER), origin: 'registry.example/other' } });
  await assert.rejects(core.publish(OTHER, foreign), (thrown) => isRegistryError(thrown, 'record/origin'));
});

test('cosignatures stand in the memory store over a restart, also those of a record that waits', async () => {
  const published = await publish([ROOT]);
  const waiting = await signed([claimedRelease('1.0.0', ONE)]);
  assert.equal((await core.publish(PACKAGE, waiting)).state, 'sourcing');
  const { state, lastSigned } = core;
  const earlier = core;
  core = await openCore({ state, lastSigned });
  await earlier.dispose();
  await upload(waiting.id, ONE);
  for (const { id, envelope } of [published, waiting]) {
    assert.equal(envelope.cosignatures.length, 1);
    assert.deepEqual((await core.store.readRecord(id))?.envelope, envelope);
  }
});
