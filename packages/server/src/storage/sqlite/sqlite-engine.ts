import {
  decodeHex,
  digestBytes,
  RegistryError,
  utf8,
  type Digest,
  type LogId,
  type MapPageRef,
  type PackageName,
  type RecordId,
  type TileCoordinates,
  type TokenId,
} from '@waybill/protocol';
import type {
  Commit,
  Holding,
  HoldingPlace,
  LogName,
  LogNotes,
  PendingRecord,
  RecordRange,
  StoredHead,
  StoredRecord,
  StoredToken,
  TokenUse,
} from '../../core/ports.ts';
import { groupOf, packMapPages, pageInRow, rowWithout } from '../map-rows.ts';
import { bytesOf, numberOf, textOf } from '../sqlite-columns.ts';
import { endsWriting, failedDisk, withStorageFailures } from '../sqlite-failure.ts';
import { foldJournal, rollBack } from '../sqlite-file.ts';
import {
  asRow,
  isRow,
  type SqliteAccess,
  type SqliteDatabase,
  type SqliteRow,
  type SqliteStatement,
} from '../sqlite-module.ts';
import {
  gapOfRow,
  headOfRow,
  headValues,
  holdingOfRow,
  holdingValues,
  nameOfRow,
  notesOfRow,
  pendingOfRow,
  pendingValues,
  recordOfRow,
  recordValues,
  replacesOfRow,
  replacesText,
  tokenOfRow,
  tokenValues,
} from './row.ts';
import { openStoreFile } from './schema.ts';

/** Hex digits come before it. */
const AFTER_ALL_GROUPS = 'g';
/** Rows of the map that stay in memory are those at its top, the newest of each group: 257 of them, some 2 KB each. */
const KEPT_GROUP_DIGITS = 2;

const BEFORE_ALL: HoldingPlace = { registryIndex: -1, entryIndex: -1 };

const SQL = {
  newestHead: 'SELECT * FROM heads ORDER BY log_length DESC LIMIT 1',
  headAt: 'SELECT * FROM heads WHERE log_length = ?',
  headAsOf: 'SELECT * FROM heads WHERE timestamp <= ? ORDER BY timestamp DESC, log_length DESC LIMIT 1',
  headCovering: 'SELECT * FROM heads WHERE log_length > ? ORDER BY log_length LIMIT 1',
  firstHead: 'SELECT * FROM first_heads WHERE log_length = ?',
  keepFirstHead: 'INSERT OR IGNORE INTO first_heads SELECT * FROM heads WHERE log_length = ?',
  putHead: 'INSERT OR REPLACE INTO heads VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  // As the index has them: any other expression would sort all records.
  namePaths: `SELECT CAST(replace(name, ':', '/') AS BLOB) AS path FROM records
    WHERE name IS NOT NULL AND replace(name, ':', '/') > ? ORDER BY replace(name, ':', '/') LIMIT ?`,
  record: 'SELECT * FROM records WHERE record_id = ?',
  log: 'SELECT * FROM records WHERE log_id = ? AND log_position >= ? AND registry_index < ? ORDER BY log_position LIMIT ?',
  records: 'SELECT * FROM records WHERE registry_index >= ? ORDER BY registry_index LIMIT ?',
  putRecord: 'INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
  name: 'SELECT name FROM records WHERE log_id = ? AND log_position = 0',
  tile: 'SELECT hashes FROM tiles WHERE log = ? AND level = ? AND tile = ?',
  putTile: 'INSERT OR REPLACE INTO tiles VALUES (?, ?, ?, ?)',
  mapRow: 'SELECT pages FROM map_rows WHERE version = ?2 AND grp = ?1',
  putMapRow: 'INSERT INTO map_rows VALUES (?, ?, ?, ?)',
  shrinkMapRow: 'UPDATE map_rows SET pages = ?3 WHERE version = ?2 AND grp = ?1',
  deleteMapRow: 'DELETE FROM map_rows WHERE version = ?2 AND grp = ?1',
  mapWalk: `SELECT version, grp, replaces FROM map_rows
    WHERE (version, grp) > (?, ?) AND version <= ? ORDER BY version, grp LIMIT ?`,
  mapFloor: 'SELECT version, pruned FROM map_floor',
  putMapFloor: 'INSERT INTO map_floor (one, version) VALUES (1, ?1) ON CONFLICT (one) DO UPDATE SET version = ?1',
  putPruned: 'UPDATE map_floor SET pruned = ?',
  notes: 'SELECT * FROM notes',
  putNotes: 'INSERT OR REPLACE INTO notes VALUES (1, ?, ?)',
  putPending: 'INSERT OR REPLACE INTO pending VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
  pending: 'SELECT * FROM pending WHERE record_id = ?',
  allPending: 'SELECT * FROM pending ORDER BY updated_at_ms, record_id',
  deletePending: 'DELETE FROM pending WHERE record_id = ?',
  token: 'SELECT * FROM tokens WHERE id = ?',
  tokens: 'SELECT * FROM tokens ORDER BY created_at, id LIMIT ?',
  addToken: 'INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  revokeToken: 'UPDATE tokens SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL',
  useToken: 'UPDATE tokens SET last_used_day = ?2 WHERE id = ?1 AND (last_used_day IS NULL OR last_used_day < ?2)',
  holdings: `SELECT * FROM holdings WHERE digest = ?1 AND (registry_index, entry_index) > (?2, ?3) AND registry_index < ?4
    ORDER BY registry_index, entry_index LIMIT ?5`,
  putHolding: 'INSERT INTO holdings VALUES (?, ?, ?)',
  // A store that was repaired halfway, or damaged, may have some.
  fillHolding: 'INSERT OR IGNORE INTO holdings VALUES (?, ?, ?)',
  holdingsGap: 'SELECT from_index, to_index FROM holdings_gap',
  cutHoldingsGap: 'UPDATE holdings_gap SET from_index = ?',
  endHoldingsGap: 'DELETE FROM holdings_gap WHERE from_index >= to_index',
  forgetTokens: 'DELETE FROM tokens WHERE min(expires_at, coalesce(revoked_at, expires_at)) < ?',
} as const;

