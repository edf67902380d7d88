import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Fetch } from '@waybill/client';
import { governanceLogId, packageLogId, wargApi, type PrivateKey, type Digest, type LogId } from '@waybill/protocol';
import { copyOf, emptyMemory, readPackage, type Memory } from '../mutation/reader.ts';
import type { HistoryRecord } from '../registry-history.ts';
import { operatorRecord } from './governance-records.ts';
import { NAMESPACE, ONE, openGovernedStage, type GovernedStage, type ServedStage } from './governed-stage.ts';

/* What governance costs a reader: requests that wait for each other, and requests in all. */

const BEFORE = ['checkpoint', 'logs', 'inclusion', 'content', 'bytes'];
const GOVERNANCE = [governanceLogId(NAMESPACE), governanceLogId(null)];

let stage: GovernedStage;
let ungoverned: ServedStage;
let governed: ServedStage;
let plain: ServedStage;

before(async () => {
  stage = await openGovernedStage();
  ungoverned = await stage.serve([...stage.begun, ...stage.published]);
  const record = await stage
    .writer(NAMESPACE)
    .write({ type: 'policy', starters: 'open', gateway: 'allowed', interfaceSteps: 'free' });
  governed = await stage.serve([...stage.begun, record, ...stage.published]);
  plain = await stage.serve([await withoutProfile(stage.operatorKey), ...stage.published]);
});
after(async () => {
  await ungoverned.dispose();
  await governed.dispose();
  await plain.dispose();
  await stage.dispose();
});

/** The beginning of an operator log as the Rust server writes it. */
function withoutProfile(key: PrivateKey): Promise<HistoryRecord> {
  return operatorRecord(
    [],
    key,
    { type: 'init', key: key.publicKey },
    { type: 'defineNamespace', namespace: NAMESPACE },
  );
}

interface Count {
  /** Requests, by what is asked, sorted. */
  readonly requests: readonly string[];
  /** Sets of requests that were under way together. */
  readonly waits: number;
  /** The logs asked for, request by request. */
  readonly logs: readonly (readonly string[])[];
}

async function countGet(answer: Fetch, operatorKeyId: Digest, memory: Memory): Promise<Count> {
  const requests: string[] = [];
  const logs: string[][] = [];
  let [waits, underWay] = [0, 0];
  const counting: Fetch = async (url, init) => {
    const what = titleOf(new URL(url).pathname);
    requests.push(what);
    if (what === 'logs' && typeof init.body === 'string') logs.push(Object.keys(JSON.parse(init.body).packages));
    if (underWay++ === 0) waits++;
    try {
      return await answer(url, init);
    } finally {
      underWay--;
    }
  };
  const { version } = await readPackage(ONE, { memory, fetch: counting, operatorKeyId, nowMs: Date.now() });
  assert.equal(version, '1.1.0');
  return { requests: requests.toSorted(), waits, logs };
}

function titleOf(path: string): string {
  if (path.startsWith('/content/')) return 'bytes';
  return path.startsWith('/v1/content/') ? 'content' : path.slice(path.lastIndexOf('/') + 1);
}

/** A registry that knows nothing of logs that are left out: a Rust one. */
function deaf(answer: Fetch): Fetch {
  return (url, init) => {
    const headers = new Headers(init.headers);
    headers.delete(wargApi.ABSENT_LOGS_HEADER);
    return answer(url, { ...init, headers });
  };
}

const ids = (...logIds: readonly LogId[]): LogId[] => logIds.toSorted();
const ALL = ids(packageLogId(ONE), ...GOVERNANCE);

test('a get from a registry where nothing governs waits no more often than before, and asks for one more proof', async () => {
  const { requests, waits, logs } = await countGet(ungoverned.fetch, stage.operatorKeyId, emptyMemory());
  assert.deepEqual(requests, [...BEFORE, 'absence'].toSorted());
  assert.equal(waits, BEFORE.length);
  assert.deepEqual(
    logs.map((asked) => asked.toSorted()),
    [ALL],
  );
});

test('where something governs the order is proven beside the heads', async () => {
  const { requests, waits } = await countGet(governed.fetch, stage.operatorKeyId, emptyMemory());
  assert.deepEqual(requests, [...BEFORE, 'absence', 'leaves'].toSorted());
  assert.equal(waits, BEFORE.length);
});

test('a registry without a profile is asked for nothing more, and from the second time on not for the logs either', async () => {
  const memory = emptyMemory();
  const first = await countGet(plain.fetch, stage.operatorKeyId, memory);
  assert.deepEqual(first.requests, BEFORE.toSorted());
  memory.contents.clear();
  const second = await countGet(plain.fetch, stage.operatorKeyId, memory);
  assert.deepEqual(second.requests, BEFORE.toSorted());
  assert.deepEqual(second.logs, [[packageLogId(ONE)]]);
});

test('a registry that does not leave out logs is asked once more, and only the first time where it has no profile', async () => {
  const memory = emptyMemory();
  const first = await countGet(deaf(plain.fetch), stage.operatorKeyId, memory);
  assert.deepEqual(first.requests, [...BEFORE, 'logs'].toSorted());
  const known = copyOf(memory);
  known.contents.clear();
  assert.deepEqual((await countGet(deaf(plain.fetch), stage.operatorKeyId, known)).requests, BEFORE.toSorted());
  const withProfile = await countGet(deaf(ungoverned.fetch), stage.operatorKeyId, emptyMemory());
  assert.deepEqual(withProfile.requests, [...BEFORE, 'logs', 'absence'].toSorted());
});
