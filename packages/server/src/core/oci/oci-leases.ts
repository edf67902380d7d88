import type { OciDigest } from '@waybill/protocol/oci';
import { RECENT_BLOBS_MAX, RECENT_BLOB_MS } from '../limits.ts';
import type { Clock } from '../ports.ts';

/**
 * Who works on which blobs, in the one process that has the data folder. A push holds its blobs from before it looks whether they
 * are here until what names them is written; the sweep takes a blob for itself alone, and only one that nobody holds. So what a
 * push has seen is still there when it names it.
 *
 * Between two requests of one push nothing is held. A client that asked for a blob and was told that it is here will name it
 * without sending it: blobs that were asked for lately are left alone, as well as this remembers them.
 */
export class OciLeases {
  readonly #clock: Clock;
  readonly #holders = new Map<OciDigest, number>();
  readonly #claims = new Map<OciDigest, Promise<void>>();
  /** In the order of the last question. */
  readonly #asked = new Map<OciDigest, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Waits for the sweep where it has one of the blobs. */
  async hold<T>(digests: readonly OciDigest[], work: () => Promise<T>): Promise<T> {
    const held = [...new Set(digests)];
    // All are taken in the same turn in which none is claimed: nobody waits while holding something.
    for (;;) {
      const claimed = held.find((digest) => this.#claims.has(digest));
      if (claimed === undefined) break;
      await this.#claims.get(claimed);
    }
    for (const digest of held) this.#holders.set(digest, (this.#holders.get(digest) ?? 0) + 1);
    try {
      return await work();
    } finally {
      for (const digest of held) this.#release(digest);
    }
  }

  /** Works on those of the blobs that nobody holds or has asked for lately, for itself alone. */
  async claim<T>(digests: readonly OciDigest[], work: (free: ReadonlySet<OciDigest>) => Promise<T>): Promise<T> {
    const free = new Set(digests.filter((digest) => this.#isFree(digest)));
    let end = (): void => undefined;
    const ended = new Promise<void>((resolve) => (end = resolve));
    for (const digest of free) this.#claims.set(digest, ended);
    try {
      return await work(free);
    } finally {
      for (const digest of free) this.#claims.delete(digest);
      end();
    }
  }

  /** Somebody was told that the blob is here. */
  noteAsked(digest: OciDigest): void {
    this.#asked.delete(digest);
    this.#asked.set(digest, this.#clock());
    if (this.#asked.size <= RECENT_BLOBS_MAX) return;
    for (const oldest of this.#asked.keys()) {
      this.#asked.delete(oldest);
      return;
    }
  }

  #isFree(digest: OciDigest): boolean {
    if (this.#holders.has(digest) || this.#claims.has(digest)) return false;
    const askedMs = this.#asked.get(digest);
    return askedMs === undefined || this.#clock() - askedMs >= RECENT_BLOB_MS;
  }

  #release(digest: OciDigest): void {
    const left = (this.#holders.get(digest) ?? 1) - 1;
    if (left === 0) this.#holders.delete(digest);
    else this.#holders.set(digest, left);
  }
}
