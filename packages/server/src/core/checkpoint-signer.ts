import {
  encodeTimestampedCheckpoint,
  signBytes,
  type Checkpoint,
  type PrivateKey,
  type SignedCheckpoint,
} from '@waybill/protocol';
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

  /** Signing time never runs backwards: at least that of the checkpoint before. */
  async sign(
    { logLength, logRoot, mapRoot }: Checkpoint,
    previous: SignedCheckpoint | null,
  ): Promise<SignedCheckpoint> {
    const timestamp = Math.max(Math.floor(this.#clock() / 1000), previous?.contents.timestamp ?? 0);
    const contents = { logLength, logRoot, mapRoot, timestamp };
    const signature = await signBytes('checkpoint', encodeTimestampedCheckpoint(contents), this.#key);
    return { contents, keyId: this.keyId, signature: signature.text };
  }
}
