import { ProtoWriter } from '../../../bytes/protobuf.ts';
import { RegistryError } from '../../../errors.ts';
import { parseAnyHash, type AnyHash } from '../../../names/digest.ts';
import type { RecordId } from '../../../names/log-id.ts';
import type { Timestamp } from '../../../names/timestamp.ts';
import { parseVersion, type VersionText } from '../../../names/version.ts';
import { readClaim, type ContentClaim } from '../../authority/media-type.ts';
import { requireMay } from '../../authority/verdict.ts';
import { noKeys, type EntryKind, type RecordContext, type UnderGrant } from '../../entry-kind.ts';
import type { LogDraft } from '../../log-state.ts';

export type PackagePermission = 'release' | 'yank';

/** What a package log knows of one version. */
export interface Release {
  readonly version: VersionText;
  readonly recordId: RecordId;
  readonly by: string;
  readonly time: Timestamp;
  readonly content: AnyHash;
  /** What the release says of its content; `null` where it says nothing, as in version 0. */
  readonly claim: ContentClaim | null;
  readonly state: ReleaseState;
}

export type ReleaseState =
  | { readonly status: 'released' }
  | {
      readonly status: 'yanked';
      readonly by: string;
      readonly time: Timestamp;
      /** Empty where none was given, as in version 0. */
      readonly reason: string;
    };

/** Publishes a version: binds it to content. */
export interface ReleaseEntry extends UnderGrant {
  readonly type: 'release';
  readonly version: VersionText;
  readonly content: AnyHash;
  /** What it says of the content besides: never in version 0. */
  readonly claim?: ContentClaim | null;
}

type PackageDraft = LogDraft<PackagePermission, Release>;

/** spec/record-log.md 3.9. */
export const releaseKind: EntryKind<ReleaseEntry, PackagePermission, Release> = {
  number: 4,
  shape: new Map([
    [1, 'string'],
    [2, 'string'],
  ]),
  needs: 'release',
  keyCount: noKeys,
  read: (message) => ({
    type: 'release',
    version: parseVersion(message.string(1)),
    content: parseAnyHash(message.string(2)),
  }),
  write: ({ version, content }) => new ProtoWriter().string(1, version).string(2, content).finish(),
  apply: bindRelease,
};

/** spec/version1.md 7.7. */
export const grantedReleaseKind: EntryKind<ReleaseEntry, PackagePermission, Release> = {
  number: 4,
  shape: new Map([
    [1, 'string'],
    [2, 'string'],
    [16, 'string'],
    [17, 'varint'],
  ]),
  needs: null,
  keyCount: noKeys,
  read: (message, under) => ({
    type: 'release',
    version: parseVersion(message.string(1)),
    content: parseAnyHash(message.string(2)),
    claim: readClaim(message.string(16), message.uint64(17)),
    under,
  }),
  write: ({ version, content, claim }) =>
    new ProtoWriter()
      .string(1, version)
      .string(2, content)
      .string(16, claim?.mediaType ?? '')
      .varint(17, claim?.size ?? 0)
      .finish(),
  apply(draft, entry, context) {
    const { version, claim = null, under = null } = entry;
    const { signers, time } = context;
    requireMay(draft, { signers, under }, { permission: 'release', time, version, claim });
    bindRelease(draft, entry, context);
  },
};

function bindRelease(
  draft: PackageDraft,
  { version, content, claim = null }: ReleaseEntry,
  { signer, recordId, time }: RecordContext,
): void {
  if (draft.binding(version) !== undefined) {
    throw new RegistryError('record/release-again', `version ${version} was released before`, { version });
  }
  draft.bind(version, { version, recordId, by: signer, time, content, claim, state: RELEASED });
}

/** Shared by all releases that stand. */
export const RELEASED: ReleaseState = { status: 'released' };
