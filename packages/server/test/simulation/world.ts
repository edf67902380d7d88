import { isRegistryError, messageOf } from '@waybill/protocol';
import type { Clock } from '../../src/core/ports.ts';
import { emptyMemoryState } from '../../src/storage/memory/memory-store.ts';
import { Checker } from './checker.ts';
import { Random } from './random.ts';
import { Scheduler, type Owner } from './scheduler.ts';
import { Faults, type Wire } from './simulated-ports.ts';
import { emptyContent, openCore, type Assembly, type Boot, type Core, type Disk } from './simulated-process.ts';

/** The wall clock when a history begins. */
const STARTED_MS = 1_700_000_000_000;
const CLIENT_PATIENCE_MS = 12_000;
const BOOTS_MAX = 200;

/** One process of the server, from its start to its death. */
export interface ServerProcess extends Owner {
  core: Core | null;
  /** Its clock is off by so much. */
  readonly skewMs: number;
  readonly onDeath: Set<() => void>;
}

/** What a client hears: an answer, a refusal, or nothing. */
export type Reply<T> =
  | { readonly type: 'answer'; readonly value: T }
  | { readonly type: 'failure'; readonly failure: unknown }
  | { readonly type: 'lost' };

/** One history: disk, clock, processes and whatever befalls them. */
export class World {
  readonly random: Random;
  readonly scheduler: Scheduler;
  readonly faults: Faults;
  readonly checker = new Checker();
  readonly disk: Disk = { state: emptyMemoryState(), mark: null, content: emptyContent() };
  readonly processes: ServerProcess[] = [];
  /** The wall clock is ahead of simulated time by so much. */
  clockOffsetMs = 0;
  /** Somebody else decides when processes start. */
  maintenance = false;
  readonly #assembly: Assembly;
  #started = 0;
  #starting = 0;

  constructor(seed: number, assembly: Assembly) {
    this.random = new Random(seed);
    this.scheduler = new Scheduler(this.random);
    this.faults = new Faults(this.scheduler);
    this.#assembly = assembly;
  }

  get nowMs(): number {
    return STARTED_MS + this.scheduler.nowMs + this.clockOffsetMs;
  }

  get serving(): ServerProcess[] {
    return this.processes.filter(({ core }) => core !== null);
  }

