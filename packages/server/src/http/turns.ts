/** Steps done in one turn of the event loop: some ten milliseconds. Fewer would leave less of the time to the steps. */
const STEPS_A_TURN = 16;

/**
 * Spreads a burst of steps over turns of the event loop, in their order. Hundreds of publishes may arrive, or be answered,
 * in one turn; what else has arrived meanwhile, such as a read, must not wait for all of them.
 */
export class Turns {
  readonly #waiting: (() => void)[] = [];
  #left = STEPS_A_TURN;
  #scheduled = false;

  /** Does `step` now if this turn has room for it, else in one of the next. */
  run(step: () => void): void {
    this.#schedule();
    if (this.#left === 0 || this.#waiting.length > 0) {
      this.#waiting.push(step);
      return;
    }
    this.#left--;
    step();
  }

  /** Resolves when it is the caller's turn. */
  next(): Promise<void> {
    return new Promise((resolve) => this.run(resolve));
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      const steps = this.#waiting.splice(0, STEPS_A_TURN);
      this.#left = STEPS_A_TURN - steps.length;
      if (steps.length > 0) this.#schedule();
      for (const step of steps) step();
    });
  }
}
