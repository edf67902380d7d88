import {
  digestBytes,
  RegistryError,
  type LogId,
  type MapPageRef,
  type PackageName,
  type RecordId,
  type TileCoordinates,
} from '@waybill/protocol';
import type { Commit, PendingRecord, StoredHead, StoredRecord } from '../../core/ports.ts';
import {
  bytesOf,
  headOfRow,
  headValues,
  nameOfRow,
  pendingOfRow,
  pendingValues,
  recordOfRow,
  recordValues,
} from './row.ts';
import { openStoreFile, rollBack } from './schema.ts';
import { endsWriting, withStorageFailures } from './sqlite-failure.ts';
import {
  asRow,
  isRow,
  type SqliteAccess,
  type SqliteDatabase,
  type SqliteRow,
  type SqliteStatement,
} from './sqlite-module.ts';

const SQL = {
  newestHead: 'SELECT * FROM heads ORDER BY log_length DESC LIMIT 1',
  headAt: 'SELECT * FROM heads WHERE log_length = ?',
  putHead: 'INSERT OR REPLACE INTO heads VALUES (?, ?, ?, ?, ?, ?, ?)',
  record: 'SELECT * FROM records WHERE record_id = ?',
  log: 'SELECT * FROM records WHERE log_id = ? AND log_position >= ? AND registry_index < ? ORDER BY log_position LIMIT ?',
  records: 'SELECT * FROM records WHERE registry_index >= ? ORDER BY registry_index LIMIT ?',
  putRecord: 'INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?)',
  name: 'SELECT name FROM names WHERE log_id = ?',
  putName: 'INSERT INTO names VALUES (?, ?)',
  tile: 'SELECT hashes FROM tiles WHERE level = ? AND tile = ?',
  putTile: 'INSERT OR REPLACE INTO tiles VALUES (?, ?, ?)',
  mapPage: 'SELECT page FROM map_pages WHERE prefix = ? AND version = ?',
  putMapPage: 'INSERT INTO map_pages VALUES (?, ?, ?)',
  putPending: 'INSERT OR REPLACE INTO pending VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  pending: 'SELECT * FROM pending WHERE record_id = ?',
  allPending: 'SELECT * FROM pending ORDER BY updated_at_ms, record_id',
  deletePending: 'DELETE FROM pending WHERE record_id = ?',
} as const;

/** One connection: plain synchronous calls, each statement prepared once. The asynchronous store stands before it. */
export class SqliteEngine {
  readonly #database: SqliteDatabase;
  readonly #file: string;
  readonly #access: SqliteAccess;
  readonly #statements = new Map<keyof typeof SQL, SqliteStatement>();
  #broken: { readonly by: unknown } | null = null;
  #closed = false;

  /** Over a connection that {@link SqliteEngine.open} would have opened; `file` names it in messages. */
  constructor(database: SqliteDatabase, file: string, access: SqliteAccess) {
    this.#database = database;
    this.#file = file;
    this.#access = access;
  }

  /** Throws `storage/damaged` for a foreign, newer or damaged file, `storage/busy`, `storage/full`. */
  static open(file: string, access: SqliteAccess): SqliteEngine {
    return withStorageFailures(file, () => new SqliteEngine(openStoreFile(file, access), file, access));
  }