  /** One attempt to start a process; `null` when it ended instead, for the reason it gave. */
  async tryStart(): Promise<{ readonly process: ServerProcess | null; readonly failure: unknown }> {
    const name = `process ${++this.#started}`;
    // Neither clock is so wrong that signing stops.
    const skewMs = this.random.once(3) ? this.random.between(-15_000, 15_000) : 0;
    const process: ServerProcess = { name, paused: false, dead: false, core: null, skewMs, onDeath: new Set() };
    this.processes.push(process);
    if (this.processes.length > 1) this.checker.rivals = true;
    const opening = openCore(this.#bootOf(process));
    const reply = await new Promise<Reply<Core>>((resolve) => {
      process.onDeath.add(() => resolve({ type: 'lost' }));
      opening.then(
        (value) => resolve({ type: 'answer', value }),
        (failure: unknown) => resolve({ type: 'failure', failure }),
      );
    });
    if (reply.type === 'answer' && !process.dead) {
      process.core = reply.value;
      this.#startUpkeep(process, reply.value);
      return { process, failure: null };
    }
    this.kill(process);
    return { process: null, failure: reply.type === 'failure' ? reply.failure : null };
  }

  /** Starts until one stays; a start may fail for what the disk and rivals do, and for nothing else. */
  async start(): Promise<void> {
    this.#starting++;
    for (let attempt = 0; attempt < BOOTS_MAX && !this.maintenance; attempt++) {
      const { process, failure } = await this.tryStart();
      if (process !== null) break;
      this.checker.guard(() => this.#requirePassing(failure));
      await this.scheduler.sleep(null, this.random.between(10, 1_000));
      if (attempt === BOOTS_MAX - 1) throw new Error('no process can start any more');
    }
    this.#starting--;
  }

  #requirePassing(failure: unknown): void {
    if (failure === null) return;
    // A rival commits between the look at the head and the look at the mark: the start after it succeeds.
    const codes = ['storage/full', 'storage/busy', 'storage/failed', 'head/conflict', 'head/clock'] as const;
    if (isRegistryError(failure, ...codes)) return;
    if (this.checker.rivals && isRegistryError(failure, 'head/rolled-back')) return;
    throw new Error(`a start was refused: ${messageOf(failure)}`, { cause: failure });
  }

  #bootOf(process: ServerProcess): Boot {
    const { scheduler, faults, disk, checker } = this;
    const wire: Wire = { owner: process, scheduler, faults };
    const clock: Clock = () => this.nowMs + process.skewMs;
    const onFatal: Boot['onFatal'] = (_, at) => {
      this.checker.note('fatal failure');
      if (at === 'once') this.kill(process);
      else scheduler.at({ owner: null, afterMs: this.random.below(60) }, () => this.kill(process));
    };
    return { disk, wire, checker, assembly: this.#assembly, clock, onFatal };
  }

  kill(process: ServerProcess): void {
    if (process.dead) return;
    process.core = null;
    this.processes.splice(this.processes.indexOf(process), 1);
    const outlived = this.scheduler.kill(process);
    for (let i = 0; i < outlived; i++) this.checker.note('write that outlived its process');
    for (const onDeath of process.onDeath) onDeath();
    // As a supervisor does.
    this.scheduler.at({ owner: null, afterMs: this.random.between(5, 2_000) }, () => {
      if (this.processes.length === 0 && this.#starting === 0 && !this.maintenance) this.#startAlone();
    });
  }

  #startAlone(): void {
    this.checker.rivals = false;
    this.start().catch((failure: unknown) => this.checker.guard(() => rethrow(failure)));
  }

  killAll(): void {
    // Each leaves the list as it dies.
    const all = this.processes.slice();
    for (const process of all) this.kill(process);
    this.checker.rivals = false;
  }

  /** What goes on beside requests, as upkeep.ts does it. */
  #startUpkeep(process: ServerProcess, { publishing, sequencer, pruner }: Core): void {
    const repeat = (pauseMs: number, task: () => Promise<unknown>): void => {
      const round = (): void => {
        task()
          .catch((failure: unknown) => this.checker.guard(() => this.#requireKnown(failure)))
          .finally(() => this.scheduler.at({ owner: process, afterMs: pauseMs }, round))
          .catch(() => undefined);
      };
      this.scheduler.at({ owner: process, afterMs: this.random.below(pauseMs) }, round);
    };
    repeat(1_000, () => publishing.sweep());
    repeat(5_000, () => sequencer.refreshHead());
    repeat(this.random.between(300, 5_000), () => pruner.step());
  }

  /** A request over the network: it arrives, or its answer does, or not; a client waits for so long. */
  call<T>(
    process: ServerProcess,
    work: (core: Core) => Promise<T>,
    check: (value: T, core: Core) => void,
  ): Promise<Reply<T>> {
    const { scheduler } = this;
    return new Promise((resolve) => {
      const lose = (): void => resolve({ type: 'lost' });
      process.onDeath.add(lose);
      const reply = (answer: Reply<T>): void => {
        scheduler.at({ owner: process, afterMs: this.random.below(5) }, () => resolve(answer));
      };
      scheduler.at({ owner: null, afterMs: CLIENT_PATIENCE_MS }, lose);
      scheduler.at({ owner: process, afterMs: this.random.below(5) }, () => {
        const { core } = process;
        if (core === null) return;
        const heard = work(core).then((value): Reply<T> => {
          if (!process.dead) check(value, core);
          return { type: 'answer', value };
        });
        const known = heard.catch((failure: unknown): Reply<T> => {
          this.checker.guard(() => this.#requireKnown(failure));
          return { type: 'failure', failure };
        });
        known.then(reply, rethrow);
      });
    });
  }

  /** Whatever is refused has a code: anything else is a fault of the program. */
  #requireKnown(failure: unknown): void {
    if (!isRegistryError(failure)) throw failure;
    if (failure.code === 'head/clock') this.checker.note('wrong clock');
    if (failure.code === 'head/conflict') this.checker.note('conflict');
    if (failure.code === 'storage/full') this.checker.note('no room');
    // A rival may have pruned the map that a process stands at: it may find out before it finds itself outrun.
    if (failure.code === 'storage/damaged' && !this.checker.rivals) throw failure;
  }

  /** After every step: what each process serves now. */
  look(): void {
    for (const { core } of this.serving) {
      const head = core?.sequencer.head ?? null;
      if (head !== null) this.checker.served(head, this.disk.state);
    }
    if (this.checker.violation !== null) throw this.checker.violation;
  }
}

function rethrow(failure: unknown): never {
  throw failure;
}
