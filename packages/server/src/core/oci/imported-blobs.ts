import type { OciDigest, RepositoryName } from '@waybill/protocol/oci';
import type { BlobStore, OciStore, UploadStore } from '../oci-ports.ts';
import type { Clock } from '../ports.ts';
import type { OciLeases } from './oci-leases.ts';

export interface ImportedBlobsParts {
  readonly store: Pick<OciStore, 'readLink' | 'write'>;
  readonly blobs: Pick<BlobStore, 'size'>;
  readonly uploads: UploadStore;
  readonly leases: Pick<OciLeases, 'hold'>;
  readonly clock: Clock;
}

export interface ImportedBlob {
  readonly digest: OciDigest;
  readonly size: number;
  readonly body: () => AsyncIterable<Uint8Array>;
}

/** Blobs that come into a repository without anybody's pushing them. */
export class ImportedBlobs {
  readonly #parts: ImportedBlobsParts;

  constructor(parts: ImportedBlobsParts) {
    this.#parts = parts;
  }

  /** Fetches nothing that the repository has. Throws `oci/digest-mismatch`, `oci/size`, and what the body throws. */
  async take(repository: RepositoryName, { digest, size, body }: ImportedBlob): Promise<void> {
    const { store, blobs, uploads, leases, clock } = this.#parts;
    await leases.hold([digest], async () => {
      if ((await store.readLink(repository, digest)) !== null && (await blobs.size(digest)) === size) return;
      const { id } = await uploads.start({ repository, account: null });
      try {
        await uploads.append(id, body(), size, true);
        await uploads.finish(id, digest);
      } catch (failure) {
        await uploads.cancel(id);
        throw failure;
      }
      await store.write({ links: [{ repository, digest, size, linkedAtMs: clock() }], manifests: [], tags: [] }, false);
    });
  }
}
