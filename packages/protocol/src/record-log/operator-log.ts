import { RegistryError } from '../errors.ts';
import type { PublicKey } from '../names/key.ts';
import { digestHex } from '../names/digest.ts';
import type { LogDialect } from './dialect.ts';
import type { EntryKind } from './entry-kind.ts';
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
      init: initKind({
        permissions: OPERATOR_PERMISSIONS,
        keyField: 2,
        algorithmField: 1,
        signerIsKey: false,
        profileField: 16,
      }),
      grant: byInitKey(grantKind(OPERATOR_PERMISSIONS, 'commit')),
      revoke: byInitKey(revokeKind(OPERATOR_PERMISSIONS, 'commit')),
      defineNamespace: defineNamespaceKind,
      importNamespace: importNamespaceKind,
    }),
  ],
};

/**
 * Under a profile the init key alone grants and revokes, so that whoever steals a key that commits cannot take the registry
 * over (spec/operator-profile.md 2).
 */
function byInitKey<E>(
  kind: EntryKind<E, OperatorPermission, NamespaceBinding>,
): EntryKind<E, OperatorPermission, NamespaceBinding> {
  return {
    ...kind,
    apply(draft, entry, context) {
      const { origin, initKey } = draft;
      if (origin !== null && context.signer !== initKey?.id) {
        throw new RegistryError(
          'record/unauthorized',
          'by its profile only the init key of the operator log grants and revokes',
          {
            keyId: context.signer,
            permission: 'commit',
          },
        );
      }
      kind.apply(draft, entry, context);
    },
  };
}

/** The name of a registry in records of version 1: spec/version1.md 1.3. Throws TypeError for an empty log. */
export function registryOrigin(state: OperatorState): string {
  const [initKey] = state.keys.values();
  if (initKey === undefined) throw new TypeError('an operator log without an init');
  return state.origin ?? derivedOrigin(initKey);
}

/** The name of a registry that has no other. */
export function derivedOrigin(initKey: PublicKey): string {
  return `waybill.invalid/${digestHex(initKey.id)}`;
}
