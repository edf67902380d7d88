import type { LogDialect } from './dialect.ts';
import { wargEntries } from './entry-table.ts';
import { grantKind, revokeKind, type GrantEntry, type RevokeEntry } from './kinds/shared/grant.ts';
import { initKind, type InitEntry } from './kinds/shared/init.ts';
import {
  defineNamespaceKind,
  importNamespaceKind,
  type DefineNamespaceEntry,
  type ImportNamespaceEntry,
  type NamespaceBinding,
  type OperatorPermission,
} from './kinds/operator/namespace.ts';
import type { LogState } from './log-state.ts';

interface OperatorEntries {
  readonly init: InitEntry;
  readonly grant: GrantEntry<OperatorPermission>;
  readonly revoke: RevokeEntry<OperatorPermission>;
  readonly defineNamespace: DefineNamespaceEntry;
  readonly importNamespace: ImportNamespaceEntry;
}

/** One statement of an operator record. */
export type OperatorEntry =
  | InitEntry
  | GrantEntry<OperatorPermission>
  | RevokeEntry<OperatorPermission>
  | DefineNamespaceEntry
  | ImportNamespaceEntry;

/** Replayed state of the operator log. */
export type OperatorState = LogState<OperatorPermission, NamespaceBinding>;

/** In the order of their enum values. */
export const OPERATOR_PERMISSIONS: readonly OperatorPermission[] = ['commit', 'defineNamespace', 'importNamespace'];

/** The operator log: spec/record-log.md 3. Grant and revoke need `commit` besides what they list. Version 0 for ever. */
export const OPERATOR_LOG: LogDialect<OperatorEntry, OperatorPermission, NamespaceBinding> = {
  kind: 'operator',
  entries: [
    wargEntries<{ [T in keyof OperatorEntries]: OperatorEntries[T] }, OperatorPermission, NamespaceBinding>({
      init: initKind({ permissions: OPERATOR_PERMISSIONS, keyField: 2, algorithmField: 1, signerIsKey: false }),
      grant: grantKind(OPERATOR_PERMISSIONS, 'commit'),
      revoke: revokeKind(OPERATOR_PERMISSIONS, 'commit'),
      defineNamespace: defineNamespaceKind,
      importNamespace: importNamespaceKind,
    }),
  ],
};
