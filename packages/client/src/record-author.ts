import {
  chainOf,
  compareTimestamps,
  findRefusal,
  formatJosePrivateKey,
  holderOf,
  includesPermission,
  judgeRecord,
  localSigner,
  PACKAGE_LOG,
  parsePrivateKey,
  RegistryError,
  signRecord,
  signRecordJointly,
  timestampFromMs,
  type Act,
  type GrantId,
  type JosePrivateKey,
  type LogHead,
  type LogHome,
  type PackageEntry,
  type PackageState,
  type PrivateKey,
  type SignedRecord,
  type Signer,
  type Timestamp,
} from '@waybill/protocol';
import type { Clock, Random } from './ports.ts';

/** Who signs a record: all of `signers` one of version 1; one of version 0 the first alone, which must be of P-256. */
export interface Author {
  readonly signers: readonly [Signer, ...Signer[]];
  /** `null` where the first signer cannot sign records of version 0. */
  readonly wargKey: PrivateKey | null;
}

/** The author who has these keys at hand. */
export function authorOf([first, ...others]: readonly [JosePrivateKey, ...JosePrivateKey[]]): Author {
  const isWarg = first.publicKey.algorithm === 'ES256';
  return {
    signers: [localSigner(first), ...others.map(localSigner)],
    wargKey: isWarg ? parsePrivateKey(formatJosePrivateKey(first)) : null,
  };
}

export interface RecordParts {
  readonly author: Author;
  readonly home: LogHome;
  readonly clock: Clock;
  readonly random: Random;
}

const NANOS_BELOW_MS = 1_000_000;

/**
 * Signs the next record of a log, of version 1 where the log is of version 1, is asked to become so, or is new and its
 * author has no key of version 0. Entries that name no grant are put under one that allows them. Throws the `record/…` code
 * of a rule that the record would break.
 */
export async function makeRecord(
  entries: readonly PackageEntry[],
  state: PackageState,
  parts: RecordParts,
): Promise<SignedRecord<PackageEntry>> {
  const time = recordTime(state.head, parts);
  const prev = state.head?.id ?? null;
  const isVersion1 = state.root !== null || entries[0]?.type === 'root' || isNewWithoutWargKey(state, parts.author);
  const record = isVersion1
    ? await signRecordJointly(
        PACKAGE_LOG,
        { prev, time, entries: grantedEntriesOf(entries, state, { ...parts, time }), home: parts.home },
        parts.author.signers,
      )
    : await signRecord(PACKAGE_LOG, { prev, time, entries: withInit(entries, state, parts) }, wargKeyOf(parts.author));
  judgeRecord(PACKAGE_LOG, state, record);
  return record;
}

function isNewWithoutWargKey(state: PackageState, { wargKey }: Author): boolean {
  return state.length === 0 && wargKey === null;
}

function wargKeyOf({ wargKey, signers: [first] }: Author): PrivateKey {
  if (wargKey !== null) return wargKey;
  throw new RegistryError(
    'usage/invalid',
    `a key of ${first.publicKey.algorithm} signs records of version 1 alone: have a holder upgrade the log with waybill upgrade`,
  );
}

function withInit(
  entries: readonly PackageEntry[],
  state: PackageState,
  { author }: RecordParts,
): readonly PackageEntry[] {
  return state.length > 0 ? entries : [{ type: 'init', key: wargKeyOf(author).publicKey }, ...entries];
}

/** Random below the millisecond, so that two packages never share an init record (spec/admission.md 5.2). */
function recordTime(head: LogHead | null, { clock, random }: RecordParts): Timestamp {
  const [a = 0, b = 0, c = 0] = random(3);
  const now = timestampFromMs(clock(), (a * 65_536 + b * 256 + c) % NANOS_BELOW_MS);
  return head !== null && compareTimestamps(head.time, now) > 0 ? head.time : now;
}

interface GrantedParts extends RecordParts {
  readonly time: Timestamp;
}

function grantedEntriesOf(
  entries: readonly PackageEntry[],
  state: PackageState,
  parts: GrantedParts,
): readonly PackageEntry[] {
  const { signers } = parts.author;
  // Whoever begins version 1 holds the root, and does the rest of the record under it.
  if (entries[0]?.type === 'root') return entries;
  if (state.root === null) {
    const holder = holderOf(
      signers.map(({ publicKey }) => publicKey),
      signers.length,
    );
    return [{ type: 'root', holder }, ...entries];
  }
  return entries.map((entry) => {
    if ('under' in entry || entry.type === 'transfer') return entry;
    const under = findUnder(state, entry, parts);
    return under === null ? entry : { ...entry, under };
  });
}

/** The root if the signers hold it, else the first grant that allows the entry. Throws `record/unauthorized`. */
function findUnder(state: PackageState, entry: PackageEntry, { author, time }: GrantedParts): GrantId | null {
  const signers = new Set(author.signers.map(({ publicKey }) => publicKey.id));
  const act = actOf(entry, time);
  if (findRefusal(state, { signers, under: null }, act) === null) return null;
  for (const grant of state.grants.values()) {
    if (findRefusal(state, { signers, under: grant.id }, act) !== null) continue;
    if (entry.type === 'delegate' && !entry.permissions.every((one) => includesPermission(grant.permissions, one)))
      continue;
    if (entry.type === 'revokeGrant' && !isAtOrAbove(state, grant.id, entry.grant)) continue;
    return grant.id;
  }
  const who = author.signers.map(({ publicKey }) => publicKey.id).join(', ');
  throw new RegistryError('record/unauthorized', `nothing that ${who} holds allows ${entry.type} here`, {
    permission: act.permission ?? '',
  });
}

function actOf(entry: PackageEntry, time: Timestamp): Act {
  switch (entry.type) {
    case 'release':
      return { permission: 'release', time, version: entry.version, claim: entry.claim ?? null };
    case 'yank':
    case 'restore':
      return { permission: entry.type, time, version: entry.version };
    case 'delegate':
      return { permission: 'grant', time };
    default:
      return { permission: null, time };
  }
}

function isAtOrAbove(state: PackageState, under: GrantId, id: GrantId): boolean {
  const grant = state.grant(id);
  if (grant === undefined) return false;
  for (const link of chainOf(state, grant)) if (link.id === under) return true;
  return false;
}
