import type { HttpLimits } from './http-limits.ts';

/** One who wants a place. One of the two is called, once, unless it has left before. */
export interface Comer {
  /** It has a place, which must be given back. */
  admitted(): void;
  /** The line is full, or no place came free in time. */
  refused(): void;
}

type PlaceLimits = Pick<
  HttpLimits,
  'publishesMax' | 'publishesAlwaysTaken' | 'publishesWaitingMax' | 'publishWaitMs' | 'loopLagMs'
>;

/**
 * Places for publishes under way, and a line before them. Who waits costs nothing, and who is refused comes back and costs
 * again: so under overload most wait, and only who would wait for too long is refused. Thousands wait for seconds, and the
 * garbage collector moves and marks whatever each of them holds: so no promise, timer or closure is made for one here.
 */
export class Places {
  readonly #limits: PlaceLimits;
  readonly #lagMs: () => number;
  #taken = 0;
  /** Since when each has waited, in the order in which they came. */
  readonly #line = new Map<Comer, number>();
  #timer: NodeJS.Timeout | null = null;

  constructor(limits: PlaceLimits, lagMs: () => number) {
    this.#limits = limits;
    this.#lagMs = lagMs;
  }

  /** True while there is neither a place nor room in the line. */
  get full(): boolean {
    return this.#line.size >= this.#limits.publishesWaitingMax && !this.#hasFree();
  }

  /** Admits or refuses the comer at once, or lets it wait in line. */
  enter(comer: Comer): void {
    if (this.full) comer.refused();
    else if (this.#line.size === 0 && this.#hasFree()) this.#admit(comer);
    else {
      this.#line.set(comer, performance.now());
      this.#timer ??= this.#refuseLateIn(this.#limits.publishWaitMs);
    }
  }

  /** Takes the comer out of the line. Gives false when it does not stand there. */
  leave(comer: Comer): boolean {
    const stood = this.#line.delete(comer);
    this.#rest();
    return stood;
  }

  give(): void {
    this.#taken--;
    for (const comer of this.#line.keys()) {
      if (!this.#hasFree()) return;
      this.#line.delete(comer);
      this.#admit(comer);
    }
    this.#rest();
  }

  #admit(comer: Comer): void {
    this.#taken++;
    comer.admitted();
  }

  #hasFree(): boolean {
    const { publishesMax, publishesAlwaysTaken, loopLagMs } = this.#limits;
    if (this.#taken < publishesAlwaysTaken) return true;
    return this.#taken < publishesMax && this.#lagMs() <= loopLagMs;
  }

  /** A timer for nobody would keep the process from ending. */
  #rest(): void {
    if (this.#line.size > 0 || this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#timer = null;
  }

  #refuseLateIn(ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#refuseLate(), ms);
  }

  #refuseLate(): void {
    this.#timer = null;
    const nowMs = performance.now();
    for (const [comer, sinceMs] of this.#line) {
      const leftMs = sinceMs + this.#limits.publishWaitMs - nowMs;
      if (leftMs > 0) {
        this.#timer = this.#refuseLateIn(leftMs);
        return;
      }
      this.#line.delete(comer);
      comer.refused();
    }
  }
}
