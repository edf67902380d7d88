import {
  encodeTimestampedCheckpoint,
  RegistryError,
  signBytes,
  type Checkpoint,
  type PrivateKey,
  type SignedCheckpoint,
} from '@waybill/protocol';
import { CLOCK_BEHIND_SECONDS_MAX } from './limits.ts';
import type { Clock } from './ports.ts';

/** Signs checkpoints with one commit key. It takes sizes and roots only and builds the bytes itself. */
export class CheckpointSigner {
  readonly #key: PrivateKey;
  readonly #clock: Clock;

  constructor(key: PrivateKey, clock: Clock) {
    this.#key = key;
    this.#clock = clock;
  }

  get keyId(): string {
    return this.#key.publicKey.id;
  }

  /**
   * Signing time never runs backwards: at least that of the checkpoint before. Throws `head/clock` when the clock is so far
   * behind it that one of the two was wrong.
   */
  async sign(
    { logLength, logRoot, mapRoot }: Checkpoint,
    previous: SignedCheckpoint | null,
  ): Promise<SignedCheckpoint> {
    const now = Math.floor(this.#clock() / 1000);
    const last = previous?.contents.timestamp ?? 0;
    if (now < last - CLOCK_BEHIND_SECONDS_MAX) {
      throw new RegistryError(
        'head/clock',
        `the clock is ${last - now} s behind the last checkpoint: nothing is signed until it is set right`,
      );
    }
    const contents = { logLength, logRoot, mapRoot, timestamp: Math.max(now, last) };
    const signature = await signBytes('checkpoint', encodeTimestampedCheckpoint(contents), this.#key);
    return { contents, keyId: this.keyId, signature: signature.text };
  }
}
