import {
  digestOf,
  formatPrivateKey,
  holderOf,
  localSigner,
  NO_PREDICATES,
  PACKAGE_LOG,
  parseJosePrivateKey,
  parseVersion,
  signRecordJointly,
  type DelegateEntry,
  type Holder,
  type JosePrivateKey,
  type LogHome,
  type PackageEntry,
  type Permission,
  type Predicates,
  type RecordId,
  type SignedRecord,
  type Timestamp,
} from '@waybill/protocol';
import { keyOf } from './publisher.ts';

/* Records of version 1 that may go against every rule but those of their form: signed, never judged. */

/** The same key for the same name, in every run. */
export function joseKeyOf(name: string): JosePrivateKey {
  return parseJosePrivateKey(formatPrivateKey(keyOf(name)));
}

/** All of these people together. */
export function holderNamed(...names: readonly string[]): Holder {
  return holderOf(
    names.map((name) => joseKeyOf(name).publicKey),
    names.length,
  );
}

export function delegateTo(
  names: readonly string[],
  permissions: readonly Permission[],
  predicates: Partial<Predicates> = {},
): DelegateEntry {
  const holder = holderNamed(...names);
  return { type: 'delegate', holder, permissions, predicates: { ...NO_PREDICATES, ...predicates } };
}

/** A release that says what its content is, and how large: as large as it is, if nothing else is given. */
export function claimedRelease(version: string, bytes: Uint8Array, size: number = bytes.length): PackageEntry {
  const claim = { mediaType: 'application/wasm', size };
  return { type: 'release', version: parseVersion(version), content: digestOf(bytes), claim };
}

/** Where and when a record stands, and who signs it. */
export interface JointParts {
  readonly prev: RecordId | null;
  readonly time: Timestamp;
  readonly home: LogHome;
  readonly by: readonly string[];
  readonly annotations?: readonly Uint8Array[];
}

export function signJointly(
  entries: readonly PackageEntry[],
  { prev, time, home, by, annotations = [] }: JointParts,
): Promise<SignedRecord<PackageEntry>> {
  const signers = by.map((name) => localSigner(joseKeyOf(name)));
  return signRecordJointly(PACKAGE_LOG, { prev, time, entries, annotations, home }, signers);
}
