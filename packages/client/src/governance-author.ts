import {
  checkGovernanceStart,
  draftRecordJointly,
  emptyLogState,
  GOVERNANCE_LOG,
  judgeRecord,
  RegistryError,
  timeAfter,
  timestampFromMs,
  verifyRecordSignatures,
  type GovernanceBinding,
  type GovernanceEntry,
  type JosePublicKey,
  type Judged,
  type SignedRecord,
} from '@waybill/protocol';
import { judgedAs } from './log-refusal.ts';
import type { Clock } from './ports.ts';
import type { GovernanceLook } from './registry-client.ts';

/** The end of a governance log, verified: a record is to follow it, or to begin it. */
export type GovernancePlace = Pick<GovernanceLook, 'home' | 'operator' | 'state' | 'isVoid'>;

export interface GovernanceSpeech {
  readonly entries: readonly GovernanceEntry[];
  /** Of all who are to sign it. */
  readonly keys: readonly JosePublicKey[];
}

/**
 * The next record of a governance log, still to be signed. Throws `record/…` and `governance/starter` for one that the registry
 * would not take, and `usage/invalid` where there can be no such log.
 */
export function draftGovernanceRecord(
  { entries, keys }: GovernanceSpeech,
  place: GovernancePlace,
  clock: Clock,
): SignedRecord<GovernanceEntry> {
  const head = place.state?.head ?? null;
  const draft = {
    prev: head?.id ?? null,
    time: timeAfter(head, timestampFromMs(clock())),
    entries,
    home: place.home,
  };
  const ids = keys.map(({ id }) => id);
  const record = draftRecordJointly(GOVERNANCE_LOG, draft, ids);
  judge(record, place);
  return record;
}

/** That the log would take a record, signatures and all. Throws as {@link draftGovernanceRecord}, and `record/signature`. */
export async function checkGovernanceRecord(
  record: SignedRecord<GovernanceEntry>,
  place: GovernancePlace,
): Promise<void> {
  await verifyRecordSignatures(GOVERNANCE_LOG, record, judge(record, place).owed);
}

function judge(record: SignedRecord<GovernanceEntry>, place: GovernancePlace): Judged<never, GovernanceBinding> {
  const { home, operator, state } = place;
  if (operator.origin === null) {
    throw new RegistryError('usage/invalid', 'the registry has no name in its operator log, and so no governance logs');
  }
  requireDeciding(place);
  const judged = judgedAs('governance', () => judgeRecord(GOVERNANCE_LOG, state ?? emptyLogState(home), record));
  if (state === null) checkGovernanceStart(operator, record);
  return judged;
}

/** Throws `governance/starter` for a void log, whose records decide nothing: neither one to come nor one that stands in it. */
export function requireDeciding({ isVoid }: Pick<GovernancePlace, 'isVoid'>): void {
  if (!isVoid) return;
  const message =
    'the log is void, for those who began it might not: it decides nothing, and no other can take its place';
  throw new RegistryError('governance/starter', message, { kind: 'governance' });
}
