import { dialectOf } from './entry-table.ts';
import { grantKind, revokeKind, type GrantEntry, type RevokeEntry } from './kinds/shared/grant.ts';
import { initKind, type InitEntry } from './kinds/shared/init.ts';
import { releaseKind, type PackagePermission, type Release, type ReleaseEntry } from './kinds/package/release.ts';
import { yankKind, type YankEntry } from './kinds/package/yank.ts';
import type { LogDialect } from './dialect.ts';
import type { LogState } from './log-state.ts';

interface PackageEntries {
  readonly init: InitEntry;
  readonly grant: GrantEntry<PackagePermission>;
  readonly revoke: RevokeEntry<PackagePermission>;
  readonly release: ReleaseEntry;
  readonly yank: YankEntry;
}

/** One statement of a package record. */
export type PackageEntry =
  | InitEntry
  | GrantEntry<PackagePermission>
  | RevokeEntry<PackagePermission>
  | ReleaseEntry
  | YankEntry;

/** Replayed state of one package. */
export type PackageState = LogState<PackagePermission, Release>;

/** In the order of their enum values. */
export const PACKAGE_PERMISSIONS: readonly PackagePermission[] = ['release', 'yank'];

/** The package log: spec/record-log.md 3. */
export const PACKAGE_LOG: LogDialect<PackageEntry, PackagePermission, Release> = dialectOf<
  { [T in keyof PackageEntries]: PackageEntries[T] },
  PackagePermission,
  Release
>('package', {
  init: initKind({ permissions: PACKAGE_PERMISSIONS, keyField: 1, algorithmField: 2, signerIsKey: true }),
  grant: grantKind(PACKAGE_PERMISSIONS, null),
  revoke: revokeKind(PACKAGE_PERMISSIONS, null),
  release: releaseKind,
  yank: yankKind,
});
