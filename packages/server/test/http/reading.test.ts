import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  concatBytes,
  digestBytes,
  encodeBase64,
  OPERATOR_LOG_ID,
  openCheckpoint,
  replayLog,
  emptyLogState,
  OPERATOR_LOG,
  wargApi,
} from '@waybill/protocol';
import { Publisher, type LooseRecord } from '../publisher.ts';
import { assertJson, assertProblem, bodyOf, RunningRegistry } from '../running-registry.ts';

let registry: RunningRegistry;
let one: Publisher;
let two: Publisher;
let records: LooseRecord[];
let operatorRecord: wargApi.PublishedRecord;

const UNKNOWN = `sha256:${'ab'.repeat(32)}`;

before(async () => {
  registry = await RunningRegistry.start();
  one = new Publisher(registry, 'test:one');
  two = new Publisher(registry, 'test:two');
  records = [await one.start(), await two.start()];
  for (const key of ['a', 'b']) {
    const { publicKey } = new Publisher(registry, `test:${key}`).key;
    records.push(await one.publish([{ type: 'grant', key: publicKey, permissions: ['release'] }]));
  }
  const answer = await registry.post('v1/fetch/logs', { json: { logLength: 1 } });
  operatorRecord = wargApi.decodeFetchLogsResponse(answer.bytes).operator[0] ?? assert.fail();
});
after(() => registry.dispose());

/** Index of the record in the registry log: the operator's record is 0, then `records` in order. */
function published(index: number): Record<string, unknown> {
  const { id, envelope } = records[index - 1] ?? assert.fail();
  const { contents, keyId, signature } = envelope;
  return { contentBytes: encodeBase64(contents), keyId, signature, registryIndex: index, fetchToken: id };
}

function operatorPublished(): unknown {
  return JSON.parse(JSON.stringify(wargApi.publishedRecordBody(operatorRecord)));
}

test('6: GET fetch/checkpoint gives a checkpoint signed by the operator', async () => {
  const answer = await registry.get('v1/fetch/checkpoint');
  const signed = wargApi.decodeSignedCheckpoint(answer.bytes);
  assertJson(answer, 200, JSON.parse(JSON.stringify(wargApi.signedCheckpointBody(signed))));
  assert.deepEqual(Object.keys(signed.contents).toSorted(), ['logLength', 'logRoot', 'mapRoot', 'timestamp']);
  assert.equal(signed.contents.logLength, 5);
  assert.equal(signed.keyId, registry.operatorKeyId);
  const operator = await replayLog(OPERATOR_LOG, emptyLogState(null), [operatorRecord.envelope]);
  assert.equal((await openCheckpoint(signed, operator)).contents.logLength, 5);
});

test('6: POST fetch/logs answers the operator log unasked, and every asked log from its token on', async () => {
  const unasked = await registry.post('v1/fetch/logs', { json: { logLength: 5 } });
  assertJson(unasked, 200, { more: false, operator: [operatorPublished()], packages: {} });
  const whole = await registry.post('v1/fetch/logs', {
    json: { logLength: 5, packages: { [one.logId]: null, [two.logId]: records[1]?.id } },
    headers: { 'content-type': 'application/json; charset=utf-8' },
  });
  const packages = { [one.logId]: [published(1), published(3), published(4)], [two.logId]: [] };
  assertJson(whole, 200, { more: false, operator: [operatorPublished()], packages });
  const known = { operator: operatorRecord.fetchToken, packages: { [one.logId]: records[0]?.id } };
  const news = await registry.post('v1/fetch/logs', { json: { logLength: 5, ...known } });
  assertJson(news, 200, { more: false, operator: [], packages: { [one.logId]: [published(3), published(4)] } });
  const nulls = await registry.post('v1/fetch/logs', {
    json: { logLength: 5, limit: null, operator: null, packages: null },
  });
  assertJson(nulls, 200, { more: false, operator: [operatorPublished()], packages: {} });
});

test('6.1: `limit` applies to each log, and `more` says that one of them filled it', async () => {
  const page = async (limit: number, token: unknown): Promise<[boolean, number[]]> => {
    const json = { logLength: 5, limit, operator: operatorRecord.fetchToken, packages: { [one.logId]: token } };
    const answer = wargApi.decodeFetchLogsResponse((await registry.post('v1/fetch/logs', { json })).bytes);
    return [answer.more, (answer.packages.get(one.logId) ?? []).map(({ registryIndex }) => registryIndex)];
  };
  assert.deepEqual(await page(2, null), [true, [1, 3]]);
  assert.deepEqual(await page(2, records[2]?.id), [false, [4]]);
  assert.deepEqual(await page(3, null), [true, [1, 3, 4]]);
  assert.deepEqual(await page(3, records[3]?.id), [false, []]);
  assert.deepEqual(await page(1000, null), [false, [1, 3, 4]]);
});

test('6.1: records at or beyond the asked length are withheld', async () => {
  const at = (logLength: number): unknown => ({ logLength, packages: { [one.logId]: null } });
  const shorter = await registry.post('v1/fetch/logs', { json: at(4) });
  const operator = [operatorPublished()];
  assertJson(shorter, 200, { more: false, operator, packages: { [one.logId]: [published(1), published(3)] } });
  const earlier = await registry.post('v1/fetch/logs', { json: at(1) });
  assertJson(earlier, 200, { more: false, operator, packages: { [one.logId]: [] } });
});

