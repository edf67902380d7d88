import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { SEED } from '@waybill/tools/test-scale';
import { LoadPublisher } from './load-publisher.ts';
import { Promises } from './promises-kept.ts';
import { RegistryAddress } from './registry-address.ts';
import { Dice, skipFor } from '../scale.ts';
import { ServedHistory } from './served-history.ts';
import { ServerProcess } from './server-process.ts';
import { mountObstacle, SmallDisk } from './small-disk.ts';

const obstacle = mountObstacle();
const BALLAST_BYTES = 5 * 1024 * 1024;
const PUBLISHERS = 3;
/** A disk on which so many rounds in a row publish nothing is full. */
const FAILURES_IN_A_ROW = 8;
const AGAIN_MS_MAX = 20_000;
const AGAIN_PAUSE_MS = 50;
const RECORDS_MAX = 2_000;

/** A registry on a disk of 8 MB, of which a ballast takes the most. */
class CrampedRegistry {
  readonly disk = new SmallDisk('8m');
  readonly data = path.join(this.disk.folder, 'data');
  readonly ballast = path.join(this.disk.folder, 'ballast');
  readonly promises = new Promises();
  readonly #publishers: readonly LoadPublisher[];
  #server: ServerProcess | null = null;
  #registry: RegistryAddress | null = null;
  #history: ServedHistory | null = null;

  constructor(context: TestContext, tolerated: readonly number[]) {
    const { promises } = this;
    this.#publishers = Array.from({ length: PUBLISHERS }, (_, i) => {
      return new LoadPublisher({ promises, dice: new Dice(`${SEED}/${i}`), name: `p${i}`, tolerated });
    });
    context.after(async () => {
      await this.#server?.kill();
      this.disk.dispose();
    });
  }

  get registry(): RegistryAddress {
    return this.#registry ?? assert.fail('it has not been started');
  }

  async start(): Promise<void> {
    const { server, url } = await ServerProcess.start(this.data);
    this.#server = server;
    this.#registry = new RegistryAddress(url);
    this.#history ??= await ServedHistory.of(this.data);
  }

  async stop(): Promise<void> {
    assert.equal((await this.#server?.stop())?.code, 0);
  }

  async kill(): Promise<void> {
    assert.equal((await this.#server?.kill())?.signal, 'SIGKILL');
  }

  /** Each publisher tries one record; says how many were published, and whether anybody was refused. */
  async publish(): Promise<{ published: number; refused: boolean }> {
    const outcomes = await Promise.all(this.#publishers.map((publisher) => publisher.publish(this.registry)));
    const published = outcomes.filter(({ state }) => state === 'published').length;
    return { published, refused: outcomes.some(({ state }) => state === 'refused') };
  }

  /** Until nobody can publish any more; returns the records that were published. */
  async publishUntilRefused(): Promise<number> {
    const before = this.promises.published.size;
    let refusals = 0;
    for (let failures = 0; failures < FAILURES_IN_A_ROW;) {
      const { published, refused } = await this.publish();
      failures = published === 0 ? failures + 1 : 0;
      if (refused) refusals++;
      assert.ok(this.promises.published.size - before < RECORDS_MAX, 'the disk does not get full');
    }
    assert.ok(refusals > 0, 'nobody was told');
    return this.promises.published.size - before;
  }

  /** Until everybody's record is published: what was accepted before there was room takes the next sweep. */
  async publishAgain(): Promise<void> {
    const left = new Set(this.#publishers);
    for (const end = performance.now() + AGAIN_MS_MAX; left.size > 0; await wait(AGAIN_PAUSE_MS)) {
      for (const publisher of left)
        if ((await publisher.publish(this.registry)).state === 'published') left.delete(publisher);
      assert.ok(performance.now() < end, 'nobody can publish although there is room');
    }
  }

  /** It is up, serves everything that was acknowledged, and goes on with its history. */
  async check(): Promise<void> {
    assert.equal(this.#server?.hasEnded, false, 'the server has ended');
    await this.#history?.follow(this.registry);
    await this.promises.check(this.registry, this.#history ?? assert.fail());
  }
}

test(
  'a full disk answers 507, loses nothing, and is published to again when there is room',
  { skip: skipFor(obstacle) },
  async (context) => {
    assert.equal(obstacle, null);
    const cramped = new CrampedRegistry(context, [507]);
    await writeFile(cramped.ballast, new Uint8Array(BALLAST_BYTES));
    await cramped.start();
    const before = await cramped.publishUntilRefused();
    await cramped.check();
    await rm(cramped.ballast);
    await cramped.publishAgain();
    const later = await cramped.publishUntilRefused();
    assert.ok(later > PUBLISHERS, 'the room is not used');
    await cramped.check();
    context.diagnostic(`507 after ${before} records, and after ${later} more when there was room again`);
  },
);

test(
  'a server killed on a full disk loses nothing and goes on when there is room',
  { skip: skipFor(obstacle) },
  async (context) => {
    assert.equal(obstacle, null);
    const cramped = new CrampedRegistry(context, [507]);
    await writeFile(cramped.ballast, new Uint8Array(BALLAST_BYTES));
    await cramped.start();
    await cramped.publishUntilRefused();
    await cramped.kill();
    const refused = new ServerProcess(cramped.data);
    const url = await refused.ready;
    // Without room for its index of the write-ahead log it does not start, and says so.
    if (url === null) assert.match((await refused.end()).stderr, /^storage\/full: /);
    else await refused.kill();
    await rm(cramped.ballast);
    await cramped.start();
    await cramped.check();
    await cramped.publishAgain();
    await cramped.check();
    await cramped.stop();
  },
);

test(
  'a read-only disk refuses the start and says so, and changes nothing',
  { skip: skipFor(obstacle) },
  async (context) => {
    assert.equal(obstacle, null);
    const cramped = new CrampedRegistry(context, []);
    await cramped.start();
    await cramped.publishAgain();
    await cramped.stop();
    cramped.disk.setReadOnly(true);
    const refused = new ServerProcess(cramped.data);
    assert.equal(await refused.ready, null);
    const { code, stderr } = await refused.end();
    assert.notEqual(code, 0);
    assert.match(stderr, /^storage\/[a-z]+: /);
    cramped.disk.setReadOnly(false);
    await cramped.start();
    await cramped.check();
    await cramped.publishAgain();
    await cramped.stop();
  },
);

test(
  'content that became read-only refuses uploads, serves what is there, and loses nothing',
  { skip: skipFor(obstacle) },
  async (context) => {
    assert.equal(obstacle, null);
    const cramped = new CrampedRegistry(context, [500]);
    await cramped.start();
    await cramped.publishAgain();
    const uncover = cramped.disk.coverReadOnly(path.join(cramped.data, 'content'));
    await cramped.publishUntilRefused();
    await cramped.check();
    uncover();
    await cramped.publishAgain();
    await cramped.check();
    await cramped.stop();
  },
);
