import { ProtoWriter } from '../../../bytes/protobuf.ts';
import { RegistryError } from '../../../errors.ts';
import { parseVersion, type VersionText } from '../../../names/version.ts';
import { requireMay } from '../../authority/verdict.ts';
import { noKeys, type EntryKind, type RecordContext, type UnderGrant } from '../../entry-kind.ts';
import type { LogDraft } from '../../log-state.ts';
import { checkReason, REASON_FIELD } from '../shared/reason.ts';
import { RELEASED, type PackagePermission, type Release } from './release.ts';

/** Withdraws a version from use. */
export interface YankEntry extends UnderGrant {
  readonly type: 'yank';
  readonly version: VersionText;
  /** Never in version 0. */
  readonly reason?: string;
}

/** Takes a yank back. */
export interface RestoreEntry extends UnderGrant {
  readonly type: 'restore';
  readonly version: VersionText;
  readonly reason?: string;
}

type PackageDraft = LogDraft<PackagePermission, Release>;

/** spec/record-log.md 3.10: for ever, as long as the log is of version 0. */
export const yankKind: EntryKind<YankEntry, PackagePermission, Release> = {
  number: 5,
  shape: new Map([[1, 'string']]),
  needs: 'yank',
  keyCount: noKeys,
  read: (message) => ({ type: 'yank', version: parseVersion(message.string(1)) }),
  write: ({ version }) => new ProtoWriter().string(1, version).finish(),
  apply: yank,
};

/** spec/version1.md 7.7. */
export const grantedYankKind: EntryKind<YankEntry, PackagePermission, Release> = {
  ...versionKind(5),
  read: (message, under) => ({
    type: 'yank',
    version: parseVersion(message.string(1)),
    reason: checkReason(message.string(REASON_FIELD)),
    under,
  }),
  apply(draft, entry, context) {
    requireActOn(draft, 'yank', entry, context);
    yank(draft, entry, context);
  },
};

/** spec/version1.md 7.7. */
export const restoreKind: EntryKind<RestoreEntry, PackagePermission, Release> = {
  ...versionKind(20),
  read: (message, under) => ({
    type: 'restore',
    version: parseVersion(message.string(1)),
    reason: checkReason(message.string(REASON_FIELD)),
    under,
  }),
  apply(draft, entry, context) {
    const { version } = entry;
    requireActOn(draft, 'restore', entry, context);
    const release = draft.binding(version);
    if (release?.state.status !== 'yanked') {
      throw new RegistryError('record/restore-unyanked', `version ${version} is not yanked`, { version });
    }
    draft.bind(version, { ...release, state: RELEASED });
  },
};

function versionKind(number: number) {
  return {
    number,
    shape: new Map([
      [1, 'string'],
      [REASON_FIELD, 'string'],
    ] as const),
    needs: null,
    keyCount: noKeys,
    write: ({ version, reason = '' }: YankEntry | RestoreEntry) =>
      new ProtoWriter().string(1, version).string(REASON_FIELD, reason).finish(),
  };
}

function requireActOn(
  draft: PackageDraft,
  permission: 'yank' | 'restore',
  { version, under = null }: YankEntry | RestoreEntry,
  { signers, time }: RecordContext,
): void {
  requireMay(draft, { signers, under }, { permission, time, version });
}

function yank(draft: PackageDraft, { version, reason = '' }: YankEntry, { signer, time }: RecordContext): void {
  const release = draft.binding(version);
  if (release === undefined) {
    throw new RegistryError('record/yank-unreleased', `version ${version} was never released`, { version });
  }
  if (release.state.status === 'yanked') {
    throw new RegistryError('record/yank-again', `version ${version} is yanked already`, { version });
  }
  draft.bind(version, { ...release, state: { status: 'yanked', by: signer, time, reason } });
}
