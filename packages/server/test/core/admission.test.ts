import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import {
  concatBytes,
  digestOf,
  encodeAnnotation,
  encodeRecordContents,
  isRegistryError,
  PACKAGE_LOG,
  parseAnyHash,
  parsePackageName,
  parseVersion,
  timestampFromMs,
  utf8,
  type ErrorCode,
  type PackageEntry,
  type PrivateKey,
  type RecordId,
  type Timestamp,
} from '@waybill/protocol';
import { keyOf, signContents, type LooseRecord, wasmOf } from '../publisher.ts';
import { openCore, PACKAGE, STARTED_MS, type RegistryCore } from './registry-core.ts';

/*
 * Version1.md section 5, rule by rule. Every refused record stands beside one that differs in nothing but the rule, so that
 * the refusal is this rule's and no other's.
 */

const alice = keyOf('alice');
const bob = keyOf('bob');
const INIT: PackageEntry = { type: 'init', key: alice.publicKey };
const NOW = timestampFromMs(STARTED_MS);

let core: RegistryCore;
let head: RecordId;

beforeEach(async () => {
  core = await openCore();
  const first = await signed([INIT], { prev: null });
  await core.publish(PACKAGE, first);
  head = first.id;
});
afterEach(() => core.dispose());

interface Signing {
  readonly prev?: RecordId | null;
  readonly time?: Timestamp;
  readonly key?: PrivateKey;
}

function contentsOf(entries: readonly PackageEntry[], { prev = head, time = NOW }: Signing = {}): Uint8Array {
  return encodeRecordContents(PACKAGE_LOG, { prev, time, entries });
}

function signed(entries: readonly PackageEntry[], signing: Signing = {}): Promise<LooseRecord> {
  return signContents(contentsOf(entries, signing), signing.key ?? alice);
}

function grant(key: PrivateKey, ...permissions: ('release' | 'yank')[]): PackageEntry {
  return { type: 'grant', key: key.publicKey, permissions };
}

function revoke(key: PrivateKey, ...permissions: ('release' | 'yank')[]): PackageEntry {
  return { type: 'revoke', keyId: key.publicKey.id, permissions };
}

/** Releases of content that is missing: an accepted one is `sourcing`. */
const MODULE = wasmOf('module');

function release(version: string, content: string = digestOf(MODULE)): PackageEntry {
  return { type: 'release', version: parseVersion(version), content: parseAnyHash(content) };
}

async function assertRefused(record: LooseRecord, code: ErrorCode = 'admission/policy'): Promise<void> {
  await assert.rejects(core.publish(PACKAGE, record), (thrown) => isRegistryError(thrown, code));
}

async function assertAccepted(record: LooseRecord, final = false): Promise<void> {
  const { state } = await core.publish(PACKAGE, record, final);
  assert.ok(state === 'published' || state === 'sourcing');
  if (state === 'published') head = record.id;
}

test('a record that says nothing is refused', async () => {
  await assertRefused(await signed([]));
  await assertAccepted(await signed([grant(bob, 'yank')]));
});

test('annotations are taken when they mean something, and then also alone', async () => {
  const saying = (...annotations: readonly Uint8Array[]): Promise<LooseRecord> =>
    signContents(encodeRecordContents(PACKAGE_LOG, { prev: head, time: NOW, entries: [], annotations }), alice);
  const licence = encodeAnnotation({ type: 'licence', body: utf8('{"spdx":"Apache-2.0"}') });
  await assertRefused(await saying(Uint8Array.of(0xff)));
  await assertRefused(await saying(licence, encodeAnnotation({ type: 'licence', body: utf8('{"spdx":1}') })));
  await assertRefused(await saying(encodeAnnotation({ type: 'licens', body: utf8('{}') })));
  await assertRefused(await saying(...Array.from({ length: 257 }, () => licence)));
  await assertAccepted(await saying(licence, encodeAnnotation({ type: 'x.mine' })));
});

test('a key without a live permission may not append', async () => {
  await assertRefused(await signed([release('1.0.0')], { key: bob }), 'admission/unknown-key');
  await assertAccepted(await signed([grant(bob, 'yank')]));
  await assertAccepted(await signed([revoke(bob, 'yank')]));
  const empty = [grant(keyOf('carol'))];
  await assertRefused(await signed(empty, { key: bob }));
  await assertRefused(await signed([], { key: bob }));
  await assertAccepted(await signed([grant(bob, 'yank')]));
  await assertAccepted(await signed([grant(keyOf('carol'), 'yank')], { key: bob }));
});

test('an empty permission list is refused, for grant and revoke, at any place', async () => {
  await assertRefused(await signed([grant(bob)]));
  await assertRefused(await signed([revoke(bob)]));
  await assertRefused(await signed([grant(bob, 'yank'), grant(bob)]));
  await assertAccepted(await signed([grant(bob, 'yank')]));
  await assertAccepted(await signed([revoke(bob, 'yank')]));
});

