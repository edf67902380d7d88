/** `npm test` takes a sample of every suite, `npm run test:full` all of it. */
export const FULL = process.env['WAYBILL_TEST_SCALE'] === 'full';

/** The seed of this run; printed by the runner, and given back to it to see the same sample again. */
export const SEED = Number(process.env['WAYBILL_TEST_SEED'] ?? 1);

/** Choices that follow from a seed: mulberry32, fast enough for millions of them. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed, 0x9e3779b1);
  }

  /** A whole number from 0 to `bound - 1`. */
  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  }

  /** True in one of `bound` cases. */
  oneIn(bound: number): boolean {
    return this.below(bound) === 0;
  }

  /** One of several. */
  of<T>(choices: readonly T[]): T {
    const choice = choices[this.below(choices.length)];
    if (choice === undefined) throw new TypeError('there is nothing to choose from');
    return choice;
  }

  /** Some of several, in their order; each with the chance of one in `bound`. */
  some<T>(choices: readonly T[], bound: number): T[] {
    return choices.filter(() => this.oneIn(bound));
  }

  /** `count` different ones of several, in any order. */
  sample<T>(choices: readonly T[], count: number): T[] {
    const left = [...choices];
    return Array.from({ length: Math.min(count, left.length) }, () => left.splice(this.below(left.length), 1)).flat();
  }
}
