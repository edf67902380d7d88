import { RegistryError } from '@waybill/protocol';
import type { SqliteDatabase, SqliteRow } from './sqlite-module.ts';

/** "WAYB": tells a Waybill store from any other SQLite file. */
const APPLICATION_ID = 0x57415942;

/** Forward only, each run once, in order; a released one is never changed. */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE records (
     registry_index INTEGER PRIMARY KEY,
     log_id BLOB NOT NULL,
     log_position INTEGER NOT NULL,
     record_id BLOB NOT NULL UNIQUE,
     contents BLOB NOT NULL,
     key_id TEXT NOT NULL,
     signature TEXT NOT NULL,
     UNIQUE (log_id, log_position)
   ) STRICT;
   CREATE TABLE names (log_id BLOB PRIMARY KEY, name TEXT NOT NULL) STRICT, WITHOUT ROWID;
   CREATE TABLE tiles (
     level INTEGER NOT NULL, tile INTEGER NOT NULL, hashes BLOB NOT NULL, PRIMARY KEY (level, tile)
   ) STRICT;
   CREATE TABLE map_pages (
     prefix TEXT NOT NULL, version INTEGER NOT NULL, page BLOB NOT NULL, PRIMARY KEY (prefix, version)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE heads (
     log_length INTEGER PRIMARY KEY,
     log_root BLOB NOT NULL,
     map_root BLOB NOT NULL,
     timestamp INTEGER NOT NULL,
     key_id TEXT NOT NULL,
     signature TEXT NOT NULL,
     map_version INTEGER
   ) STRICT;
   CREATE TABLE pending (
     record_id BLOB PRIMARY KEY,
     log_id BLOB NOT NULL,
     name TEXT NOT NULL,
     contents BLOB NOT NULL,
     key_id TEXT NOT NULL,
     signature TEXT NOT NULL,
     rejection TEXT,
     updated_at_ms INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;`,
];

/** Sets durability and brings the schema up to date. Throws `storage/damaged` for a foreign or a newer file. */
export function prepareDatabase(database: SqliteDatabase, file: string): void {
  // FULL: a commit is on disk when it returns, also after a power cut. NORMAL would lose the last ones.
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;');
  database.exec('BEGIN IMMEDIATE');
  try {
    const version = pragma(database, 'user_version');
    const application = pragma(database, 'application_id');
    if (application !== APPLICATION_ID && (application !== 0 || version !== 0)) {
      throw new RegistryError('storage/damaged', `${file} is not a Waybill store`);
    }
    if (version > MIGRATIONS.length) {
      throw new RegistryError(
        'storage/damaged',
        `${file} was written by a newer Waybill (schema ${version}): update this one`,
      );
    }
    for (const migration of MIGRATIONS.slice(version)) database.exec(migration);
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${MIGRATIONS.length};`);
    database.exec('COMMIT');
  } catch (failure) {
    database.exec('ROLLBACK');
    throw failure;
  }
}

function pragma(database: SqliteDatabase, name: 'user_version' | 'application_id'): number {
  const row = asRow(database.prepare(`PRAGMA ${name}`).get());
  return row === null ? 0 : Number(row[name]);
}

/** A row as SQLite gives it; `null` when there is none. */
export function asRow(value: unknown): SqliteRow | null {
  return isRow(value) ? value : null;
}

/** True for what SQLite gives as a row. */
export function isRow(value: unknown): value is SqliteRow {
  return typeof value === 'object' && value !== null;
}
