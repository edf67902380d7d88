import { RegistryError } from '@waybill/protocol';

/** A body that is taken in pieces of known length. */
export class PartsBody {
  readonly #chunks: AsyncIterator<Uint8Array, unknown>;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** The next `length` bytes. Throws `registry/protocol` where the body ends before, and what reading it throws. */
  async *take(length: number): AsyncGenerator<Uint8Array, void, undefined> {
    for (let left = length; left > 0;) {
      if (this.#rest.length === 0) this.#rest = (await this.#next()) ?? broken('the parts end early');
      const taken = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(taken.length);
      left -= taken.length;
      yield taken;
    }
  }

  /** Throws `registry/protocol` where more comes. */
  async end(): Promise<void> {
    if (this.#rest.length > 0 || (await this.#next()) !== null) broken('more than the parts came');
  }

  /** Reads no more. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  async #next(): Promise<Uint8Array | null> {
    const next = await this.#chunks.next();
    return next.done === true ? null : next.value;
  }
}

function broken(why: string): never {
  throw new RegistryError('registry/protocol', `the registry's answer is not what was asked for: ${why}`);
}
