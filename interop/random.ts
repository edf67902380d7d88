/** Reproducible randomness (sfc32): the same seed draws the same cases. Not for keys that guard anything. */
export class Random {
  readonly #state: Uint32Array;

  /** `stream` tells apart the cases of one seed. */
  constructor(seed: number, stream = 0) {
    this.#state = Uint32Array.of(seed, stream, 0x9e3779b9, 1);
    for (let i = 0; i < 16; i++) this.uint32();
  }

  uint32(): number {
    const [a = 0, b = 0, c = 0, counter = 0] = this.#state;
    const sum = (a + b + counter) >>> 0;
    this.#state.set([b ^ (b >>> 9), c + (c << 3), ((c << 21) | (c >>> 11)) + sum, counter + 1]);
    return sum;
  }

  /** 0 to `limit` - 1. */
  below(limit: number): number {
    return this.uint32() % limit;
  }

  /** True once in `times`. */
  once(times: number): boolean {
    return this.below(times) === 0;
  }

  pick<T>(list: readonly T[]): T {
    const [first] = list.slice(this.below(list.length));
    if (first === undefined) throw new RangeError('nothing to pick from');
    return first;
  }

  /** Each item with even odds; order kept. */
  some<T>(list: readonly T[]): T[] {
    return list.filter(() => this.once(2));
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256));
  }
}

/** The seed of this run: WAYBILL_TEST_SEED, or a fresh one. Printed, so that a failure can be drawn again. */
export function testSeed(): number {
  const seed = Number(process.env['WAYBILL_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`WAYBILL_TEST_SEED=${seed}`);
  return seed;
}
