import { isRegistryError, RegistryError } from '@waybill/protocol';
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

/** What a manifest names. Throws `oci/manifest-blob` for a blob that turns out to have lost its bytes: its pusher sends it again. */
export async function makeNamedDurable(
  blobs: Pick<BlobStore, 'makeDurable'>,
  digests: readonly OciDigest[],
): Promise<void> {
  try {
    await blobs.makeDurable(digests);
  } catch (cause) {
    if (!isRegistryError(cause, 'oci/blob-unknown')) throw cause;
    const message = `the manifest names a blob that is lost: ${cause.message}, push it again`;
    throw new RegistryError('oci/manifest-blob', message, cause.detail, { cause });
  }
}