test('6: fetch/logs names what it does not know', async () => {
  const ask = (json: unknown): ReturnType<RunningRegistry['post']> => registry.post('v1/fetch/logs', { json });
  assertJson(await ask({ logLength: 6 }), 404, { status: 404, type: 'logLength', id: 6 });
  assertJson(await ask({ logLength: 0 }), 404, { status: 404, type: 'logLength', id: 0 });
  assertJson(await ask({ logLength: 5, packages: { [UNKNOWN]: null } }), 404, {
    status: 404,
    type: 'log',
    id: UNKNOWN,
  });
  // Well formed but unknown (9.2: it kills a connection to the Rust server), of another log, and not well formed.
  for (const token of [UNKNOWN, records[1]?.id, operatorRecord.fetchToken, 'x', '']) {
    const body = { status: 404, type: 'fetchToken', id: token };
    assertJson(await ask({ logLength: 5, packages: { [one.logId]: token } }), 404, body);
    if (token !== operatorRecord.fetchToken) assertJson(await ask({ logLength: 5, operator: token }), 404, body);
  }
});

test('6: the limit of fetch/logs is 1 to 1000, and what no u16 holds is a wrong shape', async () => {
  const ask = (limit: unknown): ReturnType<RunningRegistry['post']> =>
    registry.post('v1/fetch/logs', { json: { logLength: 5, limit } });
  for (const limit of [0, 1001, 65_535]) assertProblem(await ask(limit), 400);
  for (const limit of [65_536, -1, 1.5, '10', [], {}]) assertProblem(await ask(limit), 422);
});

test('6: fetch/names', async () => {
  const names = await registry.post('v1/fetch/names', { json: { packages: [two.logId, one.logId] } });
  assertJson(names, 200, { packages: { [one.logId]: 'test:one', [two.logId]: 'test:two' } });
  assertJson(await registry.post('v1/fetch/names', { json: { packages: [] } }), 200, { packages: {} });
  for (const unknown of [UNKNOWN, OPERATOR_LOG_ID]) {
    const answer = await registry.post('v1/fetch/names', { json: { packages: [one.logId, unknown] } });
    assertJson(answer, 404, { status: 404, type: 'log', id: unknown });
  }
  const many = Array.from({ length: 1001 }, (_, i) => (i < 1000 ? one.logId : UNKNOWN));
  assertJson(await registry.post('v1/fetch/names', { json: { packages: many } }), 200, {
    packages: { [one.logId]: 'test:one' },
  });
  assertProblem(await registry.post('v1/fetch/names', { json: { packages: ['sha256:00'] } }), 422);
});

test('6.1: the ledger lists every leaf, and its records are log id and record id, raw', async () => {
  const contentType = 'application/vnd.warg.ledger.packed';
  const source = { firstRegistryIndex: 0, lastRegistryIndex: 4, url: 'v1/ledger/records/0', contentType };
  assertJson(await registry.get('v1/ledger'), 200, { hashAlgorithm: 'sha256', sources: [source] });
  const logIds = [one.logId, two.logId, one.logId, one.logId];
  const leaves = records.map(({ id }, i) => concatBytes(digestBytes(logIds[i] ?? assert.fail()), digestBytes(id)));
  const all = await registry.get('v1/ledger/records/0');
  assert.deepEqual([all.status, all.headers.get('content-type')], [200, contentType]);
  assert.deepEqual(all.bytes.subarray(0, 32), digestBytes(OPERATOR_LOG_ID));
  assert.deepEqual(all.bytes.subarray(64), concatBytes(...leaves));
  assert.deepEqual((await registry.get('v1/ledger/records/3')).bytes, concatBytes(...leaves.slice(2)));
  for (const beyond of ['5', '1000', '9007199254740991']) {
    const answer = await registry.get(`v1/ledger/records/${beyond}`);
    assert.deepEqual([answer.status, answer.bytes.length], [200, 0]);
  }
  for (const start of ['-1', '1.5', 'x', '0x1', '9007199254740993', '%20']) {
    assertProblem(await registry.get(`v1/ledger/records/${start}`), 400);
  }
});

test('6.1: verify/checkpoint judges roots and signature apart', async () => {
  const signed = wargApi.decodeSignedCheckpoint((await registry.get('v1/fetch/checkpoint')).bytes);
  const verdict = async (json: unknown): Promise<unknown> => {
    const answer = await registry.post('v1/verify/checkpoint', { json });
    assert.deepEqual([answer.status, answer.headers.get('content-type')], [200, 'application/json']);
    return bodyOf(answer);
  };
  const { contents } = signed;
  assert.deepEqual(await verdict(signed), { checkpoint: 'verified', signature: 'verified' });
  // 9.2: the Rust server calls the signature of an altered timestamp verified.
  const later = { ...signed, contents: { ...contents, timestamp: contents.timestamp + 1 } };
  assert.deepEqual(await verdict(later), { checkpoint: 'verified', signature: 'invalid' });
  const other = { ...signed, contents: { ...contents, logRoot: contents.mapRoot } };
  assert.deepEqual(await verdict(other), { checkpoint: 'invalid', signature: 'invalid' });
  const longer = { ...signed, contents: { ...contents, logLength: 6 } };
  assert.deepEqual(await verdict(longer), { checkpoint: 'invalid', signature: 'invalid' });
  assert.deepEqual(await verdict({ ...signed, keyId: UNKNOWN }), { checkpoint: 'verified', signature: 'invalid' });
  assert.deepEqual(await verdict({ ...signed, signature: 'x' }), { checkpoint: 'verified', signature: 'invalid' });
  assertProblem(await registry.post('v1/verify/checkpoint', { json: { ...signed, contents: {} } }), 422);
});

test('9.2: there is a health endpoint', async () => {
  const { status, bytes } = await registry.get('healthz');
  assert.deepEqual([status, new TextDecoder().decode(bytes)], [200, 'ok\n']);
});
