import {
  equalBytes,
  RegistryError,
  type GovernanceEntry,
  type Namespace,
  type OperatorEntry,
  type RecordId,
  type SignedRecord,
  type wargApi,
} from '@waybill/protocol';
import type { RegistryClient } from './registry-client.ts';

/** Sends a record to the operator log, and verifies that it stands there. Throws `log/incomplete`, and what sending and a view throw. */
export async function sendOperatorRecord(client: RegistryClient, record: SignedRecord<OperatorEntry>): Promise<void> {
  await client.api.appendOperatorRecord(record.envelope);
  await client.withEvidence(async () => requireSent((await client.view([])).operatorRecords, record));
}

/** Sends a record to a governance log; `null` is the registry's. Throws as {@link sendOperatorRecord}. */
export async function sendGovernanceRecord(
  client: RegistryClient,
  namespace: Namespace | null,
  record: SignedRecord<GovernanceEntry>,
): Promise<void> {
  await client.api.appendGovernanceRecord(namespace, record.envelope);
  await client.withEvidence(async () => requireSent((await client.governance(namespace)).records, record));
}

/** By its contents: the signatures may be others, and valid as well (SECURITY.md C5). */
export function findRecord(
  records: readonly wargApi.PublishedRecord[],
  { envelope: { contents } }: Pick<SignedRecord<never>, 'envelope'>,
): wargApi.PublishedRecord | null {
  return records.find(({ envelope }) => equalBytes(envelope.contents, contents)) ?? null;
}

/** A record that the registry has said is published, in its log as a view after that has it: spec/verification.md 7.1. */
export function requireSent(
  records: readonly wargApi.PublishedRecord[],
  record: { readonly id: RecordId } & Pick<SignedRecord<never>, 'envelope'>,
): wargApi.PublishedRecord {
  const found = findRecord(records, record);
  if (found !== null) return found;
  const message = `the registry says record ${record.id} is published, but its log does not hold it`;
  throw new RegistryError('log/incomplete', `${message}: do not rely on it, and ask the operator`);
}
