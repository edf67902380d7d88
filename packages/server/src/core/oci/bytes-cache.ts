/** What was asked for last, up to so many bytes. */
export class BytesCache<V> {
  readonly #bytesMax: number;
  readonly #sizeOf: (value: V) => number;
  /** Newest use last. */
  readonly #kept = new Map<string, { readonly value: V; readonly bytes: number }>();
  #bytes = 0;

  constructor(bytesMax: number, sizeOf: (value: V) => number) {
    this.#bytesMax = bytesMax;
    this.#sizeOf = sizeOf;
  }

  get(key: string): V | null {
    const kept = this.#kept.get(key);
    if (kept === undefined) return null;
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    return kept.value;
  }

  /** A value that is larger than all may be is not kept. */
  set(key: string, value: V): void {
    this.#drop(key);
    const bytes = this.#sizeOf(value) + 2 * key.length;
    this.#kept.set(key, { value, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes <= this.#bytesMax) return;
      this.#drop(oldest);
    }
  }

  #drop(key: string): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    this.#kept.delete(key);
    this.#bytes -= kept.bytes;
  }
}
