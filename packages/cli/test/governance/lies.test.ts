import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Fetch } from '@waybill/client';
import {
  governanceLogId,
  isRegistryError,
  OPERATOR_LOG_ID,
  packageLogId,
  parsePublicKey,
  type ErrorCode,
  type GovernanceEntry,
  type LogId,
} from '@waybill/protocol';
import { EXIT, EXIT_CODE } from '../../src/exit-code.ts';
import { emptyMemory, readPackage, type Memory } from '../mutation/reader.ts';
import type { History, HistoryRecord } from '../registry-history.ts';
import { GovernanceWriter, keyNamed, operatorRecord } from './governance-records.ts';
import { NAMESPACE, ONE, openGovernedStage, TWO, type GovernedStage, type ServedStage } from './governed-stage.ts';

/* What governs is proven: nobody who stands between can make a package rooted, or unrooted, that is not (spec/verification.md 2). */

const STRANGER = keyNamed('stranger');
const LISTED: GovernanceEntry = {
  type: 'policy',
  starters: [STRANGER.publicKey],
  gateway: 'refused',
  interfaceSteps: 'free',
};
const OPEN: GovernanceEntry = { type: 'policy', starters: 'open', gateway: 'allowed', interfaceSteps: 'free' };
const GOVERNING = governanceLogId(NAMESPACE);
const LOGS = '/v1/fetch/logs';
const ABSENCE = '/v1/proof/absence';
const LEAVES = '/api/v1/proof/leaves';
const CONSISTENCY = '/v1/proof/consistency';

let stage: GovernedStage;
/** By name: what a liar may change, and what an honest registry of it gives. */
const scenes = new Map<string, { readonly served: ServedStage; readonly history: History; readonly outcome: string }>();

before(async () => {
  stage = await openGovernedStage();
  const { begun, published } = stage;
  const [one, two] = [ONE, TWO].map((wanted) => published.filter(({ name }) => name === wanted));
  assert.ok(one && two);
  const listing = stage.writer(NAMESPACE);
  const [listed, opened] = [await listing.write(LISTED), await listing.write(OPEN)];
  await openScene('listed', [...begun, ...two, listed, ...one, opened], 'governance/unrooted');
  const granted = [...begun, await grant(begun)];
  const grantRecord = granted.at(-1) ?? assert.fail();
  const opening = stage.writer(NAMESPACE);
  const [open, closed, silent] = [await opening.write(OPEN), await opening.write(LISTED), await opening.write()];
  const [first, ...others] = one;
  assert.ok(first);
  await openScene('closed later', [...begun, open, grantRecord, first, closed, ...two, ...others, silent], '1.1.0');
  const strange = new GovernanceWriter(NAMESPACE, STRANGER);
  const [void1, void2] = [await strange.write(LISTED), await strange.write()];
  const namespace = await operatorRecord(granted, stage.operatorKey, { type: 'defineNamespace', namespace: 'late' });
  await openScene('void', [...begun, ...two, void1, grantRecord, ...one, void2, namespace], '1.1.0');
  await openScene('granted', [...begun, ...two, grantRecord, void1, ...one, void2, namespace], 'governance/unrooted');
  await openScene('nothing governs', [...begun, ...published], '1.1.0');
});
after(async () => {
  for (const { served } of scenes.values()) await served.dispose();
  await stage.dispose();
});

function grant(begun: History): Promise<HistoryRecord> {
  const key = parsePublicKey(STRANGER.publicKey.text);
  return operatorRecord(begun, stage.operatorKey, { type: 'grant', key, permissions: ['defineNamespace'] });
}

async function openScene(name: string, history: History, outcome: string): Promise<void> {
  scenes.set(name, { served: await stage.serve(history), history, outcome });
}

/** The version that a reader gets, or the code of the error. */
async function outcomeOf(fetch: Fetch, memory: Memory = emptyMemory()): Promise<string> {
  const parts = { memory, fetch, operatorKeyId: stage.operatorKeyId, nowMs: Date.now() };
  try {
    return (await readPackage(ONE, parts)).version;
  } catch (failure) {
    if (isRegistryError(failure)) return failure.code;
    throw failure;
  }
}

interface LogsBody {
  readonly operator: { registryIndex: number }[];
  readonly packages: Record<string, { registryIndex: number }[]>;
}

type Change = (body: LogsBody) => void;

function lyingLogs(fetch: Fetch, change: Change): Fetch {
  return async (url, init) => {
    const answer = await fetch(url, init);
    if (new URL(url).pathname !== LOGS || !answer.ok) return answer;
    const body: LogsBody = JSON.parse(await answer.text());
    change(body);
    return Response.json(body);
  };
}

/** Answers one route with something else. */
function lyingAt(fetch: Fetch, path: string, lie: (init: RequestInit) => Response | Promise<Response>): Fetch {
  return async (url, init) => (new URL(url).pathname === path ? lie(init) : fetch(url, init));
}

