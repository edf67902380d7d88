import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  appendToLog,
  checkHeads,
  concatBytes,
  decodeLogProofBundle,
  emptyLogEdge,
  emptyLogState,
  encodeLogLeaf,
  formatDigest,
  HASH_BYTES,
  hashLogLeaf,
  logRootOfEdge,
  namespaceLogId,
  openCheckpoint,
  OPERATOR_LOG,
  packageLogId,
  parseLogId,
  parseNamespace,
  parsePackageName,
  parseRecordId,
  proveLog,
  REGISTRY_LOG_ID,
  replayLog,
  wargApi,
  type ClaimedHead,
  type LogId,
  type VerifiedCheckpoint,
} from '@waybill/protocol';
import { governingKey, Governor, listing } from '../governance.ts';
import { logLength } from '../operator.ts';
import { Publisher } from '../publisher.ts';
import { assertEmpty, assertJson, bodyOf, RunningRegistry, type Answer } from '../running-registry.ts';

/* How governance logs are read: spec/http.md 4.2 and 4.19. */

const ORIGIN = 'registry.example/main';
const ABSENT = packageLogId(parsePackageName('test:absent'));
const NAMESPACE_LOG = namespaceLogId(parseNamespace('test'));
const OMIT = { [wargApi.ABSENT_LOGS_HEADER]: 'omit', [wargApi.RECORD_VERSIONS_HEADER]: '0,1' };
const READS_BOTH = { [wargApi.RECORD_VERSIONS_HEADER]: '0,1' };

let registry: RunningRegistry;
let first: Publisher;
/** Records before the governance log began. */
let lengthBefore: number;

before(async () => {
  registry = await RunningRegistry.start({ origin: ORIGIN });
  first = new Publisher(registry, 'test:first');
  await first.start();
  lengthBefore = await logLength(registry);
  const operator = await governingKey(registry);
  const owner = new Governor(registry, 'test', { origin: ORIGIN, keys: [operator] });
  for (const answer of [await owner.begin(), await owner.append([listing('alice')])]) assert.equal(answer.status, 201);
});
after(() => registry.dispose());

interface Asked {
  readonly logLength?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly tokens?: Readonly<Record<LogId, string>>;
}

async function fetchLogs(
  logs: readonly LogId[],
  { headers = OMIT, tokens = {}, ...asked }: Asked = {},
): Promise<Answer> {
  const packages = Object.fromEntries(logs.map((log) => [log, tokens[log] ?? null]));
  const json = { logLength: asked.logLength ?? (await logLength(registry)), packages };
  return registry.post('v1/fetch/logs', { json, headers });
}

function lengthsOf(answer: Answer): Record<string, number> {
  assert.equal(answer.status, 200, new TextDecoder().decode(answer.bytes));
  const { packages } = wargApi.decodeFetchLogsResponse(answer.bytes);
  return Object.fromEntries([...packages].map(([logId, records]) => [logId, records.length]));
}

test('absent logs are left out where it is asked for, and those that are there stand in the answer', async () => {
  const logs = [first.logId, ABSENT, NAMESPACE_LOG, REGISTRY_LOG_ID];
  assert.deepEqual(lengthsOf(await fetchLogs(logs)), { [first.logId]: 1, [NAMESPACE_LOG]: 2 });
  assert.deepEqual(lengthsOf(await fetchLogs([ABSENT])), {});
});

test('a log that begins at or beyond the length is absent, and one that has nothing new is not', async () => {
  assert.deepEqual(lengthsOf(await fetchLogs([first.logId, NAMESPACE_LOG], { logLength: lengthBefore })), {
    [first.logId]: 1,
  });
  const tokens = { [first.logId]: first.head ?? '', [ABSENT]: first.head ?? '' };
  assert.deepEqual(lengthsOf(await fetchLogs([first.logId, ABSENT], { tokens })), { [first.logId]: 0 });
});

test('who does not ask for it is answered as ever', async () => {
  const missing = { status: 404, type: 'log', id: ABSENT };
  for (const headers of [READS_BOTH, { ...READS_BOTH, [wargApi.ABSENT_LOGS_HEADER]: 'yes' }]) {
    assertJson(await fetchLogs([first.logId, ABSENT], { headers }), 404, missing);
    const tokens = { [ABSENT]: first.head ?? '' };
    assertJson(await fetchLogs([ABSENT], { headers, tokens }), 404, missing);
    const early = await fetchLogs([first.logId, NAMESPACE_LOG], { headers, logLength: lengthBefore });
    assert.deepEqual(lengthsOf(early), { [first.logId]: 1, [NAMESPACE_LOG]: 0 });
  }
});

