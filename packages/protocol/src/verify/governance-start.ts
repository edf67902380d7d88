import { RegistryError } from '../errors.ts';
import type { GovernanceEntry } from '../record-log/governance-log.ts';
import type { OperatorState } from '../record-log/operator-log.ts';
import type { SignedRecord } from '../record-log/signed-record.ts';

/**
 * That those who began a governance log might: spec/governance.md 4.1. `operatorBefore` is the operator log as it stands
 * before the registry index of the log's first record, whose signatures were verified by replaying it. A log that fails is
 * void: it decides nothing. Throws `governance/starter`; TypeError for a record that begins no log.
 */
export function checkGovernanceStart(
  operatorBefore: OperatorState,
  { prev, binding }: Pick<SignedRecord<GovernanceEntry>, 'prev' | 'binding'>,
): void {
  if (prev !== null || binding === null) throw new TypeError('not the first record of a governance log');
  for (const keyId of binding.signers) {
    if (operatorBefore.permissions.get(keyId)?.has('defineNamespace') === true) continue;
    throw new RegistryError(
      'governance/starter',
      `key ${keyId} may not begin a governance log: it does not hold defineNamespace in the operator log`,
      { keyId },
    );
  }
}
