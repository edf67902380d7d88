import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { encodeBase64, wargApi, type OperatorEntry } from '@waybill/protocol';
import { appendOperator, logLength, operatorHead, operatorKey } from '../operator.ts';
import { keyOf, Publisher } from '../publisher.ts';
import { assertProblem, bodyOf, RunningRegistry, type Answer } from '../running-registry.ts';

let registry: RunningRegistry;

before(async () => {
  registry = await RunningRegistry.start();
});
after(() => registry.dispose());

/** Waybill's own API names the code; the rest of the shape is exact. */
function assertRefusal(answer: Answer, status: number, code: string, detail: unknown = {}): void {
  const { message, ...rest } = Object(bodyOf(answer));
  assert.equal(typeof message, 'string');
  assert.deepEqual(rest, { status, code, detail });
  assert.deepEqual([answer.status, answer.headers.get('content-type')], [status, 'application/json']);
}

test('an operator record is published, and posting it again gives the same answer', async () => {
  const length = await logLength(registry);
  const prev = await operatorHead(registry);
  const answer = await appendOperator(registry, [{ type: 'defineNamespace', namespace: 'more' }], { prev });
  const head = await operatorHead(registry);
  assert.deepEqual(bodyOf(answer), { recordId: head, registryIndex: length, state: 'published' });
  assert.deepEqual([answer.status, answer.headers.get('content-type')], [201, 'application/json']);
  const publisher = new Publisher(registry, 'more:one');
  await publisher.start();
  const json = { logLength: await logLength(registry) };
  const { operator } = wargApi.decodeFetchLogsResponse((await registry.post('v1/fetch/logs', { json })).bytes);
  const { contents, keyId, signature } = operator.at(-1)?.envelope ?? assert.fail();
  const record = { contentBytes: encodeBase64(contents), keyId, signature };
  const again = await registry.post('api/v1/operator/records', { json: record });
  assert.deepEqual([again.status, bodyOf(again)], [201, bodyOf(answer)]);
});

test('an operator record after another one is told which came first', async () => {
  const prev = await operatorHead(registry);
  assert.equal((await appendOperator(registry, [{ type: 'defineNamespace', namespace: 'first' }])).status, 201);
  const head = await operatorHead(registry);
  const late = await appendOperator(registry, [{ type: 'defineNamespace', namespace: 'second' }], { prev });
  assertRefusal(late, 409, 'publish/conflict', { recordId: head });
});

test('who may not append to the operator log is refused by its rules', async () => {
  const key = keyOf('stranger');
  const { id: keyId } = key.publicKey;
  const define: OperatorEntry = { type: 'defineNamespace', namespace: 'stolen' };
  const permission = 'defineNamespace';
  assertRefusal(await appendOperator(registry, [define], { key }), 422, 'record/unauthorized', { keyId, permission });
  const twice = await appendOperator(registry, [define, define]);
  assertRefusal(twice, 422, 'record/namespace-defined', { namespace: 'stolen' });
  const invalid = await appendOperator(registry, [{ type: 'defineNamespace', namespace: 'Stolen' }]);
  assertRefusal(invalid, 422, 'record/namespace-invalid');
});

test('admission of operator records (version1.md 5)', async () => {
  const key = keyOf('delegate').publicKey;
  assertRefusal(await appendOperator(registry, []), 422, 'admission/policy');
  const empty: OperatorEntry = { type: 'grant', key, permissions: [] };
  assertRefusal(await appendOperator(registry, [empty]), 422, 'admission/policy');
  const { publicKey } = await operatorKey(registry);
  const commit: OperatorEntry = { type: 'revoke', keyId: publicKey.id, permissions: ['commit'] };
  assertRefusal(await appendOperator(registry, [commit]), 422, 'admission/policy');
  const lockOut: OperatorEntry = { type: 'revoke', keyId: publicKey.id, permissions: ['importNamespace'] };
  assertRefusal(await appendOperator(registry, [lockOut]), 422, 'admission/policy');
  const handOver: OperatorEntry = { type: 'grant', key, permissions: ['importNamespace'] };
  assert.equal((await appendOperator(registry, [handOver, lockOut])).status, 201);
});

test('an operator record that is not one is refused', async () => {
  const post = (json: unknown): Promise<Answer> => registry.post('api/v1/operator/records', { json });
  assertRefusal(await post({}), 422, 'wire/shape');
  assertRefusal(await post({ contentBytes: '', keyId: '', signature: '' }), 400, 'record/decode');
  assertRefusal(await registry.post('api/v1/operator/records', { body: '{}' }), 415, 'request/media-type');
  const headers = { 'content-type': 'application/json' };
  assertRefusal(await registry.post('api/v1/operator/records', { body: '{', headers }), 400, 'wire/json');
  const big = ' '.repeat(2 * 1024 * 1024 + 1);
  assertRefusal(await registry.post('api/v1/operator/records', { body: big, headers }), 413, 'wire/too-large');
});

test('a checkpoint signed by the server still verifies after the operator log grew', async () => {
  const signed = bodyOf(await registry.get('v1/fetch/checkpoint'));
  const verdict = await registry.post('v1/verify/checkpoint', { json: signed });
  assert.deepEqual(bodyOf(verdict), { checkpoint: 'verified', signature: 'verified' });
  assertProblem(await registry.get('v1/nothing'), 404);
});