/** One connection: plain synchronous calls, each statement prepared once. The asynchronous store stands before it. */
export class SqliteEngine {
  readonly #database: SqliteDatabase;
  readonly #file: string;
  readonly #access: SqliteAccess;
  readonly #topRows = new Map<string, KeptRow>();
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
    const mapRows = packMapPages(commit.mapPages);
    this.#transaction(() => {
      const newest = nullable(this.#one('newestHead'), headOfRow)?.checkpoint.contents;
      const length = newest?.logLength ?? null;
      if (length !== previousLength) {
        const message = `another process has written ${this.#file}: its head is at ${length} records, not ${previousLength}`;
        throw new RegistryError('head/conflict', message);
      }
      // Equal lengths do not tell a head from the same one signed afresh.
      if (newest !== undefined && commit.head.checkpoint.contents.timestamp < newest.timestamp) {
        throw new RegistryError(
          'head/conflict',
          `another process has signed the head of ${this.#file} at a later time`,
        );
      }
      const names = new Map(commit.names.map(({ logId, name }) => [logId, name]));
      for (const record of commit.records) {
        const name = record.logPosition === 0 ? names.get(record.logId) : undefined;
        this.#run('putRecord', ...recordValues(record, name ?? null));
      }
      for (const holding of commit.holdings) this.#run('putHolding', ...holdingValues(holding));
      for (const { log, level, index, hashes } of commit.tiles) this.#run('putTile', log, level, index, hashes);
      for (const { group, version, replaces, bytes } of mapRows) {
        this.#run('putMapRow', group, version, replacesText(replaces), bytes);
      }
      for (const recordId of commit.settled) this.#run('deletePending', digestBytes(recordId));
      if (length === commit.head.checkpoint.contents.logLength) this.#run('keepFirstHead', length);
      this.#run('putHead', ...headValues(commit.head));
      this.#run('putNotes', utf8(commit.notes.records), utf8(commit.notes.heads));
    });
    // Not before they are stored: the version of a commit that failed is used again.
    for (const { group, version, bytes } of mapRows) this.#keepMapRow(group, version, bytes);
  }

  readHead(): StoredHead | null {
    return this.#read(() => nullable(this.#one('newestHead'), headOfRow));
  }

  readHeadAt(logLength: number): StoredHead | null {
    return this.#read(() => nullable(this.#one('headAt', logLength), headOfRow));
  }

  readHeadAsOf(timestamp: number): StoredHead | null {
    return this.#read(() => nullable(this.#one('headAsOf', timestamp), headOfRow));
  }

  readHeadCovering(registryIndex: number): StoredHead | null {
    return this.#snapshot(() => {
      const head = nullable(this.#one('headCovering', registryIndex), headOfRow);
      return head && (nullable(this.#one('firstHead', head.checkpoint.contents.logLength), headOfRow) ?? head);
    });
  }

  readNotes(): LogNotes | null {
    return this.#read(() => nullable(this.#one('notes'), notesOfRow));
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
        if (row !== null && row['name'] !== null) names.set(logId, nameOfRow(row));
      }
      return names;
    });
  }

  listNamePaths(after: string | null, limit: number): string[] {
    return this.#read(() => this.#all('namePaths', after ?? '', limit).map((row) => textOf(row, 'path')));
  }

  readTiles(log: LogName, tiles: readonly TileCoordinates[]): Uint8Array[] {
    return this.#snapshot(() =>
      tiles.map(({ level, index }) => {
        const row = this.#one('tile', log, level, index);
        if (row === null) throw missing(`tile ${level}/${index} of ${log}`);
        return bytesOf(row, 'hashes');
      }),
    );
  }

  readMapPages(pages: readonly MapPageRef[]): Uint8Array[] {
    return this.#snapshot(() =>
      pages.map(({ prefix, version }) => {
        const row = this.#readMapRow(groupOf(prefix), version);
        const page = row && pageInRow(row, prefix);
        if (page === null) throw missing(`map page '${prefix}'@${version}`);
        return page;
      }),
    );
  }

  /** All commits and proofs read the rows at the top, which never change; of those below, hardly two read the same. */
  #readMapRow(group: string, version: number): Uint8Array | null {
    const known = this.#topRows.get(group);
    if (known?.version === version) return known.bytes;
    const bytes = this.#storedMapRow(group, version);
    if (bytes !== null) this.#keepMapRow(group, version, bytes);
    return bytes;
  }

  #storedMapRow(group: string, version: number): Uint8Array | null {
    return nullable(this.#one('mapRow', group, version), (row) => bytesOf(row, 'pages'));
  }

  #keepMapRow(group: string, version: number, bytes: Uint8Array): void {
    if (group.length > KEPT_GROUP_DIGITS || version < (this.#topRows.get(group)?.version ?? 0)) return;
    this.#topRows.set(group, { version, bytes });
  }

  readMapFloor(): number {
    return this.#read(() => nullable(this.#one('mapFloor'), (row) => numberOf(row, 'version')) ?? 0);
  }

  /**
   * See RegistryStore.pruneMap. From the oldest row on, each takes from those before it the pages that it has too, and what
   * is left without any goes. What a row says that it replaces is only where to look.
   */
  pruneMap(floor: number, after: MapWalk | null, limit: number): MapWalk | null {
    return this.#transaction(() => {
      if (this.readMapFloor() < floor) this.#run('putMapFloor', floor);
      const { version, group } = after ?? { version: this.#readPruned(), group: AFTER_ALL_GROUPS };
      const walked = this.#all('mapWalk', version, group, floor, limit).map(walkedOf);
      for (const newer of walked) {
        for (const older of newer.replaces) if (older < newer.version) this.#takeFrom(older, newer);
      }
      if (walked.length === limit) return walked.at(-1) ?? null;
      if (this.#readPruned() < floor) this.#run('putPruned', floor);
      return null;
    });
  }

  /** What is taken once is not looked at again, or a walk would cost more with each record there ever was. */
  #readPruned(): number {
    return nullable(this.#one('mapFloor'), (row) => numberOf(row, 'pruned')) ?? 0;
  }

  #takeFrom(older: number, { group, version }: MapWalk): void {
    const row = this.#storedMapRow(group, older);
    const newer = this.#storedMapRow(group, version);
    if (row === null || newer === null) return;
    const left = rowWithout(row, newer);
    if (left === row) return;
    if (left === null) this.#run('deleteMapRow', group, older);
    else this.#run('shrinkMapRow', group, older, left);
    // Not what it has become: this transaction may fail.
    if (this.#topRows.get(group)?.version === older) this.#topRows.delete(group);
  }

  /** All of it in one transaction. */
  writePending(puts: readonly PendingRecord[], deletes: readonly RecordId[]): void {
    this.#transaction(() => {
      for (const pending of puts) this.#run('putPending', ...pendingValues(pending));
      for (const recordId of deletes) this.#run('deletePending', digestBytes(recordId));
    });
  }

  readPending(recordId: RecordId): PendingRecord | null {
    return this.#read(() => nullable(this.#one('pending', digestBytes(recordId)), pendingOfRow));
  }

  listPending(): PendingRecord[] {
    return this.#read(() => this.#all('allPending').map(pendingOfRow));
  }

  readHoldings(digest: Digest, after: HoldingPlace | null, belowIndex: number, limit: number): Holding[] {
    const { registryIndex, entryIndex } = after ?? BEFORE_ALL;
    return this.#read(() =>
      this.#all('holdings', digestBytes(digest), registryIndex, entryIndex, belowIndex, limit).map(holdingOfRow),
    );
  }

  readHoldingsGap(): RecordRange | null {
    return this.#read(() => nullable(this.#one('holdingsGap'), gapOfRow));
  }

  /** See HoldingsWriter.fillHoldings. */
  fillHoldings({ from, to }: RecordRange, holdings: readonly Holding[]): void {
    this.#transaction(() => {
      if (nullable(this.#one('holdingsGap'), gapOfRow)?.from !== from) return;
      for (const holding of holdings) this.#run('fillHolding', ...holdingValues(holding));
      this.#run('cutHoldingsGap', to);
      this.#run('endHoldingsGap');
    });
  }

  readToken(id: TokenId): StoredToken | null {
    return this.#read(() => nullable(this.#one('token', decodeHex(id)), tokenOfRow));
  }

  listTokens(limit: number): StoredToken[] {
    return this.#read(() => this.#all('tokens', limit).map(tokenOfRow));
  }

  addToken(token: StoredToken): void {
    this.#transaction(() => this.#run('addToken', ...tokenValues(token)));
  }

  revokeToken(id: TokenId, revokedAt: number): boolean {
    return this.#transaction(() => {
      this.#run('revokeToken', decodeHex(id), revokedAt);
      return this.#one('token', decodeHex(id)) !== null;
    });
  }

  forgetTokens(endedBefore: number): void {
    this.#transaction(() => this.#run('forgetTokens', endedBefore));
  }

  markTokensUsed(uses: readonly TokenUse[]): void {
    this.#transaction(() => {
      for (const { id, day } of uses) this.#run('useToken', decodeHex(id), day);
    });
  }

  /** Closing again does nothing. Throws `storage/failed` when the disk failed while the journal was folded. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      if (this.#access === 'write' && this.#broken === null) foldJournal(this.#database, this.#file);
    } finally {
      this.#database.close();
    }
  }

  #transaction<T>(work: () => T): T {
    if (this.#broken !== null) throw this.#broken.by;
    try {
      return withStorageFailures(this.#file, () => {
        this.#database.exec('BEGIN IMMEDIATE');
        const result = work();
        this.#database.exec('COMMIT');
        return result;
      });
    } catch (failure) {
      rollBack(this.#database);
      // After a failed write to the disk the system may have dropped what it could not write, and the next fsync would
      // succeed without it: no retry. Opening afresh reads what is really there.
      if (!(failure instanceof Error) || !endsWriting(failure.cause)) throw failure;
      const failed = failedDisk(failure);
      this.#broken = { by: failed };
      throw failed;
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

interface KeptRow {
  readonly version: number;
  readonly bytes: Uint8Array;
}

/** Where {@link SqliteEngine.pruneMap} stands: the row last looked at. */
export interface MapWalk {
  readonly version: number;
  readonly group: string;
}

function walkedOf(row: SqliteRow): MapWalk & { readonly replaces: readonly number[] } {
  const group = row['grp'];
  if (typeof group !== 'string') throw missing('the prefix of a map row');
  return { group, version: numberOf(row, 'version'), replaces: replacesOfRow(row) };
}

function missing(what: string): RegistryError {
  return new RegistryError('storage/damaged', `${what} is missing from the store: restore it from a backup`);
}
