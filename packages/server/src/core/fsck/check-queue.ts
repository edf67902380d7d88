/** Signatures verified side by side: enough to keep every core busy, few enough to bound memory. */
const CHECKS_IN_FLIGHT_MAX = 256;

/** Checks under way; what fails is told in the order of the checks. */
export class CheckQueue {
  #waiting: { readonly outcome: Promise<unknown>; readonly onFailure: (failure: unknown) => void }[] = [];

  /** Resolves when there is room for more. */
  async add(check: Promise<unknown>, onFailure: (failure: unknown) => void): Promise<void> {
    // Caught at once, so that a failure waiting for its turn is not an unhandled rejection.
    const outcome = check.then(
      () => null,
      (failure: unknown) => failure ?? new TypeError('a check failed without a reason'),
    );
    this.#waiting.push({ outcome, onFailure });
    if (this.#waiting.length >= CHECKS_IN_FLIGHT_MAX) await this.#settle(CHECKS_IN_FLIGHT_MAX / 2);
  }

  async drain(): Promise<void> {
    await this.#settle(this.#waiting.length);
  }

  async #settle(count: number): Promise<void> {
    for (const { outcome, onFailure } of this.#waiting.splice(0, count)) {
      const failure = await outcome;
      if (failure !== null) onFailure(failure);
    }
  }
}
