import { isRegistryError } from '../errors.ts';
import { GOVERNANCE_LOG, type GovernanceEntry } from '../record-log/governance-log.ts';
import type { GovernanceBinding } from '../record-log/kinds/governance/binding.ts';
import type { NamespaceBinding, OperatorPermission } from '../record-log/kinds/operator/namespace.ts';
import type { OperatorEntry } from '../record-log/operator-log.ts';
import { PACKAGE_LOG } from '../record-log/package-log.ts';
import { decodeSignedRecord } from '../record-log/signed-record.ts';
import { checkGovernanceStart } from './governance-start.ts';
import type { ClaimedPlace } from './inclusion.ts';
import { placeOf, placesAround, stateBefore, type ServedLog, type ServedRecord } from './log-order.ts';
import { rootednessOf, type Rootedness } from './rootedness.ts';
import type { LogId } from '../names/log-id.ts';

type ServedOperatorLog = ServedLog<OperatorEntry, OperatorPermission, NamespaceBinding>;

/** A governance log of at least one record. */
export type ServedGovernanceLog = ServedLog<GovernanceEntry, never, GovernanceBinding>;

/** The governance logs that matter to a package; `null` for one that is not there, or void. */
export interface GovernanceLogs {
  readonly namespace: ServedGovernanceLog | null;
  readonly registry: ServedGovernanceLog | null;
}

/** A package log of at least one record. */
interface ServedPackageLog {
  readonly logId: LogId;
  readonly records: readonly ServedRecord[];
}

/** The places that must be proven before {@link isVoid} means anything. */
export function placesOfStart(log: ServedGovernanceLog, operator: ServedOperatorLog): ClaimedPlace[] {
  const first = firstOf(log);
  return [placeOf(log, first), ...placesAround(operator, first.registryIndex)];
}

/** Whether a governance log decides nothing, since those who began it might not: spec/governance.md 4. */
export function isVoid(log: ServedGovernanceLog, operator: ServedOperatorLog): boolean {
  const { envelope, registryIndex } = firstOf(log);
  try {
    checkGovernanceStart(stateBefore(operator, registryIndex), decodeSignedRecord(GOVERNANCE_LOG, envelope));
    return false;
  } catch (failure) {
    if (isRegistryError(failure, 'governance/starter')) return true;
    throw failure;
  }
}

/** The places that must be proven before {@link servedRootedness} means anything; none where nothing governs. */
export function placesOfRootedness(log: ServedPackageLog, { namespace, registry }: GovernanceLogs): ClaimedPlace[] {
  const first = firstOf(log);
  const around = [namespace, registry].flatMap((one) => (one === null ? [] : placesAround(one, first.registryIndex)));
  return around.length === 0 ? [] : [placeOf({ ...log, dialect: PACKAGE_LOG }, first), ...around];
}

/** The verdict on a package by the governance logs as they stand before the index of its first record. */
export function servedRootedness(log: ServedPackageLog, { namespace, registry }: GovernanceLogs): Rootedness {
  const { envelope, registryIndex } = firstOf(log);
  const before = {
    namespace: namespace && stateBefore(namespace, registryIndex),
    registry: registry && stateBefore(registry, registryIndex),
  };
  return rootednessOf(before, decodeSignedRecord(PACKAGE_LOG, envelope));
}

function firstOf({ records: [first] }: { readonly records: readonly ServedRecord[] }): ServedRecord {
  if (first === undefined) throw new TypeError('a log without a record');
  return first;
}
