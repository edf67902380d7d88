import {
  isDigest,
  readAnnotations,
  type ContentClaim,
  type Digest,
  type PackageEntry,
  type SignedRecord,
  type VersionText,
} from '@waybill/protocol';
import { claimedKindOf, type ClaimedKind } from '@waybill/protocol/content';

/** Content that a record names, so that whoever has the record needs it. */
export interface NamedContent {
  readonly digest: Digest;
  readonly by: 'release' | 'annotation' | 'tree';
  /** What is said of it besides; `null` where nothing is, as in releases of version 0. */
  readonly claim: ContentClaim | null;
  /** What its bytes must be: of any kind where an annotation names it. */
  readonly kind: ClaimedKind;
  /** Of the release; `null` for what no release names by itself. */
  readonly version: VersionText | null;
  /** What names it, for a person. */
  readonly at: string;
}

/** All content that a record names. An annotation that nobody can read names none. */
export function namedContents(
  record: Pick<SignedRecord<PackageEntry>, 'id' | 'entries' | 'annotations'>,
): readonly NamedContent[] {
  const ofReleases = record.entries.flatMap((entry): NamedContent[] => {
    // Admission lets no other hash in, and content can only be kept under a digest.
    if (entry.type !== 'release' || !isDigest(entry.content)) return [];
    const { version, content: digest, claim = null } = entry;
    const kind = claimedKindOf(claim?.mediaType ?? null);
    return [{ digest, by: 'release', claim, kind, version, at: `release ${version} by record ${record.id}` }];
  });
  const ofAnnotations = readAnnotations(record).flatMap((read): NamedContent[] => {
    if ('why' in read || read.annotation.content === null) return [];
    const { digest, ...claim } = read.annotation.content;
    return [{ digest, by: 'annotation', claim, kind: 'other', version: null, at: `annotation ${read.id}` }];
  });
  return [...ofReleases, ...ofAnnotations];
}
