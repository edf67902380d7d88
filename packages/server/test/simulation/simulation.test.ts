import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { FULL, SEED } from '@waybill/tools/test-scale';
import type { Happening } from './checker.ts';
import { MUTANTS } from './mutants.ts';
import { beginSimulations, simulate } from './simulation.ts';

const SEEDS = FULL ? 10_000 : 200;
/** The first seed: that of a failure comes first when it is given back. */
const FIRST_SEED = SEED;
/** Seeds within which every mutant must be caught; they are fixed, so that chance has no part in it. */
const MUTANT_SEEDS = 60;

const HAPPENINGS: readonly Happening[] = [
  'published',
  'refused',
  'rejected',
  'batch of several',
  'head signed afresh',
  'conflict',
  'refused start',
  'no room',
  'wrong clock',
  'fatal failure',
  'write that outlived its process',
  'pruned',
];

let endSimulations: () => void;
before(() => {
  endSimulations = beginSimulations();
});
after(() => endSimulations());

test(`histories of ${SEEDS} seeds hold what is promised (threats D1, D2, D3, D4, D8, D10, D14, D15, L14)`, async () => {
  const seen = new Map<Happening, number>();
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
    const { events } = await simulate(seed);
    for (const [happening, times] of events) seen.set(happening, (seen.get(happening) ?? 0) + times);
  }
  // A simulation in which nothing happens finds nothing.
  for (const happening of HAPPENINGS) assert.ok((seen.get(happening) ?? 0) > 0, `in no history: ${happening}`);
});

test('a seed decides everything', async () => {
  for (const seed of [FIRST_SEED, FIRST_SEED + 1, FIRST_SEED + 2]) {
    assert.deepEqual(await simulate(seed), await simulate(seed));
  }
});

for (const [title, mutant] of Object.entries(MUTANTS)) {
  test(`the simulation catches ${title}`, async () => {
    for (let seed = 1; seed <= MUTANT_SEEDS; seed++) {
      const caught = await simulate(seed, mutant).then(
        () => false,
        () => true,
      );
      if (caught) return;
    }
    assert.fail(`not caught in ${MUTANT_SEEDS} seeds`);
  });
}
