import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  checkAbsence,
  checkContinuation,
  checkHeads,
  emptyLogState,
  openCheckpoint,
  OPERATOR_LOG,
  OPERATOR_LOG_ID,
  packageLogId,
  parsePackageName,
  parseRecordId,
  replayLog,
  wargApi,
  type RecordId,
  type VerifiedCheckpoint,
} from '@waybill/protocol';
import { Publisher, type LooseRecord } from '../publisher.ts';
import { assertJson, assertProblem, bodyOf, RunningRegistry, type Answer } from '../running-registry.ts';

let registry: RunningRegistry;
let one: Publisher;
let two: Publisher;
let operatorRecordId: RecordId;
const heads: VerifiedCheckpoint[] = [];
const records: LooseRecord[] = [];

/** Leaves: 0 operator, 1 test:one, 2 test:two, 3 test:one. */
before(async () => {
  registry = await RunningRegistry.start();
  one = new Publisher(registry, 'test:one');
  two = new Publisher(registry, 'test:two');
  const logs = wargApi.decodeFetchLogsResponse(
    (await registry.post('v1/fetch/logs', { json: { logLength: 1 } })).bytes,
  );
  const [{ envelope, fetchToken } = assert.fail()] = logs.operator;
  operatorRecordId = parseRecordId(fetchToken);
  const operator = await replayLog(OPERATOR_LOG, emptyLogState(null), [envelope]);
  const grant = { type: 'grant', key: two.key.publicKey, permissions: ['yank'] } as const;
  for (const publish of [null, () => one.start(), () => two.start(), () => one.publish([grant])]) {
    if (publish !== null) records.push(await publish());
    const signed = wargApi.decodeSignedCheckpoint((await registry.get('v1/fetch/checkpoint')).bytes);
    heads.push(await openCheckpoint(signed, operator));
  }
});
after(() => registry.dispose());

function head(logLength: number): VerifiedCheckpoint {
  return heads[logLength - 1] ?? assert.fail();
}

function inclusion(logLength: unknown, leafs: unknown): Promise<Answer> {
  return registry.post('v1/proof/inclusion', { json: { logLength, leafs } });
}

function consistency(from: unknown, to: unknown): Promise<Answer> {
  return registry.post('v1/proof/consistency', { json: { from, to } });
}

function absence(logLength: unknown, logs: unknown): Promise<Answer> {
  return registry.post('v1/proof/absence', { json: { logLength, logs } });
}

/** The exact shape of a proof error: status, reason and a message. */
function assertFailure(answer: Answer): void {
  const { message, ...rest } = Object(bodyOf(answer));
  assert.deepEqual(rest, { status: 422, reason: 'failure' });
  assert.equal(typeof message, 'string');
  assert.deepEqual([answer.status, answer.headers.get('content-type')], [422, 'application/json']);
}

test('6: consistency between any two lengths', async () => {
  for (let to = 1; to <= 4; to++) {
    for (let from = 1; from <= to; from++) {
      const answer = await consistency(from, to);
      assert.deepEqual(Object.keys(Object(bodyOf(answer))), ['proof']);
      assertJson(answer, 200, bodyOf(answer));
      if (from < to) checkContinuation(head(from), head(to), wargApi.decodeConsistencyResponse(answer.bytes));
    }
  }
});

test('6.3: consistency refuses lengths without a proof', async () => {
  for (const [from, to] of [
    [0, 4],
    [0, 0],
    [3, 2],
    [1, 5],
    [5, 5],
    [1, 2 ** 31 + 1],
    [1, Number.MAX_SAFE_INTEGER],
  ]) {
    assertFailure(await consistency(from, to));
  }
});

test('6: inclusion proves heads of logs at every signed length', async () => {
  const operator = { logId: OPERATOR_LOG_ID, recordId: operatorRecordId, registryIndex: 0 };
  const first = { logId: one.logId, recordId: records[0]?.id ?? assert.fail(), registryIndex: 1 };
  const second = { logId: two.logId, recordId: records[1]?.id ?? assert.fail(), registryIndex: 2 };
  const third = { logId: one.logId, recordId: records[2]?.id ?? assert.fail(), registryIndex: 3 };
  for (const [length, claimed] of [
    [1, [operator]],
    [2, [operator, first]],
    [3, [second, operator, first]],
    [4, [operator, third, second]],
    [4, [third, third]],
  ] as const) {
    const answer = await inclusion(
      length,
      claimed.map(({ registryIndex }) => registryIndex),
    );
    assert.deepEqual(Object.keys(Object(bodyOf(answer))).toSorted(), ['log', 'map']);
    assertJson(answer, 200, bodyOf(answer));
    checkHeads(head(length), claimed, wargApi.decodeInclusionResponse(answer.bytes));
  }
});

test('6.3: inclusion refuses what it cannot prove', async () => {
  assertFailure(await inclusion(4, []));
  assertFailure(await inclusion(5, [0]));
  assertFailure(await inclusion(2 ** 31 + 1, [0]));
  assertFailure(await inclusion(2, [2]));
  assertFailure(
    await inclusion(
      4,
      Array.from({ length: 4001 }, () => 0),
    ),
  );
  assertJson(await inclusion(4, [4]), 404, { status: 404, type: 'leaf', id: 4 });
  assertJson(await inclusion(4, [0, 99]), 404, { status: 404, type: 'leaf', id: 99 });
  assertJson(await inclusion(0, [0]), 404, { status: 404, type: 'logLength', id: 0 });
  assertProblem(await inclusion(4, [-1]), 422);
  assertProblem(await inclusion(4, [0.5]), 422);
  assertProblem(await inclusion(4, null), 422);
});

test('6.3: a leaf that is no longer the head of its log is an incorrect proof', async () => {
  const answer = await inclusion(4, [1]);
  const { found, ...rest } = Object(bodyOf(answer));
  const root = head(4).contents.mapRoot;
  assert.deepEqual(rest, { status: 422, reason: 'incorrectProof', root });
  assert.match(found, /^sha256:[0-9a-f]{64}$/);
  assert.notEqual(found, root);
  assertJson(answer, 422, { ...rest, found });
});

test('9.1: absence is proven for logs that are not in the map', async () => {
  const names = ['test:none', 'wasi:http', 'test:three'];
  const logs = names.map((name) => packageLogId(parsePackageName(name)));
  const answer = await absence(4, logs);
  assert.deepEqual(Object.keys(Object(bodyOf(answer))), ['map']);
  assertJson(answer, 200, bodyOf(answer));
  checkAbsence(head(4), logs, wargApi.decodeAbsenceResponse(answer.bytes));
  // test:two came later than length 2.
  checkAbsence(head(2), [two.logId], wargApi.decodeAbsenceResponse((await absence(2, [two.logId])).bytes));
});

test('9.1: absence of what is there is refused', async () => {
  assertFailure(await absence(4, [one.logId]));
  assertFailure(await absence(4, [packageLogId(parsePackageName('test:none')), OPERATOR_LOG_ID]));
  assertFailure(await absence(4, []));
  assertFailure(
    await absence(
      4,
      Array.from({ length: 4001 }, () => two.logId),
    ),
  );
  assertJson(await absence(5, [two.logId]), 404, { status: 404, type: 'logLength', id: 5 });
  assertProblem(await absence(4, ['x']), 422);
});
