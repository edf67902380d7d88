import { decodeSignedRecord, OPERATOR_LOG, RegistryError, type AnyHash, type RecordId } from '@waybill/protocol';
import { fetchLogs } from './log-fetch.ts';
import type { LogCache } from './ports.ts';
import type { RegistryClient, VerifiedView } from './registry-client.ts';

const NO_CACHE: LogCache = { read: async () => null, write: async () => undefined };

/**
 * True for a record of the operator log that a view has verified, wherever it stands in it. An id is the hash of its record,
 * which names the one before it: what is reached from the verified head needs no other proof. Throws `log/incomplete` where a
 * record is withheld, and what fetching throws.
 */
export async function isInOperatorLog(
  client: RegistryClient,
  { checkpoint, operator }: Pick<VerifiedView, 'checkpoint' | 'operator'>,
  wanted: RecordId,
): Promise<boolean> {
  const nothingElse = { packages: [], governance: [] };
  const fetched = await client.reading(() =>
    fetchLogs(client.api, NO_CACHE, checkpoint.contents.logLength, nothingElse),
  );
  const records = fetched.operator.map(({ envelope }) => decodeSignedRecord(OPERATOR_LOG, envelope));
  const byId: ReadonlyMap<AnyHash, (typeof records)[number]> = new Map(
    records.map((record) => [record.id, record] as const),
  );
  for (let id: AnyHash | null = operator.head?.id ?? null; id !== null; id = byId.get(id)?.prev ?? null) {
    if (id === wanted) return true;
    if (!byId.has(id)) throw new RegistryError('log/incomplete', `the registry withholds record ${id} of its log`);
  }
  return false;
}
