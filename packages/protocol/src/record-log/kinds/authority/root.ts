import type { RegistryError } from '../../../errors.ts';
import { inheritedGrantId } from '../../authority/grant.ts';
import {
  holderKeyCount,
  holderOfKey,
  isSignedFor,
  readHolder,
  writeHolder,
  type Holder,
} from '../../authority/holder.ts';
import { NO_PREDICATES } from '../../authority/predicates.ts';
import { refusalError, requireMay } from '../../authority/verdict.ts';
import { parseJosePublicKey } from '../../../jose/public-key.ts';
import type { EntryKind, RecordContext, UnderGrant } from '../../entry-kind.ts';
import type { LogDraft } from '../../log-state.ts';
import type { PackagePermission } from '../package/release.ts';

/** Begins version 1 of a log: says who holds the root. In a log with records of version 0, the upgrade. */
export interface RootEntry extends UnderGrant {
  readonly type: 'root';
  readonly holder: Holder;
}

/** Gives the root to another holder. */
export interface TransferEntry extends UnderGrant {
  readonly type: 'transfer';
  readonly holder: Holder;
}

const HOLDER_SHAPE = new Map([
  [1, 'string'],
  [2, 'varint'],
] as const);

/** spec/version1.md 7.5, in an empty log. That it stands at the beginning and nowhere else is the machine's to check (7.4). */
export function rootKind<P extends string, B>(): EntryKind<RootEntry, P, B> {
  return {
    number: 16,
    shape: HOLDER_SHAPE,
    needs: null,
    keyCount: holderKeyCount,
    read: (message, under) => ({ type: 'root', holder: readHolder(message), under }),
    write: ({ holder }) => writeHolder(holder),
    apply(draft, { holder, under = null }, { signers }) {
      if (under !== null || !isSignedFor(holder, signers)) throw notByHolder();
      draft.initialise();
      draft.setRoot(holder);
    },
  };
}

/** The same where records of version 0 may stand before it: spec/version1.md 7.6. */
export function upgradeKind<B>(): EntryKind<RootEntry, PackagePermission, B> {
  const kind = rootKind<PackagePermission, B>();
  return {
    ...kind,
    apply(draft, entry, context) {
      const isUpgrade = draft.initialised;
      if (isUpgrade) checkUpgrader(draft, entry.holder);
      kind.apply(draft, entry, context);
      if (isUpgrade) inherit(draft, entry.holder);
    },
  };
}

/** Throws `record/unauthorized` unless the holder is the key that may upgrade. */
function checkUpgrader<B>(draft: LogDraft<PackagePermission, B>, { keys: [key, ...others] }: Holder): void {
  const { initKey, livePermissions } = draft;
  const holdsBoth = (keyId: string): boolean => livePermissions.get(keyId)?.size === 2;
  if (key === undefined || others.length > 0) throw notByHolder();
  const mayUpgrade = initKey !== null && holdsBoth(initKey.id) ? key.id === initKey.id : holdsBoth(key.id);
  if (!mayUpgrade) throw notByHolder();
}

/** What others hold stays theirs, as grants under the root. */
function inherit<B>(draft: LogDraft<PackagePermission, B>, { keys: [root] }: Holder): void {
  for (const [keyId, permissions] of draft.livePermissions) {
    const key = draft.key(keyId);
    if (keyId === root?.id || key === undefined) continue;
    for (const [permission, { recordId, entryIndex }] of permissions) {
      draft.setGrant({
        id: inheritedGrantId(recordId, entryIndex, permission),
        parent: null,
        depth: 0,
        holder: holderOfKey(parseJosePublicKey(key.text)),
        permissions: new Set([permission]),
        predicates: NO_PREDICATES,
        revokedBy: null,
      });
    }
  }
}

/** spec/version1.md 7.10. */
export function transferKind<P extends string, B>(): EntryKind<TransferEntry, P, B> {
  return {
    number: 19,
    shape: HOLDER_SHAPE,
    needs: null,
    keyCount: holderKeyCount,
    read: (message, under) => ({ type: 'transfer', holder: readHolder(message), under }),
    write: ({ holder }) => writeHolder(holder),
    apply(draft, { holder, under = null }, { signers, time }: RecordContext) {
      if (under !== null) throw notByHolder();
      requireMay(draft, { signers, under }, { permission: null, time });
      // Whoever gets it must be able to use it.
      if (!isSignedFor(holder, signers)) throw notByHolder();
      draft.setRoot(holder);
    },
  };
}

function notByHolder(): RegistryError {
  return refusalError({ reason: 'holder', grant: null }, null);
}
