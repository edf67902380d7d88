import {
  canNeverHold,
  chainOf,
  readAnnotations,
  RegistryError,
  type Authority,
  type Grant,
  type GrantId,
  type Holder,
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
  const annotations = readAnnotations(record).flatMap((read) => ('annotation' in read ? [read.annotation] : []));
  const unders = [...record.entries, ...annotations].flatMap((act) => ('under' in act && act.under ? [act.under] : []));
  const withdraws = annotations.some(({ type }) => type === 'withdrawal');
  refuseIdleSigner(signers, (keyId) => takesPart(keyId, { record, state, unders, withdraws, draft }));
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

/** Throws `admission/policy` for the first of the signers that has no part in the record. */
export function refuseIdleSigner(signers: readonly string[], hasPart: (keyId: string) => boolean): void {
  const idle = signers.find((keyId) => !hasPart(keyId));
  if (idle !== undefined) throw refusal(`key ${idle} holds nothing that the record needs: sign without it`);
}

interface Part {
  readonly record: SignedRecord<PackageEntry>;
  readonly state: PackageState;
  readonly unders: readonly GrantId[];
  readonly withdraws: boolean;
  readonly draft: Authority;
}

/**
 * Holds the root, before the record or after it, or something that the record is done under or gives. To take a word back it is
 * enough to hold any grant that stands.
 */
function takesPart(keyId: string, { record, state, unders, withdraws, draft }: Part): boolean {
  const holders = [
    ...(state.root === null ? [] : [state.root]),
    ...(draft.root === null ? [] : [draft.root]),
    ...unders.flatMap((id) => draft.grant(id)?.holder ?? []),
    ...record.entries.flatMap((entry) => ('holder' in entry ? [entry.holder] : [])),
    ...(withdraws ? standingHolders(state, draft) : []),
  ];
  return holders.some(({ keys }) => keys.some(({ id }) => id === keyId));
}

function standingHolders({ grants }: PackageState, draft: Authority): Holder[] {
  const standing = [...grants.values()].filter((grant) =>
    [...chainOf(draft, grant)].every(({ revokedBy }) => revokedBy === null),
  );
  return standing.map(({ holder }) => holder);
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
