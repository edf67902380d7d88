import assert from 'node:assert/strict';
import { isRegistryError } from '@waybill/protocol';
import type { SignedMark } from '../../src/core/ports.ts';
import { emptyMemoryState, type MemoryState } from '../../src/storage/memory/memory-store.ts';
import { copyOfState } from './simulated-store.ts';
import type { ServerProcess, World } from './world.ts';

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
/** How far the clock is ever set back. */
export const CLOCK_BACK_MS_MAX = 30 * MINUTE_MS;

/** Whatever can befall a registry, again and again until it is told to end. */
export class Nemesis {
  readonly #world: World;
  readonly #deeds: readonly (() => Promise<void>)[];
  #backup: MemoryState | null = null;
  #ending = false;

  constructor(world: World) {
    this.#world = world;
    const { random } = world;
    const all = [
      () => this.#crash(),
      () => this.#rival(),
      () => this.#restore(),
      () => this.#fill(),
      () => this.#turnClock(),
      () => this.#pause(),
    ];
    // A history in which everything happens shows less than one in which the same happens often.
    this.#deeds = all.filter(() => random.once(2));
    world.faults.oneIn = random.pick([0, 0, 200, 60, 25]);
  }

  async run(): Promise<void> {
    const { random, scheduler } = this.#world;
    while (!this.#ending && this.#deeds.length > 0) {
      await scheduler.sleep(null, random.once(3) ? random.below(100) : random.below(6_000));
      if (random.once(3)) this.#backup = copyOfState(this.#world.disk.state);
      if (!this.#ending) await random.pick(this.#deeds)();
    }
  }

  end(): void {
    this.#ending = true;
  }

  /** All disks sound, the clock no earlier than any head, and one process. */
  async heal(): Promise<void> {
    const { faults, scheduler, disk } = this.#world;
    await this.#maintain(async () => {
      faults.oneIn = 0;
      faults.full = false;
      const lastMs = (disk.state.newest?.checkpoint.contents.timestamp ?? 0) * 1_000;
      this.#world.clockOffsetMs += Math.max(0, lastMs - this.#world.nowMs + MINUTE_MS);
      await scheduler.sleep(null, MINUTE_MS);
    });
  }

  /** No process runs but those that `work` starts; afterwards there is one again. */
  async #maintain(work: () => Promise<void>): Promise<void> {
    this.#world.maintenance = true;
    this.#world.killAll();
    // Until the last writes have arrived.
    await this.#world.scheduler.sleep(null, 1);
    await work();
    this.#world.maintenance = false;
    await this.#world.start();
  }

  /** At any time, or while something is being written. */
  async #crash(): Promise<void> {
    const { serving, random, scheduler } = this.#world;
    if (serving.length === 0) return;
    const process = random.pick(serving);
    const patience = random.pick([0, 40, 120]);
    for (let looks = 0; looks < patience && !scheduler.isWriting(process); looks++) {
      await scheduler.sleep(null, random.between(1, 30));
    }
    await scheduler.sleep(null, random.below(8));
    this.#world.kill(process);
  }

  async #pause(): Promise<void> {
    const { serving, random, scheduler } = this.#world;
    if (serving.length === 0) return;
    const process = random.pick(serving);
    process.paused = true;
    await scheduler.sleep(null, random.below(15_000));
    scheduler.resume(process);
  }

  /** A second process on the same disk, while the first is stopped past its turn or goes on. */
  async #rival(): Promise<void> {
    const { serving, random, scheduler } = this.#world;
    const [first] = serving;
    if (first === undefined) return;
    const pauses = random.once(2);
    first.paused = pauses;
    await Promise.all(Array.from({ length: random.once(4) ? 4 : 1 }, () => this.#world.start()));
    await scheduler.sleep(null, random.below(10_000));
    if (pauses) scheduler.resume(first);
    await scheduler.sleep(null, random.below(5_000));
    // Those who lost have ended by themselves when they wrote; the rest are stopped.
    const rest: ServerProcess[] = [...this.#world.processes].slice(1);
    for (const process of rest) this.#world.kill(process);
    const [left] = this.#world.processes;
    if (left === undefined) return;
    await this.#maintain(async () => undefined);
  }

  /** The store alone is set back or lost, or the mark is: whoever opens that must refuse, and leave everything as it is. */
  async #restore(): Promise<void> {
    const { disk, random } = this.#world;
    await this.#maintain(async () => {
      const { state, mark } = disk;
      const backup = random.once(3) ? emptyMemoryState() : this.#backup && copyOfState(this.#backup);
      if (random.once(5)) disk.mark = null;
      else if (backup !== null) disk.state = backup;
      if (isBehind(disk.state, disk.mark)) await this.#requireRefusal();
      disk.state = state;
      disk.mark = mark;
    });
  }

  async #requireRefusal(): Promise<void> {
    const { checker, faults } = this.#world;
    const { oneIn, full } = faults;
    faults.oneIn = 0;
    faults.full = false;
    checker.sealed = true;
    checker.note('refused start');
    const { process, failure } = await this.#world.tryStart();
    checker.guard(() => {
      assert.equal(process, null, 'a store that is not the newest was opened');
      assert.ok(
        isRegistryError(failure, 'head/rolled-back'),
        `a store that is not the newest was opened: ${String(failure)}`,
      );
    });
    checker.sealed = false;
    Object.assign(faults, { oneIn, full });
  }

  async #fill(): Promise<void> {
    const { faults, random, scheduler } = this.#world;
    faults.full = true;
    await scheduler.sleep(null, random.below(8_000));
    faults.full = false;
  }

  /** Forth for good, or back for a while: a head must wait then. */
  async #turnClock(): Promise<void> {
    const { random, scheduler } = this.#world;
    if (random.once(2)) {
      this.#world.clockOffsetMs += random.pick([MINUTE_MS, 11 * MINUTE_MS, random.below(HOUR_MS)]);
      return;
    }
    const backMs = random.pick([random.below(MINUTE_MS), 2 * MINUTE_MS, random.below(CLOCK_BACK_MS_MAX)]);
    this.#world.clockOffsetMs -= backMs;
    await scheduler.sleep(null, random.below(10_000));
    this.#world.clockOffsetMs += backMs;
  }
}

function isBehind({ newest }: MemoryState, mark: SignedMark | null): boolean {
  const head = newest?.checkpoint.contents ?? null;
  if (mark === null) return head !== null;
  if (mark.logLength === 0) return false;
  return head === null || head.logLength < mark.logLength || head.timestamp < mark.timestamp;
}
