import type { OciDigest, RepositoryName } from '@waybill/protocol/oci';
import type { BlobStore, OciReader } from '../oci-ports.ts';

export interface PresentBlobParts {
  readonly store: Pick<OciReader, 'readLink'>;
  readonly blobs: Pick<BlobStore, 'size'>;
}

/** Bytes of a blob that is in the repository; `null` of one that is not: without all its bytes, which a power cut may have taken, too. */
export async function presentSize(
  { store, blobs }: PresentBlobParts,
  repository: RepositoryName,
  digest: OciDigest,
): Promise<number | null> {
  const link = await store.readLink(repository, digest);
  return link !== null && (await blobs.size(digest)) === link.size ? link.size : null;
}
