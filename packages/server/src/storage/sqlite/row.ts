import {
  decodeCosignatures,
  encodeCosignatures,
  NO_COSIGNATURES,
  decodeHex,
  digestBytes,
  encodeHex,
  formatDigest,
  HASH_BYTES,
  parseLogId,
  parsePackageName,
  parseRecordId,
  parseTokenId,
  utf8,
  type Digest,
  type Envelope,
  type PackageName,
  type TokenId,
} from '@waybill/protocol';
import type {
  Holding,
  LogNotes,
  PendingRecord,
  RecordRange,
  StoredHead,
  StoredRecord,
  StoredToken,
} from '../../core/ports.ts';
import { bytesOf, damagedColumn, numberOf, textOf } from '../sqlite-columns.ts';
import type { SqliteRow, SqliteValue } from '../sqlite-module.ts';

/*
 * Rows to values and back. A column that holds anything unexpected throws `storage/damaged`.
 * Texts of free form are stored as their UTF-8 bytes: bound as text, the driver of Node 20 ends them at a NUL.
 */

export function recordOfRow(row: SqliteRow): StoredRecord {
  return {
    registryIndex: numberOf(row, 'registry_index'),
    logId: parseLogId(digestOf(row, 'log_id')),
    logPosition: numberOf(row, 'log_position'),
    recordId: parseRecordId(digestOf(row, 'record_id')),
    envelope: envelopeOf(row),
  };
}

/** registry_index, log_id, log_position, record_id, contents, key_id, signature, name, cosignatures. */
export function recordValues(
  { registryIndex, logId, logPosition, recordId, envelope }: StoredRecord,
  name: PackageName | null,
): SqliteValue[] {
  const ids = [registryIndex, digestBytes(logId), logPosition, digestBytes(recordId)];
  return [...ids, ...envelopeValues(envelope), name, cosignaturesValue(envelope)];
}

export function headOfRow(row: SqliteRow): StoredHead {
  const contents = {
    logLength: numberOf(row, 'log_length'),
    logRoot: digestOf(row, 'log_root'),
    mapRoot: digestOf(row, 'map_root'),
    timestamp: numberOf(row, 'timestamp'),
  };
  return {
    checkpoint: { contents, keyId: textOf(row, 'key_id'), signature: textOf(row, 'signature') },
    mapVersion: row['map_version'] === null ? null : numberOf(row, 'map_version'),
    headsLength: numberOf(row, 'heads_length'),
  };
}

/** log_length, log_root, map_root, timestamp, key_id, signature, map_version, heads_length. */
export function headValues({ checkpoint, mapVersion, headsLength }: StoredHead): SqliteValue[] {
  const { contents, keyId, signature } = checkpoint;
  const roots = [digestBytes(contents.logRoot), digestBytes(contents.mapRoot)];
  return [contents.logLength, ...roots, contents.timestamp, utf8(keyId), utf8(signature), mapVersion, headsLength];
}

export function notesOfRow(row: SqliteRow): LogNotes {
  return { records: textOf(row, 'records'), heads: textOf(row, 'heads') };
}

export function pendingOfRow(row: SqliteRow): PendingRecord {
  return {
    recordId: parseRecordId(digestOf(row, 'record_id')),
    logId: parseLogId(digestOf(row, 'log_id')),
    name: nameOfRow(row),
    envelope: envelopeOf(row),
    rejection: row['rejection'] === null ? null : textOf(row, 'rejection'),
    updatedAtMs: numberOf(row, 'updated_at_ms'),
  };
}

/** record_id, log_id, name, contents, key_id, signature, rejection, updated_at_ms, cosignatures. */
export function pendingValues({ recordId, logId, name, envelope, ...pending }: PendingRecord): SqliteValue[] {
  const rejection = pending.rejection === null ? null : utf8(pending.rejection);
  const ids = [digestBytes(recordId), digestBytes(logId), name];
  return [...ids, ...envelopeValues(envelope), rejection, pending.updatedAtMs, cosignaturesValue(envelope)];
}

