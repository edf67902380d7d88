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
  const operator = await replayLog(OPERATOR_LOG, emptyLogState(), [operatorRecord.envelope]);
  assert.equal((await openCheckpoint(signed, operator)).value.logLength, 5);
});
