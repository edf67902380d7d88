import type { Digest, ErrorCode } from '@waybill/protocol';
import type { StoredHead } from './ports.ts';

/** What core tells whoever watches it. Calls are cheap, synchronous and never throw. */
export interface Observer {
  /** Records that wait to be sequenced. */
  queueLength(records: number): void;
  /** A head became durable; `records` is 0 for one signed afresh. Times in milliseconds. */
  batchCommitted(batch: {
    readonly records: number;
    readonly head: StoredHead;
    readonly growMs: number;
    readonly storeMs: number;
  }): void;
  /** A publisher was told no. */
  refused(code: ErrorCode): void;
  uploadStarted(): void;
  /** `bytes` received, whether or not they were kept. */
  uploadEnded(bytes: number): void;
  /** Content that was kept does not have its digest any more, or cannot be read. */
  contentDamaged(digest: Digest): void;
}

/** Nobody watches. */
export const silentObserver: Observer = {
  queueLength: () => undefined,
  batchCommitted: () => undefined,
  refused: () => undefined,
  uploadStarted: () => undefined,
  uploadEnded: () => undefined,
  contentDamaged: () => undefined,
};
