import {
  digestBytes,
  formatDigest,
  parseLogId,
  parsePackageName,
  parseRecordId,
  RegistryError,
  type Envelope,
  type SignedCheckpoint,
} from '@waybill/protocol';
import type { PendingRecord, StoredHead, StoredRecord } from '../../core/ports.ts';
import type { SqliteRow, SqliteValue } from './sqlite-module.ts';

/* Rows to values and back. A column of an unexpected type means a damaged file. */

function damaged(column: string): RegistryError {
  return new RegistryError(
    'storage/damaged',
    `column ${column} of the store holds something unexpected: run a check of the disk`,
  );
}

export function bytesOf(row: SqliteRow, column: string): Uint8Array {
  const value = row[column];
  if (!(value instanceof Uint8Array)) throw damaged(column);
  return value;
}

export function numberOf(row: SqliteRow, column: string): number {
  const value = row[column];
  if (typeof value !== 'number') throw damaged(column);
  return value;
}

export function textOf(row: SqliteRow, column: string): string {
  const value = row[column];
  if (typeof value !== 'string') throw damaged(column);
  return value;
}

function envelopeOf(row: SqliteRow): Envelope {
  return { contents: bytesOf(row, 'contents'), keyId: textOf(row, 'key_id'), signature: textOf(row, 'signature') };
}

export function recordOfRow(row: SqliteRow): StoredRecord {
  return {
    registryIndex: numberOf(row, 'registry_index'),
    logId: parseLogId(formatDigest(bytesOf(row, 'log_id'))),
    logPosition: numberOf(row, 'log_position'),
    recordId: parseRecordId(formatDigest(bytesOf(row, 'record_id'))),
    envelope: envelopeOf(row),
  };
}

/** registry_index, log_id, log_position, record_id, contents, key_id, signature. */
export function recordValues({ registryIndex, logId, logPosition, recordId, envelope }: StoredRecord): SqliteValue[] {
  const { contents, keyId, signature } = envelope;
  return [registryIndex, digestBytes(logId), logPosition, digestBytes(recordId), contents, keyId, signature];
}

export function headOfRow(row: SqliteRow): StoredHead {
  const checkpoint: SignedCheckpoint = {
    contents: {
      logLength: numberOf(row, 'log_length'),
      logRoot: formatDigest(bytesOf(row, 'log_root')),
      mapRoot: formatDigest(bytesOf(row, 'map_root')),
      timestamp: numberOf(row, 'timestamp'),
    },
    keyId: textOf(row, 'key_id'),
    signature: textOf(row, 'signature'),
  };
  return { checkpoint, mapVersion: row['map_version'] === null ? null : numberOf(row, 'map_version') };
}

/** log_length, log_root, map_root, timestamp, key_id, signature, map_version. */
export function headValues({ checkpoint, mapVersion }: StoredHead): SqliteValue[] {
  const { logLength, logRoot, mapRoot, timestamp } = checkpoint.contents;
  return [
    logLength,
    digestBytes(logRoot),
    digestBytes(mapRoot),
    timestamp,
    checkpoint.keyId,
    checkpoint.signature,
    mapVersion,
  ];
}

export function pendingOfRow(row: SqliteRow): PendingRecord {
  return {
    recordId: parseRecordId(formatDigest(bytesOf(row, 'record_id'))),
    logId: parseLogId(formatDigest(bytesOf(row, 'log_id'))),
    name: parsePackageName(textOf(row, 'name')),
    envelope: envelopeOf(row),
    rejection: row['rejection'] === null ? null : textOf(row, 'rejection'),
    updatedAtMs: numberOf(row, 'updated_at_ms'),
  };
}

/** record_id, log_id, name, contents, key_id, signature, rejection, updated_at_ms. */
export function pendingValues(pending: PendingRecord): SqliteValue[] {
  const { recordId, logId, name, envelope, rejection, updatedAtMs } = pending;
  const { contents, keyId, signature } = envelope;
  return [digestBytes(recordId), digestBytes(logId), name, contents, keyId, signature, rejection, updatedAtMs];
}
