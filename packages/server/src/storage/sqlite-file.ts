import { RegistryError } from '@waybill/protocol';
import { numberOf } from './sqlite-columns.ts';
import { endsWriting, failedDisk, withStorageFailures } from './sqlite-failure.ts';
import { asRow, openDatabase, type SqliteAccess, type SqliteDatabase } from './sqlite-module.ts';

/** One sort of store. */
export interface SqliteSchema {
  /** Tells it from any other SQLite file. */
  readonly applicationId: number;
  /** The one that the first migration makes. */
  readonly firstVersion: number;
  /** Forward only, each run once, in order; a released one is never changed. */
  readonly migrations: readonly (string | ((database: SqliteDatabase) => void))[];
  /** What a connection keeps of the file in memory. */
  readonly cacheKib: Readonly<Record<SqliteAccess, number>>;
}

/** How long a connection waits for another one's write transaction. */
const BUSY_TIMEOUT_MS = 10_000;
/** What stays of the write-ahead log's file after a burst. */
const JOURNAL_BYTES_MAX = 64 * 1024 * 1024;
/** Pages of the write-ahead log before it is folded into the file: more of them are written once instead of many times. */
const CHECKPOINT_PAGES = 4_000;

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
export function openSqliteFile(
  schema: SqliteSchema,
  file: string,
  access: SqliteAccess,
  connect = openDatabase,
): SqliteDatabase {
  const database = connect(file, access);
  try {
    database.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}; PRAGMA trusted_schema = OFF;
      PRAGMA cache_size = -${schema.cacheKib[access]};`);
    const version = versionOf(database, schema, file);
    if (access === 'write') prepareWriting(database, { schema, file, version });
    return database;
  } catch (failure) {
    database.close();
    throw failure;
  }
}

/** In a transaction: another process that makes the store meanwhile must be seen wholly or not at all. */
function versionOf(database: SqliteDatabase, schema: SqliteSchema, file: string): number {
  database.exec('BEGIN');
  try {
    return requireStore(database, schema, file);
  } finally {
    rollBack(database);
  }
}

/** The schema version of the file; 0 for a file that is still empty. */
function requireStore(database: SqliteDatabase, schema: SqliteSchema, file: string): number {
  const version = numberFrom(database, 'PRAGMA user_version', 'user_version');
  const application = numberFrom(database, 'PRAGMA application_id', 'application_id');
  const isEmpty = version === 0 && application === 0 && countTables(database) === 0;
  if (application !== schema.applicationId && !isEmpty) {
    throw new RegistryError('storage/damaged', `${file} is not a Waybill store: name another file`);
  }
  if (!isEmpty && version < schema.firstVersion) {
    throw new RegistryError('storage/damaged', `${file} was written by a build before the first release: start afresh`);
  }
  if (version > newestOf(schema)) {
    const message = `${file} was written by a newer Waybill (schema ${version}): update this one`;
    throw new RegistryError('storage/damaged', message, { version });
  }
  return version;
}

function prepareWriting(
  database: SqliteDatabase,
  { schema, file, version }: { readonly schema: SqliteSchema; readonly file: string; readonly version: number },
): void {
  // By `exec`: `get` stops at the row that names the new mode, before the change is on disk, and hides that it failed.
  database.exec('PRAGMA journal_mode = WAL');
  const mode = asRow(database.prepare('PRAGMA journal_mode').get())?.['journal_mode'];
  if (mode !== 'wal') {
    const message = `${file} is on a file system without shared memory (a network share?): move it to a local disk`;
    throw new RegistryError('storage/damaged', message);
  }
  database.exec(DURABILITY);
  if (version < newestOf(schema)) migrate(database, schema, file);
}

function migrate(database: SqliteDatabase, schema: SqliteSchema, file: string): void {
  database.exec('BEGIN IMMEDIATE');
  try {
    // Asked again: another process may have migrated while this one waited for the lock.
    const done = Math.max(requireStore(database, schema, file) - schema.firstVersion + 1, 0);
    for (const migration of schema.migrations.slice(done)) {
      if (typeof migration === 'string') database.exec(migration);
      else migration(database);
    }
    database.exec(`PRAGMA application_id = ${schema.applicationId}; PRAGMA user_version = ${newestOf(schema)};`);
    database.exec('COMMIT');
  } catch (failure) {
    rollBack(database);
    throw failure;
  }
}

/** Ends a transaction that failed. */
export function rollBack(database: SqliteDatabase): void {
  try {
    database.exec('ROLLBACK');
  } catch {
    // SQLite has ended the transaction by itself, as it does when the disk is full, or it never began.
  }
}

function newestOf({ firstVersion, migrations }: SqliteSchema): number {
  return firstVersion + migrations.length - 1;
}

function countTables(database: SqliteDatabase): number {
  return numberFrom(database, 'SELECT count(*) AS tables FROM sqlite_schema', 'tables');
}

function numberFrom(database: SqliteDatabase, sql: string, column: string): number {
  return numberOf(asRow(database.prepare(sql).get()) ?? {}, column);
}

/**
 * Folds the write-ahead log into the file before a connection that wrote is closed. SQLite does this by itself at the last close,
 * but the driver of Node 20 keeps its statements, and so the file, open. Throws `storage/failed` when the disk fails.
 */
export function foldJournal(database: SqliteDatabase, file: string): void {
  try {
    withStorageFailures(file, () => {
      database.exec('PRAGMA synchronous = FULL; PRAGMA busy_timeout = 0; PRAGMA wal_checkpoint(TRUNCATE);');
    });
  } catch (failure) {
    // Without room, say, the write-ahead log goes on holding what it holds. Only a failed fsync must not be passed over.
    if (failure instanceof Error && endsWriting(failure.cause)) throw failedDisk(failure);
  }
}
