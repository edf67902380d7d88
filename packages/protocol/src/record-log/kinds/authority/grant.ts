import { ProtoMessage, ProtoWriter } from '../../../bytes/protobuf.ts';
import { RegistryError } from '../../../errors.ts';
import { GRANT_DEPTH_MAX, grantIdOf, parseGrantId, type Grant, type GrantId } from '../../authority/grant.ts';
import { holderKeyCount, readHolder, writeHolder, type Holder } from '../../authority/holder.ts';
import { checkPermissionTexts, includesPermission, type Permission } from '../../authority/permission.ts';
import { readPredicates, writePredicates, type Predicates } from '../../authority/predicates.ts';
import { chainOf, refusalError, requireMay, type Authority } from '../../authority/verdict.ts';
import { noKeys, type EntryKind, type UnderGrant } from '../../entry-kind.ts';
import { checkReason, REASON_FIELD } from '../shared/reason.ts';

/** Gives some of what the grantor has to a holder. */
export interface DelegateEntry extends UnderGrant {
  readonly type: 'delegate';
  readonly holder: Holder;
  /** Ascending. */
  readonly permissions: readonly Permission[];
  readonly predicates: Predicates;
}

/** Ends a grant, and what hangs below it. */
export interface RevokeGrantEntry extends UnderGrant {
  readonly type: 'revokeGrant';
  readonly grant: GrantId;
  readonly reason?: string;
}

/** spec/version1.md 7.8. */
export function delegateKind<P extends string, B>(): EntryKind<DelegateEntry, P, B> {
  return {
    number: 17,
    shape: new Map([
      [1, 'bytes'],
      [2, 'string'],
      [3, 'bytes'],
    ]),
    needs: null,
    keyCount: (message) => holderKeyCount(message.message(1)),
    read(message, under) {
      const holder = readHolder(message.message(1) ?? ProtoMessage.decode(new Uint8Array()));
      const permissions = checkPermissionTexts(message.repeatedStrings(2));
      // What several hold together is not handed on: their number would not be asked for any more.
      if (holder.keys.length > 1 && permissions.includes('grant')) {
        throw new RegistryError('wire/shape', 'a holder of several keys is given grant');
      }
      return { type: 'delegate', holder, permissions, predicates: readPredicates(message.message(3)), under };
    },
    write({ holder, permissions, predicates }) {
      const writer = new ProtoWriter().message(1, writeHolder(holder)).strings(2, permissions);
      const narrowing = writePredicates(predicates);
      return (narrowing === null ? writer : writer.message(3, narrowing)).finish();
    },
    apply(draft, { holder, permissions, predicates, under = null }, { signers, recordId, time, entryIndex }) {
      const act = { permission: 'grant', time } as const;
      requireMay(draft, { signers, under }, act);
      const parent = under === null ? null : draft.grant(under);
      const depth = parent ? parent.depth + 1 : 0;
      for (const permission of parent ? permissions : []) {
        if (parent && !includesPermission(parent.permissions, permission)) {
          throw refusalError({ reason: 'permission', grant: under }, permission);
        }
      }
      if (depth > GRANT_DEPTH_MAX) {
        throw new RegistryError('record/depth', `a grant would be deeper than ${GRANT_DEPTH_MAX}`, { depth });
      }
      const id = grantIdOf(recordId, entryIndex);
      draft.setGrant({
        id,
        parent: under,
        depth,
        holder,
        permissions: new Set(permissions),
        predicates,
        revokedBy: null,
      });
    },
  };
}

/** spec/version1.md 7.9. */
export function revokeGrantKind<P extends string, B>(): EntryKind<RevokeGrantEntry, P, B> {
  return {
    number: 18,
    shape: new Map([
      [1, 'string'],
      [REASON_FIELD, 'string'],
    ]),
    needs: null,
    keyCount: noKeys,
    read: (message, under) => ({
      type: 'revokeGrant',
      grant: parseGrantId(message.string(1)),
      reason: checkReason(message.string(REASON_FIELD)),
      under,
    }),
    write: ({ grant, reason = '' }) => new ProtoWriter().string(1, grant).string(REASON_FIELD, reason).finish(),
    apply(draft, { grant: id, under = null }, { signers, recordId, time }) {
      const act = { permission: null, time };
      const grant = draft.grant(id);
      if (grant === undefined) throw refusalError({ reason: 'grant-unknown', grant: id }, null);
      if (grant.revokedBy !== null) {
        throw new RegistryError('record/grant-revoked', `grant ${id} is revoked already`, { grant: id });
      }
      if (under !== null && !isAtOrAbove(draft, under, grant)) {
        throw refusalError({ reason: 'holder', grant: id }, null);
      }
      requireMay(draft, { signers, under }, act);
      draft.setGrant({ ...grant, revokedBy: recordId });
    },
  };
}

function isAtOrAbove(authority: Authority, under: GrantId, grant: Grant): boolean {
  for (const { id } of chainOf(authority, grant)) if (id === under) return true;
  return false;
}
