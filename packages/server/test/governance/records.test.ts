import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  digestOf,
  encodeAnnotation,
  OPERATOR_LOG,
  packageLogId,
  parsePackageName,
  parseRecordId,
  REGISTRY_LOG_ID,
  signRecord,
  timestampFromMs,
  utf8,
  wargApi,
  type JosePrivateKey,
  type TakedownEntry,
} from '@waybill/protocol';
import { governingKey, Governor, holderOfKeys, listing } from '../governance.ts';
import { joseKeyOf } from '../joint-record.ts';
import { appendOperator, logLength, operatorKey } from '../operator.ts';
import { keyOf } from '../publisher.ts';
import { assertEmpty, assertJson, bodyOf, RunningRegistry, type Answer } from '../running-registry.ts';

/* How records get into governance logs: spec/admission.md 7. */

const ORIGIN = 'registry.example/main';
const NAMESPACES = ['test', 'fresh', 'raced', 'plain', 'strict', 'clerks', 'left', 'forged', 'late'];
const AHEAD_MS = 400_000;
const READS_BOTH = { [wargApi.RECORD_VERSIONS_HEADER]: '0,1' };

let registry: RunningRegistry;
let operator: JosePrivateKey;

before(async () => {
  registry = await RunningRegistry.start({ origin: ORIGIN, namespaces: NAMESPACES });
  operator = await governingKey(registry);
});
after(() => registry.dispose());

function governor(namespace: string | null, keys = [operator]): Governor {
  return new Governor(registry, namespace, { origin: ORIGIN, keys });
}

function takedown(text: string): TakedownEntry {
  return { type: 'takedown', digest: digestOf(utf8(text)), code: 'malware', reason: 'steals keys' };
}

function assertRefusal(answer: Answer, status: number, code: string, detail?: unknown): void {
  const body = Object(bodyOf(answer));
  assert.deepEqual([answer.status, body.status, body.code], [status, status, code], body.message);
  assert.equal(answer.headers.get('content-type'), 'application/json');
  if (detail !== undefined) assert.deepEqual(body.detail, detail);
}

test('the log of a namespace is begun by the operator, and the same bytes again get the same answer', async () => {
  const test_ = governor('test');
  const length = await logLength(registry);
  const first = await test_.sign([{ type: 'root', holder: holderOfKeys([operator]) }]);
  const answers = [await test_.post(first), await test_.post(first)];
  const body = { recordId: first.id, registryIndex: length, state: 'published' };
  for (const answer of answers) assertJson(answer, 201, body);
  const second = await test_.sign([takedown('a')], { prev: first.id });
  const [one, two] = await Promise.all([test_.post(second), test_.post(second)]);
  assert.deepEqual([one.status, bodyOf(one)], [201, bodyOf(two)]);
});

test('a governance log is fetched as others are by who reads version 1, and the others are told why not', async () => {
  const log = governor(null);
  assert.equal((await log.begin()).status, 201);
  const json = { logLength: await logLength(registry), packages: { [REGISTRY_LOG_ID]: null } };
  const answer = await registry.post('v1/fetch/logs', { json, headers: READS_BOTH });
  const { packages } = wargApi.decodeFetchLogsResponse(answer.bytes);
  assert.deepEqual(
    packages.get(REGISTRY_LOG_ID)?.map(({ fetchToken }) => fetchToken),
    [log.head],
  );
  const message = `log ${REGISTRY_LOG_ID} uses record version 1: use waybill`;
  assertJson(await registry.post('v1/fetch/logs', { json }), 501, { status: 501, message });
});

test('P2: who does not hold defineNamespace begins no governance log, and is told the key', async () => {
  const stranger = joseKeyOf('stranger');
  const detail = { keyId: stranger.publicKey.id };
  assertRefusal(await governor('fresh', [stranger]).begin(), 422, 'governance/starter', detail);
  assertRefusal(await governor('fresh', [operator, stranger]).begin(), 422, 'governance/starter', detail);
});

test('a clerk who holds defineNamespace begins one, and not after he has lost it', async () => {
  const clerk = joseKeyOf('clerk');
  const grant = { type: 'grant', key: keyOf('clerk').publicKey, permissions: ['defineNamespace'] } as const;
  assert.equal((await appendOperator(registry, [{ ...grant, permissions: [...grant.permissions] }])).status, 201);
  const clerks = governor('clerks', [clerk]);
  assert.equal((await clerks.begin()).status, 201);
  const revoke = { type: 'revoke', keyId: clerk.publicKey.id, permissions: ['defineNamespace'] } as const;
  assert.equal((await appendOperator(registry, [{ ...revoke, permissions: [...revoke.permissions] }])).status, 201);
  assertRefusal(await governor('left', [clerk]).begin(), 422, 'governance/starter');
  assert.equal((await clerks.append([takedown('b')])).status, 201);
});

test('a namespace has a log where it is defined: not one that is unknown, or imported', async () => {
  assertRefusal(await governor('unknown').begin(), 404, 'namespace/undefined', { namespace: 'unknown' });
  const entry = { type: 'importNamespace', namespace: 'theirs', registry: 'other.example' } as const;
  assert.equal((await appendOperator(registry, [entry])).status, 201);
  assertRefusal(await governor('theirs').begin(), 409, 'namespace/imported', { namespace: 'theirs' });
});

