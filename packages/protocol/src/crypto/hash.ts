import { platform } from '#crypto';
import type { Sha256Stream } from './platform.ts';

export type { Sha256Stream } from './platform.ts';

/** Bytes of every digest: SHA-256 is the one hash algorithm. */
export const HASH_BYTES = 32;

/** SHA-256 of `message`. */
export function sha256(message: Uint8Array): Uint8Array {
  return platform.sha256(message);
}

/** SHA-256 over a stream of chunks. */
export function sha256Stream(): Sha256Stream {
  return platform.sha256Stream();
}
