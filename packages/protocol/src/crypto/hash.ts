import { platform } from '#crypto';
import type { Sha256Stream } from './platform.ts';

export type { Sha256Stream } from './platform.ts';

/** Bytes of every digest: SHA-256 is the one hash algorithm. */
export const HASH_BYTES = 32;

/** SHA-256 of `message`. */
export function sha256(message: Uint8Array): Uint8Array {
  const digest = new Uint8Array(HASH_BYTES);
  platform.sha256Into(message, digest, 0);
  return digest;
}

/** Writes the SHA-256 of `message` at `offset` of `target`, for loops that would make and drop an array a turn. */
export function sha256Into(message: Uint8Array, target: Uint8Array, offset: number): void {
  platform.sha256Into(message, target, offset);
}

/** SHA-256 over a stream of chunks. */
export function sha256Stream(): Sha256Stream {
  return platform.sha256Stream();
}