/** Says that the nth record of a log stands where another record of the history does. */
function moved(history: History, [logId, nth]: Place, index: number): Change {
  return ({ operator, packages }) => {
    const records = logId === OPERATOR_LOG_ID ? operator : (packages[logId] ?? assert.fail('no such log'));
    const record = records[nth] ?? assert.fail('no such record');
    assert.ok(index >= 0 && index < history.length && index !== record.registryIndex);
    record.registryIndex = index;
  };
}

/** The index of the nth record of a log. */
function indexOf(history: History, logId: LogId, nth: number): number {
  const of = [...history.keys()].filter((index) => history[index]?.logId === logId);
  return of[nth] ?? assert.fail('no such record');
}

const [ONE_LOG, TWO_LOG] = [packageLogId(ONE), packageLogId(TWO)];

/** A log, and which of its records. */
type Place = readonly [LogId, number];

/** What a liar claims, where the operator's nth record grants: the scene, the record that is moved, and the record whose place it is said to have. */
const movesOf = (grants: number): readonly (readonly [string, string, Place, Place])[] => [
  ['the package began before the policy', 'listed', [ONE_LOG, 0], [TWO_LOG, 0]],
  ['the policy came after the package', 'listed', [GOVERNING, 0], [ONE_LOG, 1]],
  ['the package began after its namespace was closed', 'closed later', [ONE_LOG, 0], [TWO_LOG, 0]],
  ['the namespace was closed before the package', 'closed later', [GOVERNING, 1], [OPERATOR_LOG_ID, grants]],
  ['a void log began after its starter could', 'void', [GOVERNING, 0], [ONE_LOG, 0]],
  ['the starter of a void log could before', 'void', [OPERATOR_LOG_ID, grants], [TWO_LOG, 0]],
  ['a log began before its starter could', 'granted', [GOVERNING, 0], [TWO_LOG, 0]],
  ['the starter of a log could only later', 'granted', [OPERATOR_LOG_ID, grants], [ONE_LOG, 0]],
];

function sceneOf(name: string) {
  return scenes.get(name) ?? assert.fail('no such scene');
}

function requireTampered(outcome: string, what: string): void {
  const code = Object.keys(EXIT_CODE).find((known): known is ErrorCode => known === outcome);
  assert.equal(code && EXIT_CODE[code], EXIT.tampered, `${what}: ${outcome}`);
}

test('the honest registry gives what its order means', async () => {
  for (const [name, { served, outcome }] of scenes) assert.equal(await outcomeOf(served.fetch), outcome, name);
});

test('L4: a record that is said to stand elsewhere is caught, also where the one there is said to stand in its place', async () => {
  for (const [what, name, record, place] of movesOf(stage.begun.length)) {
    const { served, history } = sceneOf(name);
    const lie = lyingLogs(served.fetch, moved(history, record, indexOf(history, ...place)));
    assert.match(await outcomeOf(lie), /^proof\//, what);
    const swapped = lyingLogs(served.fetch, (body) => {
      moved(history, record, indexOf(history, ...place))(body);
      const displaced = body.packages[place[0]];
      const other = displaced?.[place[1]];
      if (other !== undefined) other.registryIndex = indexOf(history, ...record);
    });
    requireTampered(await outcomeOf(swapped), `${what}, and the other is in its place`);
  }
});

test('L4: a governance log, or its newest record, that is left out is caught', async () => {
  const { served } = sceneOf('listed');
  const changes: Readonly<Record<string, Change>> = {
    'the log': ({ packages }) => delete packages[GOVERNING],
    'all its records': ({ packages }) => (packages[GOVERNING] = []),
    'its newest record': ({ packages }) => packages[GOVERNING]?.pop(),
    'its first record': ({ packages }) => packages[GOVERNING]?.shift(),
  };
  for (const [what, change] of Object.entries(changes))
    requireTampered(await outcomeOf(lyingLogs(served.fetch, change)), what);
  const unknown = lyingAt(served.fetch, LOGS, async (init) => {
    const isAsked = typeof init.body === 'string' && init.body.includes(GOVERNING);
    if (isAsked) return Response.json({ status: 404, type: 'log', id: GOVERNING }, { status: 404 });
    return served.fetch(new URL(LOGS, served.url).href, init);
  });
  requireTampered(await outcomeOf(unknown), 'it says that there is none');
});

test('L4: that nothing governs is proven, or not believed', async () => {
  const { served } = sceneOf('nothing governs');
  const lies: Readonly<Record<string, () => Response>> = {
    'no such route': () => new Response(null, { status: 404 }),
    'not implemented': () => Response.json({ status: 501, message: 'no' }, { status: 501 }),
    refused: () => Response.json({ status: 422, reason: 'failure', message: 'no' }, { status: 422 }),
    'an empty proof': () => Response.json({ map: '' }),
  };
  for (const [what, lie] of Object.entries(lies))
    requireTampered(await outcomeOf(lyingAt(served.fetch, ABSENCE, lie)), what);
});

test('L4: the order is proven, or not believed', async () => {
  const { served, history } = sceneOf('listed');
  const other = async (): Promise<Response> => {
    const body = JSON.stringify({ logLength: history.length, leafs: [0, 1] });
    return served.fetch(new URL(LEAVES, served.url).href, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json' },
    });
  };
  const lies: Readonly<Record<string, () => Response | Promise<Response>>> = {
    'no such route': () => new Response(null, { status: 404 }),
    refused: () => Response.json({ status: 422, reason: 'failure', message: 'no' }, { status: 422 }),
    'an empty proof': () => Response.json({ proof: '' }),
    'a proof of other leaves': other,
  };
  for (const [what, lie] of Object.entries(lies))
    requireTampered(await outcomeOf(lyingAt(served.fetch, LEAVES, lie)), what);
});

