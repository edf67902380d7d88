interface RecentMemoryParts<V> {
  readonly lifeMs: number;
  readonly sizeMax: number;
  /** In the unit of `sizeMax`. */
  readonly sizeOf: (value: V) => number;
  readonly clock: () => number;
}

/** Remembers values for a while, and the oldest ones no longer than there is room. */
export class RecentMemory<V> {
  readonly #values = new Map<string, { readonly value: V; readonly untilMs: number }>();
  readonly #parts: RecentMemoryParts<V>;
  #size = 0;

  constructor(parts: RecentMemoryParts<V>) {
    this.#parts = parts;
  }

  /** `null` for what was never known, or is not any more. */
  get(key: string): V | null {
    const found = this.#values.get(key);
    return found !== undefined && found.untilMs > this.#parts.clock() ? found.value : null;
  }

  /** What alone has no room is not remembered. */
  set(key: string, value: V): void {
    const { lifeMs, sizeMax, sizeOf, clock } = this.#parts;
    const size = sizeOf(value);
    this.#forget(key);
    if (size > sizeMax) return;
    for (const oldest of this.#values.keys()) {
      if (this.#size + size <= sizeMax) break;
      this.#forget(oldest);
    }
    this.#values.set(key, { value, untilMs: clock() + lifeMs });
    this.#size += size;
  }

  #forget(key: string): void {
    const found = this.#values.get(key);
    if (found === undefined) return;
    this.#values.delete(key);
    this.#size -= this.#parts.sizeOf(found.value);
  }
}
