import assert from 'node:assert/strict';
import {
  decodeMapProofBundle,
  formatDigest,
  OPERATOR_LOG,
  OPERATOR_LOG_ID,
  PACKAGE_LOG,
  type LogId,
  type MapProofBundle,
} from '@waybill/protocol';
import { LogStates } from '../../src/core/log-states.ts';
import type { StoredRecord } from '../../src/core/ports.ts';
import type { Happening } from './checker.ts';
import { Clients } from './clients.ts';
import { Nemesis } from './nemesis.ts';
import { plainMapFold } from './plain-trees.ts';
import type { Scheduler } from './scheduler.ts';
import { installSimulation } from './simulated-crypto.ts';
import { PRODUCTION, type Assembly } from './simulated-process.ts';
import { SimulatedStore } from './simulated-store.ts';
import { World, type Reply } from './world.ts';
import { testHomeOf } from '../home.ts';

/** What a history came to. */
export interface History {
  readonly steps: number;
  readonly records: number;
  readonly heads: number;
  /** How often what happened, so that a test can tell a history from a quiet one. */
  readonly events: ReadonlyMap<Happening, number>;
  /** A digest of everything that is durable at the end: the same seed, the same history. */
  readonly end: string;
}

/** Asked so often, a proof comes, or never. */
const PROOF_ATTEMPTS = 4;

let current: Scheduler | null = null;

/** Replaces clock and signatures for the tests of this file; call the returned function when they are over. */
export function beginSimulations(): () => void {
  return installSimulation(() => current);
}

/** One history, decided by its seed alone. Throws the first contradiction, with the seed in its message. */
export async function simulate(seed: number, assembly: Assembly = PRODUCTION): Promise<History> {
  const world = new World(seed, assembly);
  current = world.scheduler;
  try {
    let ended = false;
    let thrown: unknown = null;
    const story = tell(world).then(
      () => (ended = true),
      (failure: unknown) => (thrown = failure),
    );
    await world.scheduler.run(
      () => ended,
      () => {
        if (thrown !== null) throw thrown;
        world.look();
      },
    );
    await story;
    world.look();
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`WAYBILL_TEST_SEED=${seed}: ${message} (step ${world.scheduler.steps})`, { cause });
  } finally {
    current = null;
  }
  return historyOf(world);
}

async function tell(world: World): Promise<void> {
  const clients = new Clients(world);
  const nemesis = new Nemesis(world);
  // From the very first commit on.
  if (world.random.once(3)) {
    world.scheduler.at({ owner: null, afterMs: world.random.below(200) }, () => {
      if (!world.maintenance) world.killAll();
    });
  }
  await world.start();
  await Promise.all([nemesis.run(), clients.run().finally(() => nemesis.end())]);
  await nemesis.heal();
  await clients.settle();
  await checkLogs(world);
  await checkMapProofs(world);
  world.checker.finish(world.disk.state);
}

/** Every log is valid by the rules, read afresh. */
async function checkLogs({ disk: { state } }: World): Promise<void> {
  const store = new SimulatedStore(state);
  const packages = new LogStates({ dialect: PACKAGE_LOG, homeOf: testHomeOf, store });
  const operator = new LogStates({ dialect: OPERATOR_LOG, homeOf: () => null, store });
  for (const [logId, log] of state.logs) {
    const { length } = await (logId === OPERATOR_LOG_ID ? operator : packages).load(logId);
    assert.equal(length, log.size, `${logId} has as many records as positions`);
  }
}

/** For every head from the floor on, a map proof can be made, and leads to the root. */
async function checkMapProofs(world: World): Promise<void> {
  const { state } = world.disk;
  const [process] = world.serving;
  assert.ok(process !== undefined);
  for (const { checkpoint, mapVersion } of state.heads.values()) {
    if ((mapVersion ?? 0) < state.mapFloor) continue;
    const { logLength, mapRoot } = checkpoint.contents;
    const newest = new Map<LogId, StoredRecord>();
    for (const [index, record] of state.records) if (index < logLength) newest.set(record.logId, record);
    const proven = world.random.pick([...newest.values()]);
    const ask = (): Promise<Reply<{ readonly map: Uint8Array }>> =>
      world.call(
        process,
        ({ proving }) => proving.inclusion(logLength, [proven.registryIndex]),
        () => undefined,
      );
    let reply = await ask();
    // The slowest of many reads may take longer than a client waits.
    for (let attempt = 1; reply.type === 'lost' && attempt < PROOF_ATTEMPTS; attempt++) reply = await ask();
    // Pruning goes on meanwhile.
    if (reply.type === 'failure' && (mapVersion ?? 0) < state.mapFloor) continue;
    assert.ok(reply.type === 'answer', `no map proof at ${logLength}`);
    // Hashing is dear: some of them.
    if (!world.random.once(4)) continue;
    const { proofs }: MapProofBundle = decodeMapProofBundle(reply.value.map);
    assert.equal(
      formatDigest(plainMapFold(proven, proofs[0] ?? [])),
      mapRoot,
      `the map proof at ${logLength} leads elsewhere`,
    );
  }
}

function historyOf({ scheduler, checker, disk: { state } }: World): History {
  const { logRoot = '', timestamp = 0 } = state.newest?.checkpoint.contents ?? {};
  const end = `${logRoot} ${timestamp} ${state.pending.size} ${state.mapPages.size}`;
  if (state.mapFloor > 1) checker.note('pruned');
  return { events: checker.events, steps: scheduler.steps, records: state.records.size, heads: state.heads.size, end };
}
