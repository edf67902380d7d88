import type { Random } from './random.ts';

/** Something that owns events: a simulated process, which can be paused, and which dies once. */
export interface Owner {
  readonly name: string;
  paused: boolean;
  dead: boolean;
}

interface Event {
  readonly atMs: number;
  /** Ties are broken by the order of asking: a history is decided by its seed alone. */
  readonly order: number;
  readonly owner: Owner | null;
  readonly fire: () => void;
  /** A write on its way to the disk: when its owner dies it may still arrive. */
  readonly isWrite: boolean;
}

export interface EventOptions {
  readonly owner: Owner | null;
  readonly afterMs: number;
  readonly isWrite?: boolean;
}

/** More steps than any history needs: one that waits for itself must fail, not hang. */
const STEPS_MAX = 60_000;

/**
 * Simulated time: whatever waits, waits here, and one event happens at a time. After each, everything that follows from it
 * without waiting again has happened before the next.
 */
export class Scheduler {
  readonly random: Random;
  nowMs = 0;
  steps = 0;
  #events: Event[] = [];
  #held: Event[] = [];
  #order = 0;

  constructor(random: Random) {
    this.random = random;
  }

  /** Returns a function that takes the event back. */
  at({ owner, afterMs, isWrite = false }: EventOptions, fire: () => void): () => void {
    const event = { atMs: this.nowMs + afterMs, order: this.#order++, owner, fire, isWrite };
    this.#events.push(event);
    return () => {
      this.#events = this.#events.filter((other) => other !== event);
      this.#held = this.#held.filter((other) => other !== event);
    };
  }

  sleep(owner: Owner | null, ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.at({ owner, afterMs: ms }, resolve);
    });
  }

  /** Mostly milliseconds, now and then longer than anybody waits for an answer. */
  delayMs(): number {
    if (this.random.once(60)) return this.random.between(500, 4_000);
    return this.random.between(0, this.random.once(4) ? 60 : 6);
  }

  resume(owner: Owner): void {
    owner.paused = false;
    const held = this.#held.filter((event) => event.owner === owner);
    this.#held = this.#held.filter((event) => event.owner !== owner);
    for (const event of held) {
      this.#events.push({ ...event, atMs: this.nowMs + this.random.below(4), order: this.#order++ });
    }
  }

  /** Whether a write of the process is on its way to the disk. */
  isWriting(owner: Owner): boolean {
    return this.#events.some((event) => event.isWrite && event.owner === owner);
  }

  /** What the process had asked for is dropped; of its writes under way each reached the disk or did not; returns how many did. */
  kill(owner: Owner): number {
    owner.dead = true;
    const events = [...this.#events, ...this.#held].filter((event) => event.owner === owner);
    this.#events = this.#events.filter((event) => event.owner !== owner);
    this.#held = this.#held.filter((event) => event.owner !== owner);
    const arriving = events.filter(({ isWrite }) => isWrite && this.random.once(2));
    for (const { fire } of arriving) fire();
    return arriving.length;
  }

  /** Lets events happen until `done`; `afterStep` throws to end the run. */
  async run(done: () => boolean, afterStep: () => void): Promise<void> {
    // What follows from the start.
    await settled();
    while (!done()) {
      const event = this.#next();
      if (event === null) throw new Error('nothing is left to happen, but the history has not ended');
      this.nowMs = Math.max(this.nowMs, event.atMs);
      event.fire();
      await settled();
      afterStep();
      if (++this.steps > STEPS_MAX) throw new Error('the history does not end');
    }
  }

  #next(): Event | null {
    for (;;) {
      let next: Event | null = null;
      for (const event of this.#events) {
        if (next === null || event.atMs < next.atMs || (event.atMs === next.atMs && event.order < next.order))
          next = event;
      }
      if (next === null) return null;
      this.#events.splice(this.#events.indexOf(next), 1);
      if (next.owner?.dead) continue;
      if (next.owner?.paused !== true) return next;
      this.#held.push(next);
    }
  }
}

/** An immediate runs when no promise has anything left to do. */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