test('L4: a map that passes over a takedown is named by who has kept it, and no reader forgets it over that', async () => {
  const digest = stage.contents.get(`${ONE}@1.1.0`) ?? assert.fail();
  const writer = stage.writer(NAMESPACE);
  const [opened, takenDown] = [
    await writer.write(OPEN),
    await writer.write({ type: 'takedown', digest, code: 'malware' }),
  ];
  const history = [...stage.begun, opened, ...stage.published, takenDown];
  const [honest, forged] = [await stage.serve(history), await stage.serve(history, { passedOver: GOVERNING })];
  try {
    const memory = emptyMemory();
    assert.equal(await outcomeOf(honest.fetch, memory), '1.0.0');
    memory.contents.clear();
    for (let visit = 0; visit < 2; visit++) assert.equal(await outcomeOf(forged.fetch, memory), 'log/incomplete');
    assert.equal(await outcomeOf(honest.fetch, memory), '1.0.0');
    assert.equal(await outcomeOf(forged.fetch), '1.1.0');
  } finally {
    await honest.dispose();
    await forged.dispose();
  }
});

test('L4: a record that gets a second leaf is named by who has kept its first place, and by nobody else', async () => {
  const { published, begun } = stage;
  const listed = await stage.writer(NAMESPACE).write(LISTED);
  const granted = [...begun, await grant(begun)];
  const strange = await new GovernanceWriter(NAMESPACE, STRANGER).write(LISTED);
  // Later, the policy says nothing of the package, and the grant nothing of who began the log, which is void then.
  const repetitions = [
    { history: [...begun, listed, ...published], repeated: GOVERNING },
    { history: [...granted, strange, ...published], repeated: OPERATOR_LOG_ID },
  ];
  for (const { history, repeated } of repetitions) {
    const [honest, forged] = [await stage.serve(history), await stage.serve(history, { repeated })];
    try {
      const memory = emptyMemory();
      assert.equal(await outcomeOf(honest.fetch, memory), 'governance/unrooted');
      assert.equal(await outcomeOf(forged.fetch, memory), 'log/incomplete', repeated);
      // Asked for the place, and not whether the head continues the one before.
      const lyingOfPlaces = (status: number, body: unknown): Fetch =>
        lyingAt(forged.fetch, CONSISTENCY, (init) => {
          const isOfHeads = typeof init.body === 'string' && init.body.includes(`"from":${history.length},`);
          return isOfHeads
            ? forged.fetch(new URL(CONSISTENCY, forged.url).href, init)
            : Response.json(body, { status });
        });
      const refusing = lyingOfPlaces(422, { status: 422, reason: 'failure', message: 'no' });
      assert.equal(await outcomeOf(refusing, memory), 'log/incomplete', repeated);
      assert.match(await outcomeOf(lyingOfPlaces(200, { proof: '' }), memory), /^proof\//);
      assert.equal(await outcomeOf(honest.fetch, memory), 'governance/unrooted');
      assert.equal(await outcomeOf(forged.fetch), '1.1.0');
    } finally {
      await honest.dispose();
      await forged.dispose();
    }
  }
});

test('L4: a record that is served at two places of one log is refused by the rules', async () => {
  const { served, history } = sceneOf('closed later');
  const [index, later] = [indexOf(history, GOVERNING, 1), history.length - 1];
  const twice = lyingLogs(served.fetch, ({ packages }) => {
    const [first, second] = packages[GOVERNING] ?? [];
    assert.ok(first && second && second.registryIndex === index && index < later);
    packages[GOVERNING] = [first, second, { ...second, registryIndex: later }];
  });
  assert.equal(await outcomeOf(twice), 'log/invalid');
});

test('a cache in which somebody changed a governance log is not believed, and does not stand in the way (threats U3)', async () => {
  const { served, outcome } = sceneOf('granted');
  const memory = emptyMemory();
  assert.equal(await outcomeOf(served.fetch, memory), outcome);
  const kept = memory.logs.get(GOVERNING) ?? assert.fail('the governance log is not kept');
  const moves = [kept.slice(0, 1), kept.map((record) => ({ ...record, registryIndex: record.registryIndex + 1 })), []];
  for (const changed of moves) {
    memory.logs.set(GOVERNING, changed);
    let asked = 0;
    const fetch: Fetch = (url, init) => {
      if (new URL(url).pathname === CONSISTENCY) asked++;
      return served.fetch(url, init);
    };
    assert.equal(await outcomeOf(fetch, memory), outcome);
    assert.equal(asked, changed === moves[1] ? 1 : 0, 'only where indexes differ');
  }
});