export function holdingOfRow(row: SqliteRow): Holding {
  return {
    digest: digestOf(row, 'digest'),
    registryIndex: numberOf(row, 'registry_index'),
    entryIndex: numberOf(row, 'entry_index'),
  };
}

/** digest, registry_index, entry_index. */
export function holdingValues({ digest, registryIndex, entryIndex }: Holding): SqliteValue[] {
  return [digestBytes(digest), registryIndex, entryIndex];
}

export function gapOfRow(row: SqliteRow): RecordRange {
  return { from: numberOf(row, 'from_index'), to: numberOf(row, 'to_index') };
}

export function tokenOfRow(row: SqliteRow): StoredToken {
  const secretHash = bytesOf(row, 'secret_hash');
  if (secretHash.length !== HASH_BYTES) throw damagedColumn('secret_hash');
  return {
    id: tokenIdOf(row),
    secretHash,
    account: textOf(row, 'account'),
    scope: textOf(row, 'scope'),
    createdAt: numberOf(row, 'created_at'),
    expiresAt: numberOf(row, 'expires_at'),
    lastUsedDay: row['last_used_day'] === null ? null : numberOf(row, 'last_used_day'),
    revokedAt: row['revoked_at'] === null ? null : numberOf(row, 'revoked_at'),
  };
}

/** id, secret_hash, account, scope, created_at, expires_at, last_used_day, revoked_at. */
export function tokenValues({ id, secretHash, account, scope, ...token }: StoredToken): SqliteValue[] {
  const times = [token.createdAt, token.expiresAt, token.lastUsedDay, token.revokedAt];
  return [decodeHex(id), secretHash, utf8(account), utf8(scope), ...times];
}

function tokenIdOf(row: SqliteRow): TokenId {
  try {
    return parseTokenId(encodeHex(bytesOf(row, 'id')));
  } catch (cause) {
    throw damagedColumn('id', cause);
  }
}

/** The name in a row of `records` or `pending`. */
export function nameOfRow(row: SqliteRow): PackageName {
  const name = row['name'];
  if (typeof name !== 'string') throw damagedColumn('name');
  try {
    return parsePackageName(name);
  } catch (cause) {
    throw damagedColumn('name', cause);
  }
}

function envelopeOf(row: SqliteRow): Envelope {
  return {
    contents: bytesOf(row, 'contents'),
    keyId: textOf(row, 'key_id'),
    signature: textOf(row, 'signature'),
    cosignatures: cosignaturesOf(row),
  };
}

/** NULL for none, and no column in a store that no newer build has opened for writing yet. */
function cosignaturesOf(row: SqliteRow): Envelope['cosignatures'] {
  if ((row['cosignatures'] ?? null) === null) return NO_COSIGNATURES;
  try {
    return decodeCosignatures(bytesOf(row, 'cosignatures'));
  } catch (cause) {
    throw damagedColumn('cosignatures', cause);
  }
}

function envelopeValues({ contents, keyId, signature }: Envelope): SqliteValue[] {
  return [contents, utf8(keyId), utf8(signature)];
}

function cosignaturesValue({ cosignatures }: Envelope): SqliteValue {
  return cosignatures.length === 0 ? null : encodeCosignatures(cosignatures);
}

function digestOf(row: SqliteRow, column: string): Digest {
  const bytes = bytesOf(row, column);
  if (bytes.length !== HASH_BYTES) throw damagedColumn(column);
  return formatDigest(bytes);
}

/** As `map_rows` has it in a column. */
export function replacesText(versions: readonly number[]): string {
  return versions.join(',');
}

/** What makes no sense says nothing: nothing but the pruning of the map asks. */
export function replacesOfRow(row: SqliteRow): number[] {
  const text = row['replaces'];
  return typeof text === 'string' ? text.split(',').map(Number).filter(Number.isSafeInteger) : [];
}
