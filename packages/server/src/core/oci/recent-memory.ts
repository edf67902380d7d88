/** Remembers values for a while, and the oldest ones no longer than there is room. */
export class RecentMemory<V> {
  readonly #values = new Map<string, { readonly value: V; readonly untilMs: number }>();
  readonly #parts: { readonly lifeMs: number; readonly lengthMax: number; readonly clock: () => number };

  constructor(parts: { readonly lifeMs: number; readonly lengthMax: number; readonly clock: () => number }) {
    this.#parts = parts;
  }

  /** `null` for what was never known, or is not any more. */
  get(key: string): V | null {
    const found = this.#values.get(key);
    return found !== undefined && found.untilMs > this.#parts.clock() ? found.value : null;
  }

  set(key: string, value: V): void {
    const { lifeMs, lengthMax, clock } = this.#parts;
    this.#values.delete(key);
    const [oldest] = this.#values.keys();
    if (oldest !== undefined && this.#values.size >= lengthMax) this.#values.delete(oldest);
    this.#values.set(key, { value, untilMs: clock() + lifeMs });
  }
}
