import assert from 'node:assert/strict';
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { after, test, type TestContext } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { TimestampedCheckpoint } from '@waybill/protocol';
import { FULL, SEED } from '@waybill/tools/test-scale';
import { openSqliteStore } from '../../src/storage/sqlite/sqlite-store.ts';
import { RegistryAddress } from './registry-address.ts';
import { Dice } from '../scale.ts';
import { ServerProcess } from './server-process.ts';
import { StoredHistory } from './stored-history.ts';

const WRITER = fileURLToPath(new URL('writer.js', import.meta.url));
const FIGHTS = FULL ? 10 : 2;
const PAUSE_MS_MAX = 100;

const living = new Set<Writer>();
after(() => {
  for (const writer of living) writer.signal('SIGKILL');
});

/** A sequencer process without the lock of the data folder. */
class Writer {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #lines: AsyncIterator<string>;
  /** Every head that it would have served. */
  readonly served: TimestampedCheckpoint[] = [];
  readonly ended: Promise<{ code: number | null; stderr: string }>;
  hasEnded = false;

  constructor(store: string, lastSigned: string, name: string) {
    this.#child = spawn(process.execPath, [WRITER, store, lastSigned, name], { stdio: ['pipe', 'pipe', 'pipe'] });
    living.add(this);
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    // A line for a writer that has ended already.
    this.#child.stdin.on('error', () => undefined);
    let stderr = '';
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    this.ended = once(this.#child, 'close').then(() => {
      this.hasEnded = true;
      living.delete(this);
      return { code: this.#child.exitCode, stderr };
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves once it stands at a head and can commit. */
  async ready(): Promise<void> {
    assert.equal((await this.#lines.next()).value, 'ready', 'the writer did not open the store');
  }

  /** Asks for one more batch, which need not come about. */
  ask(): void {
    this.#child.stdin.write('\n');
  }

  /** The next head; `null` when it has ended instead. */
  async head(): Promise<TimestampedCheckpoint | null> {
    const { value, done } = await this.#lines.next();
    if (done === true) return null;
    const head: TimestampedCheckpoint = JSON.parse(value);
    this.served.push(head);
    return head;
  }

  async commit(): Promise<TimestampedCheckpoint | null> {
    this.ask();
    return this.head();
  }

  /** Commits until it fails or `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && (await this.commit()) !== null);
  }

  async end(): Promise<{ code: number | null; stderr: string }> {
    this.#child.stdin.end();
    return this.ended;
  }
}

/** A store and writers on it, each with a last-signed file of its own. */
class Contest {
  readonly #folder: string;
  readonly store: string;
  readonly writers: Writer[] = [];

  private constructor(folder: string) {
    this.#folder = folder;
    this.store = path.join(folder, 'registry.sqlite');
  }

  static async open(context: TestContext): Promise<Contest> {
    const folder = await mkdtemp(path.join(tmpdir(), 'waybill-writers-'));
    context.after(() => rm(folder, { recursive: true }));
    const contest = new Contest(folder);
    const first = new Writer(contest.store, contest.#lastSigned('first'), 'first');
    contest.writers.push(first);
    await first.ready();
    assert.notEqual(await first.commit(), null);
    assert.equal((await first.end()).code, 0);
    return contest;
  }

  #lastSigned(name: string): string {
    return path.join(this.#folder, `last-signed-${name}`);
  }

  /** One more writer, at the head where the store stands. */
  async join(): Promise<Writer> {
    const name = `w${this.writers.length}`;
    await copyFile(this.#lastSigned('first'), this.#lastSigned(name));
    const writer = new Writer(this.store, this.#lastSigned(name), name);
    this.writers.push(writer);
    await writer.ready();
    return writer;
  }

  /** One history holds everything that anybody has served; nobody served another head of one length. */
  async check(): Promise<number> {
    const store = await openSqliteStore(this.store);
    try {
      const history = await StoredHistory.of(store);
      const served = this.writers.flatMap((writer) => writer.served);
      for (const head of served) history.includes(head);
      assert.equal(new Set(served.map(({ logLength }) => logLength)).size, served.length, 'two served one length');
      return served.length;
    } finally {
      await store.close();
    }
  }
}

async function assertLost(writer: Writer): Promise<void> {
  const { code, stderr } = await writer.ended;
  assert.notEqual(code, 0);
  assert.match(stderr, /^head\/conflict: ./);
}

test('a writer stopped past its turn and resumed loses, says why and ends: one history', async (context) => {
  const contest = await Contest.open(context);
  const paused = await contest.join();
  assert.notEqual(await paused.commit(), null);
  paused.signal('SIGSTOP');
  paused.ask();
  const other = await contest.join();
  for (let turn = 0; turn < 3; turn++) assert.notEqual(await other.commit(), null);
  paused.signal('SIGCONT');
  assert.equal(await paused.head(), null);
  await assertLost(paused);
  assert.notEqual(await other.commit(), null);
  assert.equal((await other.end()).code, 0);
  assert.equal(await contest.check(), 6);
});

for (const count of [2, 5]) {
  test(`${count} writers on one store, stopped and resumed at random: one history, and every loser says why`, async (context) => {
    const contest = await Contest.open(context);
    const dice = new Dice(`${SEED}/${count}`);
    let losers = 0;
    for (let fight = 0; fight < FIGHTS; fight++) {
      const rivals = await Promise.all(Array.from({ length: count }, () => contest.join()));
      const ending = new AbortController();
      const runs = rivals.map((rival) => rival.run(ending.signal));
      for (let pause = 0; pause < count; pause++) {
        const rival = dice.of(rivals);
        await wait(dice.below(PAUSE_MS_MAX));
        rival.signal('SIGSTOP');
        await wait(dice.below(PAUSE_MS_MAX));
        rival.signal('SIGCONT');
      }
      ending.abort();
      await Promise.all(runs);
      const endings = await Promise.all(rivals.map((rival) => rival.end()));
      for (const [i, rival] of rivals.entries()) if (endings[i]?.code !== 0) await assertLost(rival);
      losers += endings.filter(({ code }) => code !== 0).length;
      assert.ok(endings.filter(({ code }) => code === 0).length <= 1, 'two of them went on side by side');
    }
    const served = await contest.check();
    context.diagnostic(`seed ${SEED}: ${served} heads served, ${losers} writers lost`);
  });
}

test('a second server on the folder is refused with its reason, and the first goes on', async (context) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-twins-'));
  context.after(() => rm(folder, { recursive: true }));
  const data = path.join(folder, 'data');
  const { server, url } = await ServerProcess.start(data);
  const twin = new ServerProcess(data);
  assert.equal(await twin.ready, null);
  const { code, stderr } = await twin.end();
  assert.notEqual(code, 0);
  assert.match(stderr, /^storage\/busy: ./);
  assert.equal((await new RegistryAddress(url).get('v1/fetch/checkpoint')).status, 200);
  // A server that is only stopped has not gone: nobody may take its place.
  server.signal('SIGSTOP');
  const impatient = new ServerProcess(data);
  assert.equal(await impatient.ready, null);
  assert.match((await impatient.end()).stderr, /^storage\/busy: ./);
  server.signal('SIGCONT');
  assert.equal((await server.stop()).code, 0);
});
