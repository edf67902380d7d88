import { sha256, utf8 } from '@waybill/protocol';

/** What a machine lacks is a skip with its reason at home and a failure in continuous integration. */
export const IN_CI = (process.env['CI'] ?? '') !== '';

/** Choices that follow from a seed. */
export class Dice {
  readonly #seed: string;
  #rolls = 0;

  constructor(seed: string) {
    this.#seed = seed;
  }

  /** A whole number from 0 to `bound - 1`. */
  below(bound: number): number {
    const bytes = sha256(utf8(`${this.#seed}/${this.#rolls++}`)).subarray(0, 6);
    return bytes.reduce((number, byte) => number * 256 + byte, 0) % bound;
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
}

/**
 * For a test's `skip`: what stands in its way here, `null` when nothing does. In continuous integration nothing is skipped:
 * there the test has to fail.
 */
export function skipFor(obstacle: string | null): string | false {
  return obstacle === null || IN_CI ? false : obstacle;
}
