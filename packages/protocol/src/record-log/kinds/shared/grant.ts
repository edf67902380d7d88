import { ProtoWriter, type ProtoShape } from '../../../bytes/protobuf.ts';
import { RegistryError } from '../../../errors.ts';
import { parsePublicKey, type PublicKey } from '../../../names/key.ts';
import { noKeys, type EntryKind } from '../../entry-kind.ts';
import { requirePermission } from '../../log-state.ts';
import { permissionNumbers, readPermissions, type PermissionList } from '../../permission-list.ts';

/** Gives permissions to a key. */
export interface GrantEntry<P extends string> {
  readonly type: 'grant';
  readonly key: PublicKey;
  readonly permissions: readonly P[];
}

/** Takes permissions from a key id. */
export interface RevokeEntry<P extends string> {
  readonly type: 'revoke';
  readonly keyId: string;
  readonly permissions: readonly P[];
}

const SHAPE: ProtoShape = new Map([
  [1, 'string'],
  [2, 'int32s'],
]);

/** spec/record-log.md 3.7: a signer gives only what it holds. */
export function grantKind<P extends string, B>(
  all: PermissionList<P>,
  needs: P | null,
): EntryKind<GrantEntry<P>, P, B> {
  return {
    number: 2,
    shape: SHAPE,
    needs,
    keyCount: () => 1,
    read(message) {
      const permissions = readPermissions(all, message.repeatedInt32(2));
      return { type: 'grant', key: parsePublicKey(message.string(1)), permissions };
    },
    write: (entry) =>
      new ProtoWriter().string(1, entry.key.text).packed(2, permissionNumbers(all, entry.permissions)).finish(),
    apply(draft, entry, { signer, recordId, entryIndex }) {
      for (const permission of entry.permissions) requirePermission(draft, signer, permission);
      draft.addKey(entry.key);
      const held = new Map(draft.permissionsOf(entry.key.id));
      for (const permission of entry.permissions) {
        if (!held.has(permission)) held.set(permission, { recordId, entryIndex });
      }
      draft.setPermissions(entry.key.id, held);
    },
  };
}

/** spec/record-log.md 3.8: a signer takes only what it holds itself, from anybody; in list order, each once. */
export function revokeKind<P extends string, B>(
  all: PermissionList<P>,
  needs: P | null,
): EntryKind<RevokeEntry<P>, P, B> {
  return {
    number: 3,
    shape: SHAPE,
    needs,
    keyCount: noKeys,
    read: (message) => ({
      type: 'revoke',
      keyId: message.string(1),
      permissions: readPermissions(all, message.repeatedInt32(2)),
    }),
    write: (entry) =>
      new ProtoWriter().string(1, entry.keyId).packed(2, permissionNumbers(all, entry.permissions)).finish(),
    apply(draft, entry, { signer }) {
      for (const permission of entry.permissions) requirePermission(draft, signer, permission);
      const left = new Map(draft.permissionsOf(entry.keyId));
      for (const permission of entry.permissions) {
        if (left.delete(permission)) continue;
        throw new RegistryError('record/permission-not-held', `key ${entry.keyId} does not hold ${permission}`, {
          keyId: entry.keyId,
          permission,
        });
      }
      if (entry.permissions.length > 0) draft.setPermissions(entry.keyId, left);
    },
  };
}
