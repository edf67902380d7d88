import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  digestOf,
  packageLogId,
  parseGrantId,
  parsePackageName,
  parseVersion,
  REFUSAL_WORDS,
  timestampFromMs,
  wargApi,
  type GrantId,
  type PackageEntry,
  type Predicates,
  type RecordId,
  type ReleaseEntry,
  type SignedRecord,
} from '@waybill/protocol';
import { delegateTo, holderNamed, signJointly } from '../joint-record.ts';
import { wasmOf } from '../publisher.ts';
import { bodyOf, RunningRegistry, type Answer } from '../running-registry.ts';

/*
 * What narrows a grant, at admission over HTTP (version1.md 5): every refused release stands beside an accepted one that
 * differs in nothing but what the predicate reads.
 */

const ORIGIN = 'registry.example/main';
const NAME = parsePackageName('test:narrowed');
const LOG = packageLogId(NAME);
const REFUSALS = 'waybill_refusals_total{code="record/unauthorized"}';
const SMALL = wasmOf('one');
const LARGE = wasmOf('one!');
const STARTED_MS = Date.now();
/** Ahead of the clock, so that no test waits: a record may be dated 300 s ahead. */
const NOT_AFTER = BigInt(Math.floor(STARTED_MS / 1000)) + 100n;

let registry: RunningRegistry;
let head: RecordId | null = null;
let grants: Readonly<Record<keyof typeof NARROWINGS, GrantId>>;

const NARROWINGS = {
  version: { versionMin: parseVersion('1.0.0'), versionMax: parseVersion('2.0.0') },
  mediaType: { mediaTypes: ['application/vnd.test', 'application/wasm'] },
  size: { sizeMax: SMALL.length },
  expiry: { notAfter: NOT_AFTER },
} satisfies Record<string, Partial<Predicates>>;

before(async () => {
  registry = await RunningRegistry.start({ origin: ORIGIN, metrics: '127.0.0.1:0' });
  const given = Object.values(NARROWINGS).map((narrowing) => delegateTo(['cyd'], ['release'], narrowing));
  const record = await signed([{ type: 'root', holder: holderNamed('alice') }, ...given], { by: 'alice' });
  assert.equal((await post(record)).status, 202);
  head = record.id;
  const idAt = (index: number): GrantId => parseGrantId(`${record.id}/${index}`);
  grants = { version: idAt(1), mediaType: idAt(2), size: idAt(3), expiry: idAt(4) };
});
after(() => registry.dispose());

interface Signing {
  readonly by: string;
  readonly seconds?: bigint;
}

function signed(entries: readonly PackageEntry[], { by, seconds }: Signing): Promise<SignedRecord<PackageEntry>> {
  const time = seconds === undefined ? timestampFromMs(STARTED_MS) : { seconds, nanos: 0 };
  return signJointly(entries, { prev: head, time, home: { log: LOG, origin: ORIGIN }, by: [by] });
}

function post({ envelope }: SignedRecord<PackageEntry>): Promise<Answer> {
  return registry.post(`v1/package/${LOG}/record`, { json: wargApi.publishBody(NAME, envelope) });
}

interface Given {
  readonly under: GrantId;
  readonly version: string;
  readonly content?: Uint8Array;
  readonly mediaType?: string | null;
  readonly seconds?: bigint;
}

function releaseUnder({ under, version, content = SMALL, mediaType = 'application/wasm' }: Given): ReleaseEntry {
  const claim = mediaType === null ? null : { mediaType, size: content.length };
  return { type: 'release', version: parseVersion(version), content: digestOf(content), claim, under };
}

function signedRelease(given: Given): Promise<SignedRecord<PackageEntry>> {
  const { seconds } = given;
  return signed([releaseUnder(given)], seconds === undefined ? { by: 'cyd' } : { by: 'cyd', seconds });
}

async function assertAccepted(given: Given): Promise<void> {
  const { content = SMALL } = given;
  const record = await signedRelease(given);
  const answer = await post(record);
  assert.equal(answer.status, 202, new TextDecoder().decode(answer.bytes));
  const status = wargApi.decodeRecordStatus(answer.bytes);
  if (status.state !== 'published') {
    const target = `v1/package/${LOG}/record/${record.id}/content/${digestOf(content)}`;
    assert.equal((await registry.post(target, { body: content })).status, 201);
  }
  head = record.id;
}

async function assertRefused(reason: keyof typeof REFUSAL_WORDS, given: Given): Promise<void> {
  const refusedBefore = await registry.metric(REFUSALS);
  const answer = await post(await signedRelease(given));
  const { message } = Object(bodyOf(answer));
  assert.equal(answer.status, 422);
  assert.equal(await registry.metric(REFUSALS), refusedBefore + 1);
  assert.ok(String(message).includes(given.under), String(message));
  assert.ok(String(message).endsWith(REFUSAL_WORDS[reason]), String(message));
}

test('a release under a range of versions: from the lowest to below the highest, in the precedence of SemVer', async () => {
  const { version: under } = grants;
  for (const version of ['0.9.9', '1.0.0-rc.1', '2.0.0', '2.0.0+build']) {
    await assertRefused('version', { under, version });
  }
  for (const version of ['1.0.0', '1.9.9', '2.0.0-rc.1']) await assertAccepted({ under, version });
});

test('a release under a list of media types: one of them, and none fails', async () => {
  const { mediaType: under } = grants;
  await assertRefused('media-type', { under, version: '3.0.0', mediaType: 'text/plain' });
  await assertRefused('media-type', { under, version: '3.0.0', mediaType: null });
  await assertAccepted({ under, version: '3.0.0' });
});

test('a release under a size limit: of that size, and not of a byte more', async () => {
  const { size: under } = grants;
  assert.equal(LARGE.length, SMALL.length + 1);
  await assertRefused('size', { under, version: '4.0.0', content: LARGE });
  await assertRefused('size', { under, version: '4.0.0', mediaType: null });
  await assertAccepted({ under, version: '4.0.0' });
});

test('T9: a release under a grant that expires: in its last second, and not in the one after', async () => {
  const { expiry: under } = grants;
  await assertRefused('expired', { under, version: '5.0.0', seconds: NOT_AFTER + 1n });
  await assertAccepted({ under, version: '5.0.0', seconds: NOT_AFTER });
});

test('what narrows one grant narrows no other', async () => {
  const { version, size } = grants;
  const later = { seconds: NOT_AFTER };
  await assertAccepted({ under: version, version: '1.5.0', content: LARGE, mediaType: null, ...later });
  await assertAccepted({ under: size, version: '6.0.0', mediaType: 'application/wasm', ...later });
});
