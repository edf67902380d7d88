import {
  digestBytes,
  parsePackageName,
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
  pendingOfRow,
  pendingValues,
  recordOfRow,
  recordValues,
  textOf,
} from './row.ts';
import { asRow, isRow, prepareDatabase } from './schema.ts';
import { openDatabase, type SqliteDatabase, type SqliteRow, type SqliteStatement } from './sqlite-module.ts';

const SQL = {
  newestHead: 'SELECT * FROM heads ORDER BY log_length DESC LIMIT 1',
  newestLength: 'SELECT max(log_length) AS log_length FROM heads',
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
  allPending: 'SELECT * FROM pending ORDER BY updated_at_ms',
  deletePending: 'DELETE FROM pending WHERE record_id = ?',
} as const;

/** One connection: plain synchronous calls, each statement prepared once. The asynchronous store stands before it. */
export class SqliteEngine {
  readonly #database: SqliteDatabase;
  readonly #statements = new Map<keyof typeof SQL, SqliteStatement>();

  constructor(file: string) {
    this.#database = openDatabase(file);
    prepareDatabase(this.#database, file);
  }

  /** See RegistryStore.commit: compare, write and make durable in one transaction. */
  commit(previousLength: number | null, commit: Commit): void {
    this.#transaction(() => {
      const newest = this.#one('newestLength')?.['log_length'] ?? null;
      if (newest !== previousLength) {
        throw new RegistryError(
          'head/conflict',
          `another process has written the store: its head is at ${newest} records, not ${previousLength}`,
        );
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
    const row = this.#one('newestHead');
    return row && headOfRow(row);
  }

  readHeadAt(logLength: number): StoredHead | null {
    const row = this.#one('headAt', logLength);
    return row && headOfRow(row);
  }

  readRecord(recordId: RecordId): StoredRecord | null {
    const row = this.#one('record', digestBytes(recordId));
    return row && recordOfRow(row);
  }

  readLog(logId: LogId, fromPosition: number, belowIndex: number, limit: number): StoredRecord[] {
    return this.#all('log', digestBytes(logId), fromPosition, belowIndex, limit).map(recordOfRow);
  }

  readRecords(fromIndex: number, limit: number): StoredRecord[] {
    return this.#all('records', fromIndex, limit).map(recordOfRow);
  }

  readName(logId: LogId): PackageName | null {
    const row = this.#one('name', digestBytes(logId));
    return row && parsePackageName(textOf(row, 'name'));
  }

  readTile({ level, index }: TileCoordinates): Uint8Array {
    const row = this.#one('tile', level, index);
    if (row === null) throw new RegistryError('storage/damaged', `tile ${level}/${index} is missing from the store`);
    return bytesOf(row, 'hashes');
  }

  readMapPage({ prefix, version }: MapPageRef): Uint8Array {
    const row = this.#one('mapPage', prefix, version);
    if (row === null)
      throw new RegistryError('storage/damaged', `map page '${prefix}'@${version} is missing from the store`);
    return bytesOf(row, 'page');
  }

  putPending(pending: PendingRecord): void {
    this.#transaction(() => this.#run('putPending', ...pendingValues(pending)));
  }

  readPending(recordId: RecordId): PendingRecord | null {
    const row = this.#one('pending', digestBytes(recordId));
    return row && pendingOfRow(row);
  }

  listPending(): PendingRecord[] {
    return this.#all('allPending').map(pendingOfRow);
  }

  deletePending(recordId: RecordId): void {
    this.#transaction(() => this.#run('deletePending', digestBytes(recordId)));
  }

  close(): void {
    this.#database.close();
  }

  #transaction(work: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.#database.exec('COMMIT');
    } catch (failure) {
      this.#rollback();
      throw storageError(failure);
    }
  }

  #rollback(): void {
    try {
      this.#database.exec('ROLLBACK');
    } catch {
      // SQLite has rolled back by itself, as it does when the disk is full.
    }
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

/** SQLite's primary result codes that the callers tell apart. */
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_NOTADB = 26;

function storageError(failure: unknown): unknown {
  if (!(failure instanceof Error) || failure instanceof RegistryError) return failure;
  const code = 'errcode' in failure && typeof failure.errcode === 'number' ? failure.errcode % 256 : null;
  if (code === SQLITE_FULL || /database or disk is full/.test(failure.message)) {
    return new RegistryError('storage/full', 'there is no room left for the registry', {}, { cause: failure });
  }
  if (code === SQLITE_CORRUPT || code === SQLITE_NOTADB) {
    return new RegistryError('storage/damaged', `the store is damaged: ${failure.message}`, {}, { cause: failure });
  }
  return failure;
}
