import { replacedRows } from '../map-rows.ts';
import { bytesOf, numberOf } from '../sqlite-columns.ts';
import { openSqliteFile, type SqliteSchema } from '../sqlite-file.ts';
import { isRow, openDatabase, type SqliteAccess, type SqliteDatabase } from '../sqlite-module.ts';
import { replacesText } from './row.ts';

const MIGRATIONS: SqliteSchema['migrations'] = [
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
  // Names of packages, as they are listed.
  `CREATE INDEX IF NOT EXISTS records_by_name_path ON records (replace(name, ':', '/')) WHERE name IS NOT NULL;`,
];

const SCHEMA: SqliteSchema = {
  // "WAYB".
  applicationId: 0x57415942,
  // Stores of builds before it cannot be read.
  firstVersion: 2,
  migrations: MIGRATIONS,
  // The system keeps the rest, and whoever reads finds most of it there.
  cacheKib: { write: 16 * 1024, read: 8 * 1024 },
};

/** See {@link openSqliteFile}, for a registry's store. */
export function openStoreFile(file: string, access: SqliteAccess, connect = openDatabase): SqliteDatabase {
  return openSqliteFile(SCHEMA, file, access, connect);
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
