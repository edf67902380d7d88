import { RegistryError, utf8Text } from '@waybill/protocol';
import type { SqliteRow } from './sqlite-module.ts';

/* What a column holds; anything unexpected throws `storage/damaged`. */

export function bytesOf(row: SqliteRow, column: string): Uint8Array {
  const value = row[column];
  if (!(value instanceof Uint8Array)) throw damagedColumn(column);
  return value;
}

export function numberOf(row: SqliteRow, column: string): number {
  const value = row[column];
  if (typeof value !== 'number') throw damagedColumn(column);
  return value;
}

export function textOf(row: SqliteRow, column: string): string {
  const text = utf8Text(bytesOf(row, column));
  if (text === null) throw damagedColumn(column);
  return text;
}

export function damagedColumn(column: string, cause?: unknown): RegistryError {
  const message = `column ${column} of the store holds something unexpected: restore it from a backup`;
  return new RegistryError('storage/damaged', message, {}, { cause });
}
