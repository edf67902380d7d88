import { isRegistryError } from '@waybill/protocol';
import type { OciDigest } from '@waybill/protocol/oci';
import {
  LOOSE_BLOB_MS,
  LOOSE_LINK_MS,
  OCI_SWEEP_STEP,
  OCI_SWEEP_STEP_PAUSE_MS,
  OCI_SWEEP_WALK_PAUSE_MS,
} from '../limits.ts';
import type { BlobLink, BlobStore, OciStore } from '../oci-ports.ts';
import type { Clock } from '../ports.ts';
import type { OciLeases } from './oci-leases.ts';
import type { OciUploads } from './oci-uploads.ts';

export interface OciSweepParts {
  readonly store: OciStore;
  readonly blobs: BlobStore;
  readonly uploads: Pick<OciUploads, 'expire'>;
  readonly leases: OciLeases;
  readonly clock: Clock;
}

/**
 * Takes away what nothing names any more, while the registry serves: uploads that nobody goes on with, then blobs' places in
 * repositories where no manifest names them, then blobs that no repository has. The place goes before the bytes: a crash between
 * leaves a blob for the next walk. A place that a power cut brings back has no bytes, and counts as none.
 */
export class OciSweep {
  readonly #parts: OciSweepParts;
  #walk: AsyncIterator<OciDigest> | null = null;
  /** Up to where loose links were looked at; `null` before the first of them. */
  #looked: BlobLink | null = null;

  constructor(parts: OciSweepParts) {
    this.#parts = parts;
  }

  /** Resolves with the milliseconds to wait before the next. */
  async step(): Promise<number> {
    await this.#parts.uploads.expire();
    try {
      if (this.#walk === null && (await this.#sweepLinks())) return OCI_SWEEP_STEP_PAUSE_MS;
    } catch (failure) {
      // To take a link away the store needs room, and to take a blob away makes some.
      if (isRegistryError(failure, 'storage/full')) await this.#sweepBlobs();
      throw failure;
    }
    return (await this.#sweepBlobs()) ? OCI_SWEEP_STEP_PAUSE_MS : OCI_SWEEP_WALK_PAUSE_MS;
  }

  /** False at the end of a walk. Those that somebody holds are passed over: they keep none of the others. */
  async #sweepLinks(): Promise<boolean> {
    const { store, leases, clock } = this.#parts;
    const page = { after: this.#looked, limit: OCI_SWEEP_STEP };
    const loose = await store.listLooseLinks(clock() - LOOSE_LINK_MS, page);
    this.#looked = loose.length < OCI_SWEEP_STEP ? null : (loose.at(-1) ?? null);
    const digests = loose.map(({ digest }) => digest);
    await leases.claim(digests, async (free) => {
      // A push that ended since they were listed may name one, or have pushed it again: the store looks once more.
      const open = loose.filter(({ digest }) => free.has(digest));
      if (open.length > 0) await store.deleteLooseLinks(open);
    });
    return this.#looked !== null;
  }

  /** False at the end of a walk. */
  async #sweepBlobs(): Promise<boolean> {
    this.#walk ??= this.#parts.blobs.list()[Symbol.asyncIterator]();
    for (let looked = 0; looked < OCI_SWEEP_STEP; looked++) {
      const next = await this.#walk.next();
      if (next.done === true) {
        this.#walk = null;
        return false;
      }
      // One that cannot be looked at ends the step, and the next step goes on behind it.
      await this.#sweepBlob(next.value);
    }
    return true;
  }

  async #sweepBlob(digest: OciDigest): Promise<void> {
    const { store, blobs, leases, clock } = this.#parts;
    const keptAtMs = await blobs.keptAtMs(digest);
    if (keptAtMs === null || keptAtMs > clock() - LOOSE_BLOB_MS || (await store.isLinked(digest))) return;
    await leases.claim([digest], async (free) => {
      if (free.has(digest) && !(await store.isLinked(digest))) await blobs.delete(digest);
    });
  }
}
