import { joinBytes } from '../bytes/byte-array.ts';

/** Bytes of a stream up to a limit; of more, nothing. */
export class KeptBytes {
  readonly #limit: number;
  #chunks: Uint8Array[] = [];
  #size = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(chunk: Uint8Array): void {
    this.#size += chunk.length;
    if (this.#size <= this.#limit) this.#chunks.push(chunk.slice());
    else this.#chunks = [];
  }

  /** `null` when there were more. */
  take(): Uint8Array | null {
    return this.#size > this.#limit ? null : joinBytes(this.#chunks);
  }
}
