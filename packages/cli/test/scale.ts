import { FULL, SEED } from '@waybill/tools/test-scale';

/** All of `cases` in full scale, else `size` of them, chosen by the seed. */
export function sampleOf<T>(cases: readonly T[], size: number): readonly T[] {
  if (FULL || cases.length <= size) return cases;
  const start = SEED % cases.length;
  return Array.from({ length: size }, (_, i) => cases[(start + i * 7) % cases.length]).filter(
    (found) => found !== undefined,
  );
}
