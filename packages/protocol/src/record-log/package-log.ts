import type { LogDialect } from './dialect.ts';
import { grantedEntries, wargEntries } from './entry-table.ts';
import { delegateKind, revokeGrantKind, type DelegateEntry, type RevokeGrantEntry } from './kinds/authority/grant.ts';
import { transferKind, upgradeKind, type RootEntry, type TransferEntry } from './kinds/authority/root.ts';
import { grantKind, revokeKind, type GrantEntry, type RevokeEntry } from './kinds/shared/grant.ts';
import { initKind, type InitEntry } from './kinds/shared/init.ts';
import {
  grantedReleaseKind,
  releaseKind,
  type PackagePermission,
  type Release,
  type ReleaseEntry,
} from './kinds/package/release.ts';
import { grantedYankKind, restoreKind, yankKind, type RestoreEntry, type YankEntry } from './kinds/package/yank.ts';
import type { LogState } from './log-state.ts';

/** One statement of a package record of version 0. */
export type WargPackageEntry =
  | InitEntry
  | GrantEntry<PackagePermission>
  | RevokeEntry<PackagePermission>
  | ReleaseEntry
  | YankEntry;

/** One statement of a package record of version 1. */
export type GrantedPackageEntry =
  | RootEntry
  | TransferEntry
  | DelegateEntry
  | RevokeGrantEntry
  | ReleaseEntry
  | YankEntry
  | RestoreEntry;

/** One statement of a package record. */
export type PackageEntry = WargPackageEntry | GrantedPackageEntry;

/** Entry type name → entry. */
type FieldsOf<E extends { readonly type: string }> = { [T in E['type']]: Extract<E, { readonly type: T }> };

/** Replayed state of one package. */
export type PackageState = LogState<PackagePermission, Release>;

/** Those of version 0, in the order of their enum values. */
export const PACKAGE_PERMISSIONS: readonly PackagePermission[] = ['release', 'yank'];

/** The package log: spec/record-log.md 3 and spec/version1.md 7. */
export const PACKAGE_LOG: LogDialect<PackageEntry, PackagePermission, Release> & { readonly kind: 'package' } = {
  kind: 'package',
  entries: [
    wargEntries<FieldsOf<WargPackageEntry>, PackagePermission, Release>({
      init: initKind({
        permissions: PACKAGE_PERMISSIONS,
        keyField: 1,
        algorithmField: 2,
        signerIsKey: true,
        profileField: null,
      }),
      grant: grantKind(PACKAGE_PERMISSIONS, null),
      revoke: revokeKind(PACKAGE_PERMISSIONS, null),
      release: releaseKind,
      yank: yankKind,
    }),
    grantedEntries<FieldsOf<GrantedPackageEntry>, PackagePermission, Release>({
      root: upgradeKind(),
      transfer: transferKind(),
      delegate: delegateKind(),
      revokeGrant: revokeGrantKind(),
      release: grantedReleaseKind,
      yank: grantedYankKind,
      restore: restoreKind,
    }),
  ],
};