test('nobody is locked out of a permission for ever, unless it is said to be meant', async () => {
  const last = await signed([revoke(alice, 'yank')]);
  await assertRefused(last);
  await assertRefused(await signed([revoke(alice, 'release', 'yank')]));
  await assertRefused(await signed([grant(bob, 'release'), revoke(alice, 'yank')]));
  await assertAccepted(last, true);
});

test('a permission handed over in the same record, or held by another, locks nobody out', async () => {
  await assertAccepted(await signed([grant(bob, 'release', 'yank'), revoke(alice, 'yank')]));
  await assertAccepted(await signed([revoke(alice, 'release')]));
  await assertRefused(await signed([revoke(bob, 'release')], { key: bob }));
});

test('the first record may not lock out its own author', async () => {
  const name = parsePackageName('test:first');
  const record = await signed([INIT, revoke(alice, 'yank')], { prev: null });
  const { state } = await core.publish(name, record, true);
  assert.equal(state, 'published');
});

test('a record dated over five minutes ahead is refused, one of exactly five minutes is not', async () => {
  const ahead = (ms: number): Promise<LooseRecord> =>
    signed([grant(bob, 'yank')], { time: timestampFromMs(STARTED_MS + ms) });
  await assertRefused(await ahead(301_000));
  await assertRefused(await signed([grant(bob, 'yank')], { time: { seconds: 2n ** 62n, nanos: 0 } }));
  await assertAccepted(await ahead(300_000));
  core.nowMs += 1_000;
  await assertAccepted(await ahead(301_000));
});

test('a record dated before 1970 is refused, one of the epoch is not', async () => {
  const name = parsePackageName('test:old');
  const at = (seconds: bigint, nanos: number): Promise<LooseRecord> =>
    signed([INIT], { prev: null, time: { seconds, nanos } });
  const before = await at(-1n, 999_999_999);
  await assert.rejects(core.publish(name, before), (thrown) => isRegistryError(thrown, 'admission/policy'));
  assert.equal((await core.publish(name, await at(0n, 0))).state, 'published');
});

test('a content hash of another length is refused', async () => {
  for (const digits of ['', '00', 'ab'.repeat(31), 'ab'.repeat(33)]) {
    await assertRefused(await signed([release('1.0.0', `sha256:${digits}`)]));
  }
  await assertAccepted(await signed([release('1.0.0', `sha256:${'ab'.repeat(32)}`)]));
});

test('record bytes that stand in another log are refused', async () => {
  const other = parsePackageName('test:other');
  const replayed = await signed([INIT], { prev: null });
  assert.equal((await core.publish(PACKAGE, replayed)).state, 'published');
  await assert.rejects(core.publish(other, replayed), (thrown) => isRegistryError(thrown, 'admission/policy'));
  const own = await signed([INIT], { prev: null, time: timestampFromMs(STARTED_MS, 1) });
  assert.equal((await core.publish(other, own)).state, 'published');
});

test('what is not encoded as the Rust crates do is refused', async () => {
  const canonical = contentsOf([grant(bob, 'yank')]);
  const spoilt: Record<string, Uint8Array> = {
    'an unknown field': concatBytes(canonical, Uint8Array.of(0x78, 0x01)),
    'an explicit default': concatBytes(canonical, Uint8Array.of(0x10, 0x00)),
    'an unknown field first': concatBytes(Uint8Array.of(0x78, 0x01), canonical),
    'an overlong varint': concatBytes(canonical, Uint8Array.of(0x10, 0x80, 0x00)),
    'a group': concatBytes(canonical, Uint8Array.of(0x7b, 0x7c)),
  };
  for (const contents of Object.values(spoilt)) {
    await assertRefused(await signContents(contents, alice), 'admission/not-canonical');
  }
  await assertAccepted(await signContents(canonical, alice));
});

test('versions that differ only in build metadata are one', async () => {
  await assertRefused(await signed([release('1.0.0+a'), release('1.0.0+b')]));
  await assertRefused(await signed([release('1.0.0'), release('1.0.0+b')]));
  const upload = await core.content.startUpload();
  await upload.write(MODULE);
  await upload.keep(digestOf(MODULE));
  await assertAccepted(await signed([release('1.0.0+a'), release('1.0.1+a'), release('1.0.0-a')]));
  await assertRefused(await signed([release('1.0.0')]));
  await assertRefused(await signed([release('1.0.0+b')]));
  await assertRefused(await signed([release('1.0.0-a+b')]));
  await assertAccepted(await signed([release('1.0.0-b+a')]));
});

test('sizes are bounded: entries of a record, characters of a version', async () => {
  const keys = (count: number): PackageEntry[] => Array.from({ length: count }, () => grant(bob, 'yank'));
  await assertRefused(await signed(keys(1001)));
  await assertAccepted(await signed(keys(1000)));
  await assertRefused(await signed([release(`1.0.0-${'a'.repeat(251)}`)]));
  await assertAccepted(await signed([release(`1.0.0-${'a'.repeat(250)}`)]));
});
