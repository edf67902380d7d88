import { RegistryError } from '@waybill/protocol';
import { replacedRows } from '../map-rows.ts';
import { bytesOf, numberOf, replacesText } from './row.ts';
import { asRow, isRow, openDatabase, type SqliteAccess, type SqliteDatabase } from './sqlite-module.ts';

/** "WAYB": tells a Waybill store from any other SQLite file. */
const APPLICATION_ID = 0x57415942;

/** The schema that the first migration makes; stores of builds before it cannot be read. */
const FIRST_VERSION = 2;

/** Forward only, each run once, in order; a released one is never changed. */
const MIGRATIONS: readonly (string | ((database: SqliteDatabase) => void))[] = [
  `CREATE TABLE records (
     registry_index INTEGER PRIMARY KEY,
     log_id BLOB NOT NULL,
     log_position INTEGER NOT NULL,
     record_id BLOB NOT NULL UNIQUE,
     contents BLOB NOT NULL,
     key_id BLOB NOT NULL,
     signature BLOB NOT NULL,
     name TEXT, -- of the package, in the first record of its log
     UNIQUE (log_id, log_position)
   ) STRICT;
   CREATE TABLE tiles (
     log TEXT NOT NULL, level INTEGER NOT NULL, tile INTEGER NOT NULL, hashes BLOB NOT NULL,
     PRIMARY KEY (log, level, tile)
   ) STRICT;
   CREATE TABLE map_rows (
     grp TEXT NOT NULL, version INTEGER NOT NULL, pages BLOB NOT NULL, PRIMARY KEY (grp, version DESC)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE map_floor (one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL) STRICT;
   CREATE TABLE heads (
     log_length INTEGER PRIMARY KEY,
     log_root BLOB NOT NULL,
     map_root BLOB NOT NULL,
     timestamp INTEGER NOT NULL,
     key_id BLOB NOT NULL,
     signature BLOB NOT NULL,
     map_version INTEGER,
     heads_length INTEGER NOT NULL
   ) STRICT;
   CREATE INDEX heads_by_time ON heads (timestamp, log_length);
   CREATE TABLE notes (one INTEGER PRIMARY KEY CHECK (one = 1), records BLOB NOT NULL, heads BLOB NOT NULL) STRICT;
   CREATE TABLE pending (
     record_id BLOB PRIMARY KEY,
     log_id BLOB NOT NULL,
     name TEXT NOT NULL,
     contents BLOB NOT NULL,
     key_id BLOB NOT NULL,
     signature BLOB NOT NULL,
     rejection BLOB,
     updated_at_ms INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;`,
  `CREATE TABLE tokens (
     id BLOB PRIMARY KEY,
     secret_hash BLOB NOT NULL,
     account BLOB NOT NULL,
     scope BLOB NOT NULL,
     created_at INTEGER NOT NULL,
     expires_at INTEGER NOT NULL,
     last_used_day INTEGER,
     revoked_at INTEGER
   ) STRICT, WITHOUT ROWID;`,
  // Of the signers after the first one; NULL for none.
  'ALTER TABLE records ADD COLUMN cosignatures BLOB; ALTER TABLE pending ADD COLUMN cosignatures BLOB;',
  sortMapRowsByVersion,
  // Releases by their content, and the records that have no such rows yet, for core makes them from contents; one row, or none.
  `CREATE TABLE holdings (
     digest BLOB NOT NULL, registry_index INTEGER NOT NULL, entry_index INTEGER NOT NULL,
     PRIMARY KEY (digest, registry_index, entry_index)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE holdings_gap (
     one INTEGER PRIMARY KEY CHECK (one = 1), from_index INTEGER NOT NULL, to_index INTEGER NOT NULL
   ) STRICT;
   INSERT INTO holdings_gap SELECT 1, 0, registry_index + 1 FROM records ORDER BY registry_index DESC LIMIT 1;`,
  // Heads that were signed again, as they were first signed.
  `CREATE TABLE first_heads (
     log_length INTEGER PRIMARY KEY,
     log_root BLOB NOT NULL,
     map_root BLOB NOT NULL,
     timestamp INTEGER NOT NULL,
     key_id BLOB NOT NULL,
     signature BLOB NOT NULL,
     map_version INTEGER,
     heads_length INTEGER NOT NULL
   ) STRICT;`,
];

const NEWEST_VERSION = FIRST_VERSION + MIGRATIONS.length - 1;

/** How long a connection waits for another one's write transaction. */
const BUSY_TIMEOUT_MS = 10_000;
/** What stays of the write-ahead log's file after a burst. */
const JOURNAL_BYTES_MAX = 64 * 1024 * 1024;
/** Pages of the write-ahead log before it is folded into the file: more of them are written once instead of many times. */
const CHECKPOINT_PAGES = 4_000;
/** What a connection keeps of the file in memory. The system keeps the rest, and whoever reads finds most of it there. */
const CACHE_KIB: Readonly<Record<SqliteAccess, number>> = { write: 16 * 1024, read: 8 * 1024 };

/**
 * FULL: a commit is on disk when it returns, also after a power cut; NORMAL would lose the last ones. The `fullfsync` pair
 * matters on macOS only, where a plain fsync stops at the disk's cache.
 */
const DURABILITY = `PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;
  PRAGMA journal_size_limit = ${JOURNAL_BYTES_MAX}; PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};`;

