/** `npm test` takes a sample of every suite, `npm run test:full` all of it. */
export const FULL = process.env['WAYBILL_TEST_SCALE'] === 'full';

/** The seed of this run; printed by the runner, and given back to it to see the same sample again. */
export const SEED = Number(process.env['WAYBILL_TEST_SEED'] ?? 1);

/** All of `cases` in full scale, else `size` of them, chosen by the seed. */
export function sampleOf<T>(cases: readonly T[], size: number): readonly T[] {
  if (FULL || cases.length <= size) return cases;
  const start = SEED % cases.length;
  return Array.from({ length: size }, (_, i) => cases[(start + i * 7) % cases.length]).filter(
    (found) => found !== undefined,
  );
}
