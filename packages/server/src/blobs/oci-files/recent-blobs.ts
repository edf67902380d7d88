import type { OciDigest } from '@waybill/protocol/oci';

const BYTES_MAX = 4 * 1024 * 1024;
/** Of one without bytes. */
const OVERHEAD_BYTES = 512;

/** Small blobs that were just pushed, in memory: what names them comes next, and looks at them. */
export class RecentBlobs {
  /** Oldest first. */
  readonly #kept = new Map<OciDigest, Uint8Array>();
  #bytes = 0;

  get(digest: OciDigest): Uint8Array | null {
    return this.#kept.get(digest) ?? null;
  }

  set(digest: OciDigest, bytes: Uint8Array): void {
    this.delete(digest);
    this.#kept.set(digest, bytes);
    this.#bytes += bytes.length + OVERHEAD_BYTES;
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes <= BYTES_MAX) return;
      this.delete(oldest);
    }
  }

  delete(digest: OciDigest): void {
    const bytes = this.#kept.get(digest);
    if (bytes === undefined) return;
    this.#kept.delete(digest);
    this.#bytes -= bytes.length + OVERHEAD_BYTES;
  }
}