/**
 * Opens a connection to a store; the first one that writes makes the file and brings its schema up to date. Throws
 * `storage/damaged` for a foreign or a newer file, which is left as it is, and what SQLite throws. `connect` is another way
 * to the file, for tests that die on it.
 */
export function openStoreFile(file: string, access: SqliteAccess, connect = openDatabase): SqliteDatabase {
  const database = connect(file, access);
  try {
    database.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}; PRAGMA trusted_schema = OFF;
      PRAGMA cache_size = -${CACHE_KIB[access]};`);
    const version = versionOf(database, file);
    if (access === 'write') prepareWriting(database, file, version);
    return database;
  } catch (failure) {
    database.close();
    throw failure;
  }
}

/** In a transaction: another process that makes the store meanwhile must be seen wholly or not at all. */
function versionOf(database: SqliteDatabase, file: string): number {
  database.exec('BEGIN');
  try {
    return requireStore(database, file);
  } finally {
    rollBack(database);
  }
}

/** The schema version of the file; 0 for a file that is still empty. */
function requireStore(database: SqliteDatabase, file: string): number {
  const version = numberFrom(database, 'PRAGMA user_version', 'user_version');
  const application = numberFrom(database, 'PRAGMA application_id', 'application_id');
  const isEmpty = version === 0 && application === 0 && countTables(database) === 0;
  if (application !== APPLICATION_ID && !isEmpty) {
    throw new RegistryError('storage/damaged', `${file} is not a Waybill store: name another file`);
  }
  if (!isEmpty && version < FIRST_VERSION) {
    throw new RegistryError('storage/damaged', `${file} was written by a build before the first release: start afresh`);
  }
  if (version > NEWEST_VERSION) {
    const message = `${file} was written by a newer Waybill (schema ${version}): update this one`;
    throw new RegistryError('storage/damaged', message, { version });
  }
  return version;
}

function prepareWriting(database: SqliteDatabase, file: string, version: number): void {
  // By `exec`: `get` stops at the row that names the new mode, before the change is on disk, and hides that it failed.
  database.exec('PRAGMA journal_mode = WAL');
  const mode = asRow(database.prepare('PRAGMA journal_mode').get())?.['journal_mode'];
  if (mode !== 'wal') {
    const message = `${file} is on a file system without shared memory (a network share?): move it to a local disk`;
    throw new RegistryError('storage/damaged', message);
  }
  database.exec(DURABILITY);
  if (version < NEWEST_VERSION) migrate(database, file);
}

function migrate(database: SqliteDatabase, file: string): void {
  database.exec('BEGIN IMMEDIATE');
  try {
    // Asked again: another process may have migrated while this one waited for the lock.
    const done = Math.max(requireStore(database, file) - FIRST_VERSION + 1, 0);
    for (const migration of MIGRATIONS.slice(done)) {
      if (typeof migration === 'string') database.exec(migration);
      else migration(database);
    }
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${NEWEST_VERSION};`);
    database.exec('COMMIT');
  } catch (failure) {
    rollBack(database);
    throw failure;
  }
}

/**
 * Rows of the map in the order in which they are written: sorted by group, each commit wrote to as many places of the file as
 * it has records. With a rowid, for a row of an index that is longer than a quarter of a page spills into a page of its own.
 */
function sortMapRowsByVersion(database: SqliteDatabase): void {
  database.exec(`ALTER TABLE map_rows RENAME TO map_rows_by_group;
    CREATE TABLE map_rows (
      grp TEXT NOT NULL,
      version INTEGER NOT NULL,
      replaces TEXT NOT NULL, -- versions of the rows of the group whose pages this one's replace, with commas between
      pages BLOB NOT NULL,
      PRIMARY KEY (version, grp)
    ) STRICT;
    INSERT INTO map_rows SELECT grp, version, '', pages FROM map_rows_by_group ORDER BY version, grp;
    -- Rows up to this version have taken what they replace.
    ALTER TABLE map_floor ADD COLUMN pruned INTEGER NOT NULL DEFAULT 0;`);
  const groups = database.prepare('SELECT DISTINCT grp FROM map_rows_by_group').all().filter(isRow);
  const rows = database.prepare('SELECT version, pages FROM map_rows_by_group WHERE grp = ? ORDER BY version');
  const put = database.prepare('UPDATE map_rows SET replaces = ? WHERE version = ? AND grp = ?');
  for (const { grp = null } of groups) {
    const standing = rows.all(grp).filter(isRow);
    const read = standing.map((row) => ({ version: numberOf(row, 'version'), bytes: bytesOf(row, 'pages') }));
    for (const { version, replaces } of replacedRows(read)) {
      if (replaces.length > 0) put.run(replacesText(replaces), version, grp);
    }
  }
  database.exec('DROP TABLE map_rows_by_group');
}

/** Ends a transaction that failed. */
export function rollBack(database: SqliteDatabase): void {
  try {
    database.exec('ROLLBACK');
  } catch {
    // SQLite has ended the transaction by itself, as it does when the disk is full, or it never began.
  }
}

function countTables(database: SqliteDatabase): number {
  return numberFrom(database, 'SELECT count(*) AS tables FROM sqlite_schema', 'tables');
}

function numberFrom(database: SqliteDatabase, sql: string, column: string): number {
  return numberOf(asRow(database.prepare(sql).get()) ?? {}, column);
}
