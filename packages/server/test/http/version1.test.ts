import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import {
  packageLogId,
  parsePackageName,
  RECORD_VERSION_1,
  recordVersionOf,
  timestampFromMs,
  wargApi,
  type LogId,
  type PackageEntry,
  type RecordId,
  type SignedRecord,
} from '@waybill/protocol';
import { backup } from '../../src/backup.ts';
import { fsck } from '../../src/fsck.ts';
import { claimedRelease, holderNamed, signJointly } from '../joint-record.ts';
import { appendOperator, logLength } from '../operator.ts';
import { keyOf, Publisher, wasmOf } from '../publisher.ts';
import { assertJson, bodyOf, RunningRegistry, type Answer } from '../running-registry.ts';

/* Records of version 1 over HTTP, beside clients that know version 0 alone. */

const ORIGIN = 'registry.example/main';
const NAME = parsePackageName('test:joint');
const LOG = packageLogId(NAME);
const ONE = wasmOf('one');
const READS_BOTH = { [wargApi.RECORD_VERSIONS_HEADER]: '0,1' };

let registry: RunningRegistry;
let plain: Publisher;
let first: SignedRecord<PackageEntry>;

before(async () => {
  registry = await RunningRegistry.start({ origin: ORIGIN });
  plain = new Publisher(registry, 'test:plain');
  await plain.start();
  first = await signed([{ type: 'root', holder: holderNamed('alice', 'bob') }], null);
  assert.equal((await post(registry, first)).status, 202);
});
after(() => registry.dispose());

function signed(entries: readonly PackageEntry[], prev: RecordId | null): Promise<SignedRecord<PackageEntry>> {
  const home = { log: LOG, origin: ORIGIN };
  return signJointly(entries, { prev, time: timestampFromMs(Date.now()), home, by: ['alice', 'bob'] });
}

function post(to: RunningRegistry, { envelope }: SignedRecord<PackageEntry>, name = NAME): Promise<Answer> {
  return to.post(`v1/package/${packageLogId(name)}/record`, { json: wargApi.publishBody(name, envelope) });
}

async function fetchLogs(logs: readonly LogId[], headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  const packages = Object.fromEntries(logs.map((log) => [log, null]));
  const json = { logLength: await logLength(registry), packages };
  return registry.post('v1/fetch/logs', { json, headers });
}

test('C10: who does not say that it reads version 1 is told so, in the words of the sentence', async () => {
  const body = { status: 501, message: 'test:joint uses record version 1: use waybill' };
  const headers = [{}, { [wargApi.RECORD_VERSIONS_HEADER]: '0' }, { [wargApi.RECORD_VERSIONS_HEADER]: '10' }];
  for (const one of headers) assertJson(await fetchLogs([LOG], one), 501, body);
  assertJson(await fetchLogs([plain.logId, LOG]), 501, body);
});

test('C10: packages of version 0 are served as ever where that one is not named', async () => {
  const { status, bytes } = await fetchLogs([plain.logId]);
  assert.equal(status, 200);
  assert.equal(wargApi.decodeFetchLogsResponse(bytes).packages.get(plain.logId)?.length, 1);
  const later = wasmOf('later');
  await plain.publish([claimedRelease('1.1.0', later)], [later]);
});

test('who reads version 1 gets cosignatures, which records of version 0 do not have', async () => {
  const answer = await fetchLogs([plain.logId, LOG], READS_BOTH);
  assert.equal(answer.status, 200);
  const { operator, packages } = Object(bodyOf(answer));
  const [record] = packages[LOG];
  assert.deepEqual(record.cosignatures, first.envelope.cosignatures);
  assert.equal(record.cosignatures.length, 1);
  for (const one of [...operator, ...packages[plain.logId]]) assert.ok(!('cosignatures' in one));
});

test('cosignatures stand over a restart and in a backup, also those of a record that waits', async () => {
  const waiting = await signed([claimedRelease('1.0.0', ONE)], first.id);
  assert.equal((await post(registry, waiting)).status, 202);
  await registry.restart();
  const out = path.join(registry.folder, 'backup');
  await backup({ data: registry.data(), out, keys: true, onProgress: () => undefined });
  const upload = await registry.post(`v1/package/${LOG}/record/${waiting.id}/content/${wasmDigest()}`, { body: ONE });
  assert.equal(upload.status, 201);
  const { packages } = wargApi.decodeFetchLogsResponse((await fetchLogs([LOG], READS_BOTH)).bytes);
  const envelopes = packages.get(LOG)?.map(({ envelope }) => envelope);
  assert.deepEqual(envelopes, [first.envelope, waiting.envelope]);
  assert.ok(envelopes?.every(({ contents }) => recordVersionOf(contents) === RECORD_VERSION_1));
  await registry.restart();
  const again = wargApi.decodeFetchLogsResponse((await fetchLogs([LOG], READS_BOTH)).bytes);
  assert.deepEqual(
    again.packages.get(LOG)?.map(({ envelope }) => envelope),
    envelopes,
  );
  const report = await fsck({ data: out, repair: false, content: true, onProgress: () => undefined });
  assert.deepEqual(
    report.flaws.map(({ kind }) => kind),
    ['last-signed'],
  );
});

function wasmDigest(): string {
  const entry = claimedRelease('1.0.0', ONE);
  return entry.type === 'release' ? entry.content : assert.fail();
}

test('P6: a record is taken by no other package, and by no other registry', async () => {
  const options = { origin: 'registry.example/other', metrics: '127.0.0.1:0' };
  const other = await RunningRegistry.start(options);
  try {
    assert.equal((await post(other, first)).status, 422);
    assert.equal(await other.metric('waybill_refusals_total{code="record/origin"}'), 1);
    assert.equal((await post(other, first, parsePackageName('test:carried'))).status, 422);
    assert.equal(await other.metric('waybill_refusals_total{code="record/log"}'), 1);
  } finally {
    await other.dispose();
  }
});

test('T9: by the profile that a start writes, the init key alone grants in the operator log', async () => {
  const clerk = keyOf('clerk');
  const all = ['commit', 'defineNamespace', 'importNamespace'] as const;
  const grant = { type: 'grant', permissions: [...all] } as const;
  assert.equal((await appendOperator(registry, [{ ...grant, key: clerk.publicKey }])).status, 201);
  const key = clerk;
  const thief = await appendOperator(registry, [{ ...grant, key: keyOf('thief').publicKey }], { key });
  const { code } = Object(bodyOf(thief));
  assert.deepEqual([thief.status, code], [422, 'record/unauthorized']);
  const define = await appendOperator(registry, [{ type: 'defineNamespace', namespace: 'clerks' }], { key });
  assert.equal(define.status, 201);
});
