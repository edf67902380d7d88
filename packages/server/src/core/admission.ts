import {
  ANNOTATIONS_JUDGED_MAX,
  judgeAnnotations,
  encodeRecordContents,
  entryCountOf,
  equalBytes,
  isDigest,
  isRegistryError,
  keyCountOf,
  RegistryError,
  withoutBuild,
  type GovernanceBinding,
  type GovernanceEntry,
  type Judged,
  type LogDialect,
  type LogState,
  type OperatorEntry,
  type PackageEntry,
  type PackagePermission,
  type PackageState,
  type Release,
  type SignedRecord,
} from '@waybill/protocol';
import { admitGranted, refusal, refuseIdleSigner } from './granted-admission.ts';
import { RECORD_AHEAD_SECONDS_MAX, RECORD_ENTRIES_MAX, RECORD_KEYS_MAX, VERSION_LENGTH_MAX } from './limits.ts';

/*
 * What this server refuses although a log could hold it (spec/admission.md). Never part of validity: imports, mirrors
 * and monitors do not come here.
 */

/** What admission looks at besides the record. */
export interface AdmissionContext<P extends string, B> {
  readonly state: LogState<P, B>;
  readonly judged: Judged<P, B>;
  readonly nowMs: number;
  /** The publisher says that locking everybody out of a permission is meant. */
  readonly final: boolean;
}

/** Throws `admission/policy` or `admission/not-canonical`. */
export function admitPackageRecord(
  dialect: LogDialect<PackageEntry, PackagePermission, Release>,
  record: SignedRecord<PackageEntry>,
  context: AdmissionContext<PackagePermission, Release>,
): void {
  admitRecord(dialect, record, context);
  if (record.binding !== null) admitGranted(record, record.binding, context);
  admitAnnotations(record, context);
  for (const entry of record.entries) {
    if (entry.type === 'grant' || entry.type === 'revoke') refuseEmptyList(entry.permissions);
    if (entry.type !== 'release') continue;
    if (!isDigest(entry.content))
      throw refusal(`version ${entry.version} names its content by a hash of another length`);
    if (entry.version.length > VERSION_LENGTH_MAX)
      throw refusal(`a version is longer than ${VERSION_LENGTH_MAX} characters`);
  }
  refuseTwinVersions(context.state, record.entries);
}

/** What nobody will believe, or read, is no use in a log for ever: spec/admission.md 2.12. */
function admitAnnotations(
  record: SignedRecord<PackageEntry>,
  { state, judged }: AdmissionContext<PackagePermission, Release>,
): void {
  if (record.annotations.length > ANNOTATIONS_JUDGED_MAX) {
    throw refusal(`a record has more than ${ANNOTATIONS_JUDGED_MAX} annotations`);
  }
  for (const one of judgeAnnotations(record, { before: state, after: judged.draft }, () => ANY_TARGET)) {
    if (one.verdict === 'authorized') continue;
    const why =
      'why' in one ? one.why : 'reason' in one ? one.reason : `${one.annotation.type} is no type: free ones are x.…`;
    throw refusal(`annotation ${one.id} is ${one.verdict}: ${why}`);
  }
}

/** What a withdrawal names stands in the log's past, which is not kept here: whoever replays it judges that. */
const ANY_TARGET = { signers: [], isWithdrawal: false };

/** Throws `admission/policy` or `admission/not-canonical`. `commitKeyId` is the key this server signs checkpoints with. */
export function admitOperatorRecord<P extends string, B>(
  dialect: LogDialect<OperatorEntry, P, B>,
  record: SignedRecord<OperatorEntry>,
  context: AdmissionContext<P, B>,
  commitKeyId: string,
): void {
  admitRecord(dialect, record, context);
  for (const entry of record.entries) {
    if (entry.type === 'grant' || entry.type === 'revoke') refuseEmptyList(entry.permissions);
    if (entry.type === 'revoke' && entry.keyId === commitKeyId && entry.permissions.includes('commit')) {
      throw refusal('this server signs its checkpoints with that key: start it with another one first');
    }
  }
}

/** Throws `admission/policy` or `admission/not-canonical`: spec/admission.md 7.3. */
export function admitGovernanceRecord(
  dialect: LogDialect<GovernanceEntry, never, GovernanceBinding>,
  record: SignedRecord<GovernanceEntry>,
  context: AdmissionContext<never, GovernanceBinding>,
): void {
  if (record.annotations.length > 0) throw refusal('annotations mean nothing in a governance log');
  admitRecord(dialect, record, context);
  const { state, judged } = context;
  const roots = [state.root, judged.draft.root].flatMap((root) => root?.keys ?? []);
  refuseIdleSigner(record.binding?.signers ?? [], (keyId) => roots.some(({ id }) => id === keyId));
}

