import { parseJson, type JsonValue } from '../../bytes/json.ts';
import { RegistryError } from '../../errors.ts';
import { PARTS_MAX } from './part-sizes.ts';

/** Parts that follow each other, by their place in the list. */
export interface PartRun {
  readonly first: number;
  readonly count: number;
}

/** Runs in one request. */
export const PART_RUNS_MAX = 16_384;

/** The JSON body that asks for parts (spec/http.md 4.21). */
export function partsRequestBody(runs: readonly PartRun[]): JsonValue {
  return { runs: runs.map(({ first, count }) => [first, count]) };
}

/** Runs in ascending order, none empty, no part twice. Throws `wire/json`, `wire/shape`. */
export function decodePartsRequest(source: Uint8Array): readonly PartRun[] {
  const body = parseJson(source);
  const isObject = typeof body === 'object' && body !== null && !Array.isArray(body);
  const pairs = isObject && Object.keys(body).length === 1 ? Object.entries(body)[0] : undefined;
  const [name, runs] = pairs ?? ['', null];
  if (name !== 'runs' || !Array.isArray(runs)) throw refused('an object with nothing but `runs` is expected');
  if (runs.length < 1 || runs.length > PART_RUNS_MAX) throw refused(`1 to ${PART_RUNS_MAX} runs are expected`);
  let end = 0;
  return runs.map((run) => {
    const [first, count] = Array.isArray(run) && run.length === 2 ? run : [];
    const isRun = isIndex(first) && isIndex(count) && first >= end && count > 0 && first + count <= PARTS_MAX;
    if (!isRun) throw refused('a run is [first, count], after the end of the run before it');
    end = first + count;
    return { first, count };
  });
}

function isIndex(value: JsonValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function refused(why: string): RegistryError {
  return new RegistryError('wire/shape', `unexpected JSON: ${why}`);
}
