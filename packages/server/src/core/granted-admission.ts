import {
  canNeverHold,
  chainOf,
  RegistryError,
  type Authority,
  type Grant,
  type GrantId,
  type Judged,
  type PackageEntry,
  type PackagePermission,
  type PackageState,
  type RecordBinding,
  type Release,
  type SignedRecord,
} from '@waybill/protocol';
import { EXPIRING_RECORD_AGE_SECONDS_MAX } from './limits.ts';

interface GrantedContext {
  readonly state: PackageState;
  readonly judged: Judged<PackagePermission, Release>;
  readonly nowMs: number;
}

/** What is asked of a record of version 1 besides: spec/admission.md 6. Throws `admission/policy`. */
export function admitGranted(
  record: SignedRecord<PackageEntry>,
  { signers }: RecordBinding,
  { state, judged, nowMs }: GrantedContext,
): void {
  const { draft } = judged;
  const unders = record.entries.flatMap((entry) => ('under' in entry && entry.under ? [entry.under] : []));
  const idle = signers.find((keyId) => !takesPart(keyId, { record, state, unders, draft }));
  if (idle !== undefined) throw refusal(`key ${idle} holds nothing that the record needs: sign without it`);
  for (const grant of draft.touchedGrants) {
    if (grant.revokedBy !== null) continue;
    const chain = [...chainOf(draft, grant)].map(({ predicates }) => predicates);
    if (canNeverHold(chain, record.time))
      throw refusal('a grant could never be used: what narrows it excludes everything');
  }
  if (unders.some((id) => isExpiring(draft, id)) && isOld(record, nowMs)) {
    throw refusal('the record is dated long ago, under a grant that expires: check the clock');
  }
}

interface Part {
  readonly record: SignedRecord<PackageEntry>;
  readonly state: PackageState;
  readonly unders: readonly GrantId[];
  readonly draft: Authority;
}

/** Holds the root, before the record or after it, or something that the record is done under or gives. */
function takesPart(keyId: string, { record, state, unders, draft }: Part): boolean {
  const holders = [
    ...(state.root === null ? [] : [state.root]),
    ...(draft.root === null ? [] : [draft.root]),
    ...unders.flatMap((id) => draft.grant(id)?.holder ?? []),
    ...record.entries.flatMap((entry) => ('holder' in entry ? [entry.holder] : [])),
  ];
  return holders.some(({ keys }) => keys.some(({ id }) => id === keyId));
}

function isExpiring(authority: Authority, id: GrantId): boolean {
  const grant: Grant | undefined = authority.grant(id);
  return grant !== undefined && [...chainOf(authority, grant)].some(({ predicates }) => predicates.notAfter !== null);
}

/** Whoever signs writes the time: an expired key could date an act back (spec/version1.md 5.3). */
function isOld({ time }: SignedRecord<PackageEntry>, nowMs: number): boolean {
  return time.seconds < BigInt(Math.floor(nowMs / 1000) - EXPIRING_RECORD_AGE_SECONDS_MAX);
}

export function refusal(why: string): RegistryError {
  return new RegistryError('admission/policy', why);
}