/**
 * Asked before the record is decoded, and thus of anybody: thirty thousand points of P-256 take seconds to be looked at. What
 * is no message at all is told when it is decoded. Throws `admission/policy`.
 */
export function refuseManyParts<E extends { readonly type: string }, P extends string, B>(
  dialect: LogDialect<E, P, B>,
  contents: Uint8Array,
): void {
  // An entry and a key have two bytes each at least: most records need not be counted.
  if (contents.length <= 2 * Math.min(RECORD_ENTRIES_MAX, RECORD_KEYS_MAX)) return;
  if (countOrNone(() => entryCountOf(contents)) > RECORD_ENTRIES_MAX) {
    throw refusal(`a record has more than ${RECORD_ENTRIES_MAX} entries: make several records`);
  }
  if (countOrNone(() => keyCountOf(dialect, contents)) <= RECORD_KEYS_MAX) return;
  throw refusal(`the entries of a record hold more than ${RECORD_KEYS_MAX} keys: make several records`);
}

function countOrNone(count: () => number): number {
  try {
    return count();
  } catch (thrown) {
    if (isRegistryError(thrown)) return 0;
    throw thrown;
  }
}

function admitRecord<E extends { readonly type: string }, P extends string, B>(
  dialect: LogDialect<E, P, B>,
  record: SignedRecord<E>,
  context: AdmissionContext<P, B>,
): void {
  const { state, nowMs } = context;
  if (record.entries.length === 0 && record.annotations.length === 0) throw refusal('the record says nothing');
  if (record.binding === null && record.envelope.cosignatures.length > 0) {
    throw refusal('a record of version 0 has one signature');
  }
  if (record.binding === null && state.length > 0 && !state.permissions.get(record.envelope.keyId)?.size) {
    throw refusal(`key ${record.envelope.keyId} holds no permission any more`);
  }
  const nowSeconds = BigInt(Math.floor(nowMs / 1000));
  if (record.time.seconds < 0n) throw refusal('the record is dated before 1970');
  if (record.time.seconds > nowSeconds + RECORD_AHEAD_SECONDS_MAX) {
    throw refusal(`the record is dated more than ${RECORD_AHEAD_SECONDS_MAX} s ahead: check the clock`);
  }
  if (!equalBytes(encodeRecordContents(dialect, record), record.envelope.contents)) {
    throw new RegistryError('admission/not-canonical', 'the record is not encoded canonically, or has unknown fields');
  }
  if (!context.final) refuseLockOut(context);
}

function refuseEmptyList(permissions: readonly unknown[]): void {
  if (permissions.length === 0) throw refusal('a grant or revoke lists no permission');
}

/** A permission that somebody held before must be held by somebody after, or nobody can ever restore it. */
function refuseLockOut<P extends string, B>({ state, judged }: AdmissionContext<P, B>): void {
  const { touchedKeyIds } = judged.draft;
  const lost = new Set<P>();
  for (const keyId of touchedKeyIds) {
    const left = judged.draft.permissionsOf(keyId);
    for (const permission of state.permissions.get(keyId)?.keys() ?? [])
      if (!left.has(permission)) lost.add(permission);
  }
  if (lost.size === 0) return;
  for (const keyId of [...state.permissions.keys(), ...touchedKeyIds]) {
    for (const permission of judged.draft.permissionsOf(keyId).keys()) lost.delete(permission);
    if (lost.size === 0) return;
  }
  throw refusal(`nobody would hold ${[...lost].join(', ')} any more, for ever; say so with --final if it is meant`);
}

/** Most tools take versions that differ only in build metadata for one. */
function refuseTwinVersions(state: PackageState, entries: readonly PackageEntry[]): void {
  const released = entries.filter((entry) => entry.type === 'release').map((entry) => entry.version);
  if (released.length === 0) return;
  const taken = new Map(released.map((version) => [withoutBuild(version), version]));
  if (taken.size < released.length) throw refusal('two versions of the record differ only in build metadata');
  for (const { version } of state.bindings.values()) {
    const twin = taken.get(withoutBuild(version));
    if (twin === undefined) continue;
    throw refusal(`version ${twin} differs from the released ${version} only in build metadata`);
  }
}
