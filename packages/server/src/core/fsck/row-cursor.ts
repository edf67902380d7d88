/** Rows one at a time from pages of them. */
export class RowCursor<T> {
  readonly #pages: AsyncIterator<readonly T[], unknown>;
  #page: readonly T[] = [];
  #position = 0;
  #ended = false;

  constructor(pages: AsyncIterable<readonly T[]>) {
    this.#pages = pages[Symbol.asyncIterator]();
  }

  /** The row that comes next, which stays; `null` after the last. */
  async peek(): Promise<T | null> {
    while (this.#position >= this.#page.length && !this.#ended) {
      const next: IteratorResult<readonly T[], unknown> = await this.#pages.next();
      this.#ended = next.done === true;
      this.#page = next.done === true ? [] : next.value;
      this.#position = 0;
    }
    return this.#page[this.#position] ?? null;
  }

  async next(): Promise<T | null> {
    const row = await this.peek();
    this.#position++;
    return row;
  }
}
