import { RegistryError } from '@waybill/protocol';
import type { HttpLimits } from './http-limits.ts';

interface Waiting {
  readonly admit: () => void;
}

/** Calls `leave` once when the one who waits has gone; gives the way to stop watching. */
export type Watch = (leave: () => void) => () => void;

type PlaceLimits = Pick<
  HttpLimits,
  'publishesMax' | 'publishesAlwaysTaken' | 'publishesWaitingMax' | 'publishWaitMs' | 'loopLagMs'
>;

/**
 * Places for publishes under way, and a line before them. Who waits costs nothing, and who is refused comes back and costs
 * again: so under overload most wait, and only who would wait for too long is refused.
 */
export class Places {
  readonly #limits: PlaceLimits;
  readonly #lagMs: () => number;
  #taken = 0;
  /** In the order in which they came. */
  readonly #line = new Set<Waiting>();

  constructor(limits: PlaceLimits, lagMs: () => number) {
    this.#limits = limits;
    this.#lagMs = lagMs;
  }

  /** True while there is neither a place nor room in the line. */
  get full(): boolean {
    return this.#line.size >= this.#limits.publishesWaitingMax && !this.#hasFree();
  }

  /**
   * Resolves when the caller has a place, which it must give back. Throws `request/too-many` when the line is full, no place
   * came free in time, or `watchGone` tells that nobody waits for the answer any more.
   */
  async take(watchGone: Watch): Promise<void> {
    if (this.full) throw tooMany();
    if (this.#line.size === 0 && this.#hasFree()) this.#taken++;
    else await this.#wait(watchGone);
  }

  give(): void {
    this.#taken--;
    for (const waiting of this.#line) {
      if (!this.#hasFree()) return;
      this.#line.delete(waiting);
      this.#taken++;
      waiting.admit();
    }
  }

  #hasFree(): boolean {
    const { publishesMax, publishesAlwaysTaken, loopLagMs } = this.#limits;
    if (this.#taken < publishesAlwaysTaken) return true;
    return this.#taken < publishesMax && this.#lagMs() <= loopLagMs;
  }

  #wait(watchGone: Watch): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#line.delete(waiting);
        clearTimeout(timer);
        reject(tooMany());
      };
      const waiting: Waiting = {
        admit: () => {
          clearTimeout(timer);
          stopWatching();
          resolve();
        },
      };
      const timer = setTimeout(leave, this.#limits.publishWaitMs);
      const stopWatching = watchGone(leave);
      this.#line.add(waiting);
    });
  }
}

function tooMany(): RegistryError {
  return new RegistryError('request/too-many', 'too many records are being published: try again');
}
