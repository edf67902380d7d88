import { readManifest, type OciDigest, type RepositoryName } from '@waybill/protocol/oci';
import { nextTurn } from '../next-turn.ts';
import { REFERRERS_PAGE_BYTES_MAX, REFERRERS_STEP } from '../limits.ts';
import type { NamePage, OciReader, StoredReferrer } from '../oci-ports.ts';
import type { Page, ReferrerDescriptor } from './oci-registry.ts';

/** A page of what was pushed and refers to a subject: its manifests may be long, and are read a few at a time. */
export async function storedReferrers(
  oci: Pick<OciReader, 'listReferrers'>,
  repository: RepositoryName,
  { after: start, limit, ...asked }: { readonly subject: OciDigest; readonly artifactType: string | null } & NamePage,
): Promise<Page<ReferrerDescriptor>> {
  const items: ReferrerDescriptor[] = [];
  let [after, bytes] = [start, 0];
  for (;;) {
    const found = await oci.listReferrers(repository, { ...asked, after, limit: REFERRERS_STEP });
    for (const referrer of found) {
      bytes += referrer.bytes.length;
      const isFull = items.length >= limit || (items.length > 0 && bytes > REFERRERS_PAGE_BYTES_MAX);
      if (isFull) return { items, more: true };
      items.push(descriptorOf(referrer));
      after = referrer.digest;
    }
    if (found.length < REFERRERS_STEP) return { items, more: false };
    await nextTurn();
  }
}

/** What a manifest has among its referrers' descriptors (spec/oci.md 7.2). */
function descriptorOf({ mediaType, digest, artifactType, bytes }: StoredReferrer): ReferrerDescriptor {
  const { annotations } = readManifest(bytes, mediaType);
  return { mediaType, digest, size: bytes.length, artifactType, annotations };
}
