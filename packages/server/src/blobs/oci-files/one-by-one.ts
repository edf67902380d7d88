/** Work on the same key is done one after the other, in the order in which it was asked for. */
export class OneByOne<K> {
  readonly #last = new Map<K, Promise<unknown>>();

  async run<T>(key: K, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const mine = before === undefined ? work() : before.then(work, work);
    this.#last.set(key, mine);
    try {
      return await mine;
    } finally {
      if (this.#last.get(key) === mine) this.#last.delete(key);
    }
  }

  /** Resolves when what was asked for these keys before has ended, however it did. */
  async idle(keys: readonly K[]): Promise<void> {
    await Promise.allSettled(keys.flatMap((key) => this.#last.get(key) ?? []));
  }
}