  /** See RegistryStore.commit: compare, write and make durable in one transaction. */
  commit(previousLength: number | null, commit: Commit): void {
    this.#transaction(() => {
      const newest = nullable(this.#one('newestHead'), headOfRow)?.checkpoint.contents.logLength ?? null;
      if (newest !== previousLength) {
        const message = `another process has written ${this.#file}: its head is at ${newest} records, not ${previousLength}`;
        throw new RegistryError('head/conflict', message);
      }
      for (const record of commit.records) this.#run('putRecord', ...recordValues(record));
      for (const { logId, name } of commit.names) this.#run('putName', digestBytes(logId), name);
      for (const { level, index, hashes } of commit.tiles) this.#run('putTile', level, index, hashes);
      for (const { prefix, version, bytes } of commit.mapPages) this.#run('putMapPage', prefix, version, bytes);
      for (const recordId of commit.settled) this.#run('deletePending', digestBytes(recordId));
      this.#run('putHead', ...headValues(commit.head));
    });
  }

  readHead(): StoredHead | null {
    return this.#read(() => nullable(this.#one('newestHead'), headOfRow));
  }

  readHeadAt(logLength: number): StoredHead | null {
    return this.#read(() => nullable(this.#one('headAt', logLength), headOfRow));
  }

  readRecord(recordId: RecordId): StoredRecord | null {
    return this.#read(() => nullable(this.#one('record', digestBytes(recordId)), recordOfRow));
  }

  readLog(logId: LogId, fromPosition: number, belowIndex: number, limit: number): StoredRecord[] {
    return this.#read(() => this.#all('log', digestBytes(logId), fromPosition, belowIndex, limit).map(recordOfRow));
  }

  readRecords(fromIndex: number, limit: number): StoredRecord[] {
    return this.#read(() => this.#all('records', fromIndex, limit).map(recordOfRow));
  }

  readNames(logIds: readonly LogId[]): Map<LogId, PackageName> {
    return this.#snapshot(() => {
      const names = new Map<LogId, PackageName>();
      for (const logId of logIds) {
        const row = this.#one('name', digestBytes(logId));
        if (row !== null) names.set(logId, nameOfRow(row));
      }
      return names;
    });
  }

  readTiles(tiles: readonly TileCoordinates[]): Uint8Array[] {
    return this.#snapshot(() =>
      tiles.map(({ level, index }) => {
        const row = this.#one('tile', level, index);
        if (row === null) throw missing(`tile ${level}/${index}`);
        return bytesOf(row, 'hashes');
      }),
    );
  }

  readMapPages(pages: readonly MapPageRef[]): Uint8Array[] {
    return this.#snapshot(() =>
      pages.map(({ prefix, version }) => {
        const row = this.#one('mapPage', prefix, version);
        if (row === null) throw missing(`map page '${prefix}'@${version}`);
        return bytesOf(row, 'page');
      }),
    );
  }

  putPending(pending: PendingRecord): void {
    this.#transaction(() => this.#run('putPending', ...pendingValues(pending)));
  }

  readPending(recordId: RecordId): PendingRecord | null {
    return this.#read(() => nullable(this.#one('pending', digestBytes(recordId)), pendingOfRow));
  }

  listPending(): PendingRecord[] {
    return this.#read(() => this.#all('allPending').map(pendingOfRow));
  }

  deletePending(recordId: RecordId): void {
    this.#transaction(() => this.#run('deletePending', digestBytes(recordId)));
  }

  /** Closing again does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#access === 'write' && this.#broken === null) this.#foldJournal();
    this.#database.close();
  }

  /** SQLite does this by itself at the last close, but the driver of Node 20 keeps its statements, and so the file, open. */
  #foldJournal(): void {
    try {
      this.#database.exec('PRAGMA busy_timeout = 0; PRAGMA wal_checkpoint(TRUNCATE);');
    } catch {
      // Without room, say: the write-ahead log goes on holding what it holds.
    }
  }

  #transaction(work: () => void): void {
    if (this.#broken !== null) throw this.#broken.by;
    try {
      withStorageFailures(this.#file, () => {
        this.#database.exec('BEGIN IMMEDIATE');
        work();
        this.#database.exec('COMMIT');
      });
    } catch (failure) {
      rollBack(this.#database);
      // After a failed write to the disk the system may have dropped what it could not write, and the next fsync would
      // succeed without it: no retry. Opening afresh reads what is really there.
      if (failure instanceof Error && endsWriting(failure.cause)) this.#broken = { by: failure };
      throw failure;
    }
  }

  #read<T>(work: () => T): T {
    return withStorageFailures(this.#file, work);
  }

  /** Several statements on one state of the store, and one round of locks for all. */
  #snapshot<T>(work: () => T): T {
    return this.#read(() => {
      this.#database.exec('BEGIN');
      try {
        return work();
      } finally {
        rollBack(this.#database);
      }
    });
  }

  #statement(name: keyof typeof SQL): SqliteStatement {
    const known = this.#statements.get(name);
    if (known !== undefined) return known;
    const fresh = this.#database.prepare(SQL[name]);
    this.#statements.set(name, fresh);
    return fresh;
  }

  #run(name: keyof typeof SQL, ...values: Parameters<SqliteStatement['run']>): void {
    this.#statement(name).run(...values);
  }

  #one(name: keyof typeof SQL, ...values: Parameters<SqliteStatement['get']>): SqliteRow | null {
    return asRow(this.#statement(name).get(...values));
  }

  #all(name: keyof typeof SQL, ...values: Parameters<SqliteStatement['all']>): SqliteRow[] {
    return this.#statement(name)
      .all(...values)
      .filter(isRow);
  }
}

function nullable<T>(row: SqliteRow | null, read: (row: SqliteRow) => T): T | null {
  return row === null ? null : read(row);
}

function missing(what: string): RegistryError {
  return new RegistryError('storage/damaged', `${what} is missing from the store: restore it from a backup`);
}
