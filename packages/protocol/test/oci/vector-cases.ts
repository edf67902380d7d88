import { readFileSync } from 'node:fs';
import { isRegistryError } from '../../src/errors.ts';

const VECTORS = new URL('../../../../../vectors/oci/', import.meta.url);

/** The text of one file of `vectors/oci`. */
export function readVectors(name: string): string {
  return readFileSync(new URL(name, VECTORS), 'utf8');
}

/** `ok`, or the code of the refusal. */
export function outcome(work: () => unknown): string {
  try {
    work();
    return 'ok';
  } catch (failure) {
    if (isRegistryError(failure)) return failure.code;
    throw failure;
  }
}