test('P6: a record is taken by no other log, and by no other registry', async () => {
  const plain = governor('plain');
  const root = { type: 'root', holder: holderOfKeys([operator]) } as const;
  const logs = [REGISTRY_LOG_ID, governor('fresh').home.log, packageLogId(parsePackageName('plain:plain'))];
  for (const log of logs) assertRefusal(await plain.append([root], { home: { log } }), 422, 'record/log');
  const carried = await governor('fresh').sign([root]);
  assertRefusal(await plain.post(carried), 422, 'record/log');
  // One that stands in its own log has no place in this one.
  const standing = await governor('fresh').sign([root]);
  assert.equal((await governor('fresh').post(standing)).status, 201);
  assertRefusal(await plain.post(standing), 422, 'record/log');
  assertRefusal(await plain.append([root], { home: { origin: 'registry.example/other' } }), 422, 'record/origin');
});

test('of two first records that are posted at once one is taken, and the other is told which', async () => {
  const raced = governor('raced');
  const root = { type: 'root', holder: holderOfKeys([operator]) } as const;
  const records = [await raced.sign([root]), await raced.sign([root, listing('alice')])];
  const answers = await Promise.all(records.map((record) => raced.post(record)));
  assert.deepEqual(
    answers.map(({ status }) => status).toSorted((a, b) => a - b),
    [201, 409],
  );
  const won = records[answers.findIndex(({ status }) => status === 201)] ?? assert.fail();
  const lost = answers.find(({ status }) => status === 409) ?? assert.fail();
  assertRefusal(lost, 409, 'publish/conflict', { recordId: won.id });
  const late = await raced.append([listing('bob')], { prev: parseRecordId(digestOf(utf8('no record'))) });
  assertRefusal(late, 409, 'publish/conflict', { recordId: won.id });
});

test('admission of governance records (admission.md 7)', async () => {
  const strict = governor('strict');
  assert.equal((await strict.begin()).status, 201);
  assertRefusal(await strict.append([]), 422, 'admission/policy');
  const annotation = encodeAnnotation({ type: 'x.note' });
  assertRefusal(await strict.append([takedown('c')], { annotations: [annotation] }), 422, 'admission/policy');
  const time = timestampFromMs(Date.now() + AHEAD_MS);
  assertRefusal(await strict.append([takedown('c')], { time }), 422, 'admission/policy');
  const idle = [operator, joseKeyOf('idle')];
  assertRefusal(await strict.append([takedown('c')], { by: idle }), 422, 'record/key-unknown');
  assertRefusal(await strict.append([takedown('c')], { by: [joseKeyOf('idle')] }), 422, 'record/unauthorized');
  const next = [joseKeyOf('next'), joseKeyOf('idle')];
  const transfer = { type: 'transfer', holder: holderOfKeys([joseKeyOf('next')]) } as const;
  assert.equal((await strict.append([transfer], { by: [operator, joseKeyOf('next')] })).status, 201);
  assertRefusal(await strict.append([takedown('c')], { by: [joseKeyOf('next'), operator] }), 422, 'admission/policy');
  assertRefusal(await strict.append([takedown('c')], { by: next }), 422, 'record/key-unknown');
  assertRefusal(
    await strict.append([takedown('c'), takedown('c')], { by: [joseKeyOf('next')] }),
    422,
    'record/takedown-again',
  );
});

test('signatures are verified, each of them', async () => {
  const forged = governor('forged');
  const { envelope, ...record } = await forged.sign([{ type: 'root', holder: holderOfKeys([operator]) }]);
  const other = (await forged.sign([{ type: 'root', holder: holderOfKeys([operator]) }, listing('alice')])).envelope;
  const answer = await forged.post({ ...record, envelope: { ...envelope, signature: other.signature } });
  assertRefusal(answer, 401, 'record/signature');
  // Who may begin it is said before that.
  const stranger = governor('forged', [joseKeyOf('stranger')]);
  const strange = await stranger.sign([{ type: 'root', holder: holderOfKeys(stranger.keys) }]);
  const wrong = { ...strange, envelope: { ...strange.envelope, signature: other.signature } };
  assertRefusal(await stranger.post(wrong), 422, 'governance/starter');
});

test('a record of version 0, another path and another method', async () => {
  const draft = { prev: null, time: timestampFromMs(Date.now()), entries: [] };
  const { envelope } = await signRecord(OPERATOR_LOG, draft, await operatorKey(registry));
  const { path } = governor('late');
  assertRefusal(await registry.post(path, { json: wargApi.envelopeBody(envelope) }), 422, 'record/version');
  assertRefusal(await registry.post('api/v1/governance/No/records', { json: {} }), 400, 'text/namespace');
  assertRefusal(await registry.post(path, { json: {} }), 422, 'wire/shape');
  for (const one of [path, 'api/v1/governance/records']) assertEmpty(await registry.get(one), 405);
});