test('a token of another log is told, whatever becomes of absent ones', async () => {
  const tokens = { [NAMESPACE_LOG]: first.head ?? '' };
  const answer = await fetchLogs([NAMESPACE_LOG], { tokens });
  assertJson(answer, 404, { status: 404, type: 'fetchToken', id: first.head });
});

/** The hash of every leaf up to the newest head. */
async function leafHashes(): Promise<Uint8Array[]> {
  const { bytes } = await registry.get('v1/ledger/records/0');
  // A leaf is the log's id and the record's, 32 bytes each, as the ledger has them.
  const count = bytes.length / (2 * HASH_BYTES);
  return Array.from({ length: count }, (_, i) => {
    const [logId, recordId] = [bytes.slice(i * 64, i * 64 + 32), bytes.slice(i * 64 + 32, i * 64 + 64)];
    return hashLogLeaf(
      encodeLogLeaf({ logId: parseLogId(formatDigest(logId)), recordId: parseRecordId(formatDigest(recordId)) }),
    );
  });
}

async function newestCheckpoint(): Promise<VerifiedCheckpoint> {
  const { operator } = wargApi.decodeFetchLogsResponse((await fetchLogs([])).bytes);
  const envelopes = operator.map(({ envelope }) => envelope);
  const state = await replayLog(OPERATOR_LOG, emptyLogState(null), envelopes);
  const { bytes } = await registry.get('v1/fetch/checkpoint');
  return openCheckpoint(wargApi.decodeSignedCheckpoint(bytes), state);
}

async function placesOf(logId: LogId): Promise<ClaimedHead[]> {
  const { packages } = wargApi.decodeFetchLogsResponse((await fetchLogs([logId])).bytes);
  return (packages.get(logId) ?? []).map(({ registryIndex, fetchToken }) => {
    return { logId, registryIndex, recordId: parseRecordId(fetchToken) };
  });
}

async function proveLeaves(size: number, places: readonly ClaimedHead[]): Promise<Uint8Array> {
  const json = { logLength: size, leafs: places.map(({ registryIndex }) => registryIndex) };
  const answer = await registry.post('api/v1/proof/leaves', { json });
  assert.equal(answer.status, 200);
  return wargApi.decodeConsistencyResponse(answer.bytes);
}

test('records of any age are proven to stand at their indexes', async () => {
  const checkpoint = await newestCheckpoint();
  const { logLength: size, logRoot } = checkpoint.contents;
  const [begun = assert.fail(), newest = assert.fail()] = await placesOf(NAMESPACE_LOG);
  const heads = [newest, ...(await placesOf(first.logId))];
  // What proves heads is judged by the protocol, beside a proof from the map that is made elsewhere.
  const json = { logLength: size, leafs: heads.map(({ registryIndex }) => registryIndex) };
  const inclusion = await registry.post('v1/proof/inclusion', { json });
  const { map } = wargApi.decodeInclusionResponse(inclusion.bytes);
  checkHeads(checkpoint, heads, { log: await proveLeaves(size, heads), map });
  // No head: the proof is the one that the leaves under the signed root make.
  const hashes = await leafHashes();
  assert.equal(formatDigest(logRootOfEdge(appendToLog(emptyLogEdge(), hashes).edge)), logRoot);
  const leafIndexes = [begun.registryIndex, newest.registryIndex];
  const expected = await proveLog({ size, consistentLengths: [], leafIndexes }, async () => [concatBytes(...hashes)]);
  assert.deepEqual(decodeLogProofBundle(await proveLeaves(size, [begun, newest])), expected);
  const asHead = await registry.post('v1/proof/inclusion', { json: { logLength: size, leafs: [begun.registryIndex] } });
  assert.equal(asHead.status, 422);
});

test('proofs of leaves have the limits and the errors of inclusion', async () => {
  const length = await logLength(registry);
  const ask = (body: unknown): Promise<Answer> => registry.post('api/v1/proof/leaves', { json: body });
  const refused: readonly (readonly [unknown, number, string])[] = [
    [{ logLength: length, leafs: [] }, 422, 'request/proof'],
    [{ logLength: length, leafs: Array.from({ length: 4_001 }, () => 0) }, 422, 'request/proof'],
    [{ logLength: length + 1, leafs: [0] }, 422, 'request/proof'],
    [{ logLength: lengthBefore, leafs: [lengthBefore] }, 422, 'request/proof'],
    [{ logLength: length, leafs: [length] }, 404, 'request/leaf'],
    [{ logLength: 0, leafs: [0] }, 404, 'request/log-length'],
    [{ leafs: [0] }, 422, 'wire/shape'],
  ];
  for (const [body, status, code] of refused) {
    const answer = await ask(body);
    assert.deepEqual([answer.status, Object(bodyOf(answer)).code], [status, code]);
  }
  assertEmpty(await registry.get('api/v1/proof/leaves'), 405);
});
