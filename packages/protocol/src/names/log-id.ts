import { prefixedString } from '../bytes/prefix-encoding.ts';
import { concatBytes, utf8 } from '../bytes/byte-array.ts';
import { digestOf, parseDigest, type Digest } from './digest.ts';
import type { Namespace, PackageName } from './package-name.ts';

declare const logId: unique symbol;
declare const recordId: unique symbol;

/** Names a log. */
export type LogId = Digest & { readonly [logId]: true };

/** SHA-256 over a record's contents with its kind's prefix; covers neither key id nor signature. */
export type RecordId = Digest & { readonly [recordId]: true };

/** The two kinds of log that version 0 has, and the one that has version 1 alone. */
export type LogKind = 'package' | 'operator' | 'governance';

const RECORD_PREFIX: Readonly<Record<LogKind, Uint8Array>> = {
  package: utf8('WARG-PACKAGE-LOG-RECORD-V0:'),
  operator: utf8('WARG-OPERATOR-LOG-RECORD-V0:'),
  governance: utf8('WAYBILL-GOVERNANCE-LOG-RECORD-V1:'),
};

/** The operator log has one id everywhere. */
export const OPERATOR_LOG_ID: LogId = parseLogId(digestOf(utf8('WARG-OPERATOR-LOG-ID-V0')));

/** The governance log of a registry has one id everywhere: spec/governance.md 1.2. */
export const REGISTRY_LOG_ID: LogId = parseLogId(digestOf(utf8('WAYBILL-REGISTRY-LOG-V1')));

/** Throws `text/hash`. */
export function parseLogId(text: string): LogId {
  return parseDigest(text) as LogId;
}

/** Throws `text/hash`. */
export function parseRecordId(text: string): RecordId {
  return parseDigest(text) as RecordId;
}

/** The id of a package's log (spec/encodings.md "package log id"). */
export function packageLogId(name: PackageName): LogId {
  return parseLogId(
    digestOf(concatBytes(utf8('WARG-PACKAGE-LOG-ID-V0:'), utf8('WARG-PACKAGE-ID-V0'), prefixedString(name))),
  );
}

/** The id of a namespace's governance log: spec/governance.md 1.2. */
export function namespaceLogId(namespace: Namespace): LogId {
  return parseLogId(digestOf(concatBytes(utf8('WAYBILL-NAMESPACE-LOG-V1:'), prefixedString(namespace))));
}

/** The id of the governance log of a namespace; of the registry's for `null`. */
export function governanceLogId(namespace: Namespace | null): LogId {
  return namespace === null ? REGISTRY_LOG_ID : namespaceLogId(namespace);
}

/** The id of a record, from its contents exactly as received. */
export function recordIdOf(kind: LogKind, contents: Uint8Array): RecordId {
  return parseRecordId(digestOf(concatBytes(RECORD_PREFIX[kind], contents)));
}
