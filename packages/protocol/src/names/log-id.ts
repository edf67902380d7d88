import { prefixedString } from '../bytes/prefix-encoding.ts';
import { concatBytes, utf8 } from '../bytes/byte-array.ts';
import { digestOf, parseDigest, type Digest } from './digest.ts';
import type { PackageName } from './package-name.ts';

declare const logId: unique symbol;
declare const recordId: unique symbol;

/** Names a package log or the operator log. */
export type LogId = Digest & { readonly [logId]: true };

/** SHA-256 over a record's contents with its kind's prefix; covers neither key id nor signature. */
export type RecordId = Digest & { readonly [recordId]: true };

/** The two kinds of log that version 0 has. */
export type LogKind = 'package' | 'operator';

const RECORD_PREFIX: Readonly<Record<LogKind, Uint8Array>> = {
  package: utf8('WARG-PACKAGE-LOG-RECORD-V0:'),
  operator: utf8('WARG-OPERATOR-LOG-RECORD-V0:'),
};

/** The operator log has one id everywhere. */
export const OPERATOR_LOG_ID: LogId = parseLogId(digestOf(utf8('WARG-OPERATOR-LOG-ID-V0')));

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

/** The id of a record, from its contents exactly as received. */
export function recordIdOf(kind: LogKind, contents: Uint8Array): RecordId {
  return parseRecordId(digestOf(concatBytes(RECORD_PREFIX[kind], contents)));
}
