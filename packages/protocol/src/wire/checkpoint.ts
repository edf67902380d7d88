import { prefixedString } from '../bytes/prefix-encoding.ts';
import { concatBytes, utf8 } from '../bytes/byte-array.ts';
import { encodeUleb128 } from '../bytes/uleb128.ts';
import type { Digest } from '../names/digest.ts';

/** The size of the registry log with the roots of log and map at that size. */
export interface Checkpoint {
  readonly logLength: number;
  readonly logRoot: Digest;
  readonly mapRoot: Digest;
}

/** A checkpoint and when it was signed, in whole Unix seconds. */
export interface TimestampedCheckpoint extends Checkpoint {
  readonly timestamp: number;
}

/** A checkpoint as it travels; its signature is not yet judged. */
export interface SignedCheckpoint {
  readonly contents: TimestampedCheckpoint;
  readonly keyId: string;
  readonly signature: string;
}

/** The bytes whose hash is the checkpoint's id, and the leaf of the `heads` log. */
export function encodeCheckpoint(checkpoint: Checkpoint): Uint8Array {
  return concatBytes(
    utf8('WARG-CHECKPOINT-V0'),
    encodeUleb128(checkpoint.logLength),
    prefixedString(checkpoint.logRoot),
    prefixedString(checkpoint.mapRoot),
  );
}

/** The bytes a checkpoint's signature covers, after its context prefix. */
export function encodeTimestampedCheckpoint(checkpoint: TimestampedCheckpoint): Uint8Array {
  return concatBytes(
    utf8('WARG-TIMESTAMPED-CHECKPOINT-V0'),
    encodeUleb128(checkpoint.logLength),
    prefixedString(checkpoint.logRoot),
    prefixedString(checkpoint.mapRoot),
    encodeUleb128(checkpoint.timestamp),
  );
}
