import assert from 'node:assert/strict';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { FULL, SEED } from '@waybill/tools/test-scale';
import { LoadPublisher } from './load-publisher.ts';
import { Promises } from './promises-kept.ts';
import { RegistryAddress } from './registry-address.ts';
import { Dice, skipFor } from '../scale.ts';
import { ServedHistory } from './served-history.ts';
import { ServerProcess } from './server-process.ts';
import { readTrace, straceObstacle, traced, type SystemCall } from './strace.ts';

/** Values of N beside each other. */
const PARALLEL = 2;
/** So many records are enough to reach any of the calls. */
const RECORDS_MAX = 100;

interface Fault {
  readonly calls: string;
  /** The fault comes at the N-th call of a thread, for N from 1 to this. */
  readonly callsMax: number;
  readonly effect: 'error=EIO' | 'signal=SIGKILL';
  /** libuv's threads, which write and sync content and the last-signed file; strace counts the calls of each thread. */
  readonly poolThreads: number;
  /** Whether the registry has been started before. */
  readonly started: boolean;
}

const obstacle = straceObstacle();
let folder = '';
let template = '';

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'waybill-eio-'));
  template = path.join(folder, 'template');
  await (await ServerProcess.start(template)).server.stop();
});
after(() => rm(folder, { recursive: true }));

/** With one fault, and all that was promised and served before it. */
class FaultyRegistry {
  readonly #data: string;
  readonly #trace: string;
  readonly #fault: Fault;
  readonly #n: number;
  readonly #promises = new Promises();
  readonly #publisher: LoadPublisher;
  #history: ServedHistory | null = null;

  constructor(fault: Fault, n: number) {
    this.#data = path.join(folder, `${fault.calls}-${fault.poolThreads}-${n}`);
    this.#trace = `${this.#data}.trace`;
    this.#fault = fault;
    this.#n = n;
    this.#publisher = new LoadPublisher({ promises: this.#promises, dice: new Dice(`${SEED}/${n}`), name: 'faulty' });
  }

  async run(): Promise<void> {
    const { calls, effect, poolThreads, started } = this.#fault;
    if (started) await cp(template, this.#data, { recursive: true });
    const trace = ['-e', `trace=${calls},write,writev`, '-e', `inject=${calls}:${effect}:when=${this.#n}`];
    const tracer = ['env', `UV_THREADPOOL_SIZE=${poolThreads}`, ...traced(this.#trace, ...trace)];
    const server = new ServerProcess(this.#data, tracer);
    const url = await server.ready;
    if (url !== null) await this.#publishUntilItEnds(server, new RegistryAddress(url));
    if (effect === 'error=EIO') await this.#checkEnding(server);
    else await server.ended;
    await this.#checkRestarted();
    await rm(this.#data, { recursive: true });
  }

  async #checkEnding(server: ServerProcess): Promise<void> {
    const { code, signal, stderr } = await server.end();
    assert.ok(code !== 0 && signal === null, `the server ended with ${code ?? signal}: ${stderr}`);
    assert.match(stderr, /^storage\/[a-z]+: /);
    await this.#checkSilence();
  }

  async #publishUntilItEnds(server: ServerProcess, registry: RegistryAddress): Promise<void> {
    this.#history = await ServedHistory.of(this.#data);
    try {
      for (let records = 0; records < RECORDS_MAX; records++) {
        await this.#history.observe(registry);
        await this.#publisher.publish(registry);
      }
    } catch (failure) {
      if (failure instanceof TypeError) return;
      await server.kill();
      throw failure;
    }
    await server.kill();
    assert.fail(`the server lives on after ${RECORDS_MAX} records`);
  }

  /** From the failed call on, nothing was answered as if all was well. */
  async #checkSilence(): Promise<void> {
    const calls = await readTrace(this.#trace);
    const failed = calls.filter(({ result }) => result.endsWith('(INJECTED)'));
    assert.ok(failed.length > 0, 'the fault did not come');
    const first = failed.find((call) => !this.#isSyncedFolder(call, calls));
    if (first === undefined) return;
    const answer = calls.find(({ args, startLine }) => startLine > first.endLine && /"HTTP\/1\.1 2/.test(args));
    assert.equal(answer, undefined, 'the server went on after the failure');
  }

  /**
   * SQLite passes over a failed sync of the folder after it has made its write-ahead log. It does no harm: that file was made
   * when the store was opened, and the server has synced the folder by itself since, which it does not pass over.
   */
  #isSyncedFolder(call: SystemCall, calls: readonly SystemCall[]): boolean {
    const isFolder = ({ args }: SystemCall): boolean => args.endsWith(`<${this.#data}>`);
    const isSynced = calls.some((other) => isFolder(other) && other.endLine < call.startLine && other.result === '0');
    return isFolder(call) && isSynced;
  }

  /** Without the fault it comes up by itself, with the one history. */
  async #checkRestarted(): Promise<void> {
    const { server, url } = await ServerProcess.start(this.#data);
    const registry = new RegistryAddress(url);
    this.#history ??= await ServedHistory.of(this.#data);
    await this.#history.follow(registry);
    await this.#promises.check(registry, this.#history);
    assert.equal((await this.#publisher.publish(registry)).state, 'published');
    await this.#history.follow(registry);
    assert.equal((await server.stop()).code, 0);
  }
}

async function runAll(fault: Fault): Promise<void> {
  assert.equal(obstacle, null);
  const { calls, callsMax, poolThreads } = fault;
  const dice = new Dice(`${SEED}/${calls}/${poolThreads}`);
  const half = Math.floor(callsMax / 2);
  const sample = [1 + dice.below(half), half + 1 + dice.below(callsMax - half)];
  const left = FULL ? Array.from({ length: callsMax }, (_, i) => i + 1) : sample;
  const failures: string[] = [];
  const work = async (): Promise<void> => {
    for (let n = left.shift(); n !== undefined; n = left.shift()) {
      await new FaultyRegistry(fault, n).run().catch((failure: unknown) => {
        failures.push(`at call ${n}: ${failure instanceof Error ? failure.message : String(failure)}`);
      });
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  assert.deepEqual(failures, []);
}

const skip = skipFor(obstacle);

test(
  'an fsync of content, its folders or the last-signed file that fails ends the server, with one history',
  { skip },
  () => runAll({ calls: 'fsync,fdatasync', callsMax: 50, effect: 'error=EIO', poolThreads: 1, started: false }),
);

test('an fsync of the database that fails ends the server, with one history', { skip }, () =>
  runAll({ calls: 'fsync,fdatasync', callsMax: 50, effect: 'error=EIO', poolThreads: 64, started: true }),
);

test('a write to the database that fails ends the server, with one history', { skip }, () =>
  runAll({ calls: 'pwrite64', callsMax: 50, effect: 'error=EIO', poolThreads: 4, started: true }),
);

/** What a start makes durable, and in what order. */
const STEPS = 'fsync,fdatasync,rename,mkdir,ftruncate,unlink';

test('a first start killed at any of its durable steps is taken up by the next one', { skip }, () =>
  runAll({ calls: STEPS, callsMax: 25, effect: 'signal=SIGKILL', poolThreads: 1, started: false }),
);
