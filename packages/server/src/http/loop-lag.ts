import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks';

const RESOLUTION_MS = 20;
/** Lag is averaged over this long: one slow step is no overload. */
const WINDOW_MS = 1_000;
const NS_PER_MS = 1e6;

/** How late the event loop runs. Costs one timer of the runtime's own. */
export class LoopLag {
  readonly #delays: IntervalHistogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  readonly #timer: NodeJS.Timeout;
  #meanMs = 0;

  constructor() {
    this.#delays.enable();
    this.#timer = setInterval(() => this.#sample(), WINDOW_MS);
    this.#timer.unref();
  }

  /** Mean of the last whole second, in milliseconds. */
  get meanMs(): number {
    return this.#meanMs;
  }

  stop(): void {
    this.#delays.disable();
    clearInterval(this.#timer);
  }

  #sample(): void {
    // NaN when nothing was measured.
    this.#meanMs = Math.max(0, (this.#delays.mean || 0) / NS_PER_MS - RESOLUTION_MS);
    this.#delays.reset();
  }
}
