import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { digestOf } from '@waybill/protocol';
import { FULL, SEED } from '@waybill/tools/test-scale';
import { LoadPublisher } from './load-publisher.ts';
import { Promises } from './promises-kept.ts';
import { RegistryAddress } from './registry-address.ts';
import { Dice } from '../scale.ts';
import { ServedHistory } from './served-history.ts';
import { ServerProcess } from './server-process.ts';

const ROUNDS = Number(process.env['WAYBILL_CRASH_ROUNDS'] ?? (FULL ? 200 : 5));
/** Registries that crash beside each other: while one starts, another one works. */
const LANES = 2;
const PUBLISHERS = 8;
/** A kill comes after so many more records were acknowledged, or after the longest wait, and a moment later. */
const RECORDS_TO_KILL_MAX = 15;
const LOAD_MS_MAX = 3_000;
const MOMENT_MS_MAX = 15;
/** A kill of a server that is starting comes so long after its process was started. */
const START_MS_MAX = 1_000;
/** One in so many kills hits a server that is starting. */
const KILLS_TO_START_KILL = 5;

/** One registry that is killed again and again. */
class Lane {
  readonly #data: string;
  readonly #dice: Dice;
  readonly promises = new Promises();
  readonly #publishers: readonly LoadPublisher[];
  history: ServedHistory | null = null;
  kills = 0;

  constructor(data: string, seed: string) {
    this.#data = data;
    this.#dice = new Dice(seed);
    const { promises } = this;
    this.#publishers = Array.from({ length: PUBLISHERS }, (_, i) => {
      return new LoadPublisher({ promises, dice: new Dice(`${seed}/${i}`), name: `p${i}` });
    });
  }

  async run(kills: number): Promise<void> {
    while (this.kills < kills) {
      if (this.kills > 0 && this.#dice.oneIn(KILLS_TO_START_KILL)) await this.#killStarting();
      else await this.#killWorking();
    }
    await this.#checkEverything();
  }

  async #killStarting(): Promise<void> {
    const server = new ServerProcess(this.#data);
    await wait(this.#dice.below(START_MS_MAX));
    await this.#kill(server);
  }

  async #killWorking(): Promise<void> {
    const { server, url } = await ServerProcess.start(this.#data);
    const registry = new RegistryAddress(url);
    this.history ??= await ServedHistory.of(this.#data);
    await this.history.follow(registry);
    await this.promises.check(registry, this.history);
    const ending = new AbortController();
    const working = [this.#watch(registry, this.history, ending.signal)];
    for (const publisher of this.#publishers) working.push(publisher.run(registry, ending.signal));
    const settled = Promise.allSettled(working);
    await this.#waitForLoad();
    await this.#kill(server);
    ending.abort();
    for (const outcome of await settled) if (outcome.status === 'rejected') throw outcome.reason;
  }

  async #waitForLoad(): Promise<void> {
    const end = performance.now() + LOAD_MS_MAX;
    const enough = this.promises.published.size + this.#dice.below(RECORDS_TO_KILL_MAX);
    while (this.promises.published.size < enough && performance.now() < end) await wait(1);
    await wait(this.#dice.below(MOMENT_MS_MAX));
  }

  /** Sees the checkpoints that are served under load. */
  async #watch(registry: RegistryAddress, history: ServedHistory, signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) {
        await history.observe(registry);
        await wait(5);
      }
    } catch (failure) {
      if (!(failure instanceof TypeError)) throw failure;
    }
  }

  async #kill(server: ServerProcess): Promise<void> {
    const ending = await server.kill();
    assert.equal(ending.signal, 'SIGKILL', `the server ended by itself: ${ending.stderr}`);
    this.kills++;
  }

  /** All of it from the beginning, by somebody who has seen nothing before. */
  async #checkEverything(): Promise<void> {
    const { server, url } = await ServerProcess.start(this.#data);
    const registry = new RegistryAddress(url);
    const afresh = await ServedHistory.of(this.#data);
    await this.history?.follow(registry);
    await this.promises.check(registry, this.history ?? afresh);
    await afresh.follow(registry);
    for (const [recordId, { registryIndex }] of this.promises.published) {
      assert.equal(afresh.indexOf(recordId), registryIndex);
    }
    assert.equal((await server.stop()).code, 0);
    const kept = await keptContent(this.#data);
    for (const digest of this.promises.uploaded) assert.ok(kept.has(digest), `content ${digest} is lost`);
  }
}

/** Digests of all files of content; each is whole. */
async function keptContent(data: string): Promise<Set<string>> {
  const kept = new Set<string>();
  const root = path.join(data, 'content', 'sha256');
  for (const file of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!file.isFile()) continue;
    const digest = digestOf(await readFile(path.join(file.parentPath, file.name)));
    assert.equal(digest, `sha256:${file.name}`, 'a torn file is visible');
    kept.add(digest);
  }
  return kept;
}

test(`kill -9 at ${ROUNDS} random moments loses nothing that was acknowledged, and every head continues all before it`, async (context) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-crash-'));
  context.after(() => rm(folder, { recursive: true }));
  const lanes = Array.from({ length: LANES }, (_, i) => new Lane(path.join(folder, `lane-${i}`), `${SEED}/${i}`));
  const started = performance.now();
  const outcomes = await Promise.allSettled(lanes.map((lane, i) => lane.run(Math.floor((ROUNDS + i) / LANES))));
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  const total = (count: (lane: Lane) => number): number => lanes.reduce((sum, lane) => sum + count(lane), 0);
  const counts = [
    `seed ${SEED}`,
    `${total((lane) => lane.kills)} kills`,
    `${total((lane) => lane.promises.published.size)} records acknowledged`,
    `${total((lane) => lane.promises.uploaded.size)} contents acknowledged`,
    `${total((lane) => lane.history?.checkpoints ?? 0)} checkpoints seen`,
    'none lost',
    `${Math.round((performance.now() - started) / 1000)} s`,
  ];
  context.diagnostic(counts.join(', '));
});
