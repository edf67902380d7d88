import {
  decodeHex,
  encodeHex,
  isRegistryError,
  messageOf,
  RegistryError,
  type MapPageRef,
  type TileCoordinates,
} from '@waybill/protocol';
import type {
  Holding,
  Inspected,
  InspectedRecord,
  LogName,
  LogNotes,
  PendingRecord,
  RecordRange,
  StoredHead,
  StoredToken,
  StoredTileName,
  StoreInspection,
} from '../../core/ports.ts';
import { countPagesInRow, groupOf, pageInRow } from '../map-rows.ts';
import { bytesOf, numberOf } from '../sqlite-columns.ts';
import { withStorageFailures } from '../sqlite-failure.ts';
import {
  asRow,
  isRow,
  type SqliteDatabase,
  type SqliteRow,
  type SqliteStatement,
  type SqliteValue,
} from '../sqlite-module.ts';
import { gapOfRow, headOfRow, holdingValues, notesOfRow, pendingOfRow, recordOfRow, tokenOfRow } from './row.ts';
import { openStoreFile } from './schema.ts';

/** Rows read at once. */
const PAGE_ROWS = 256;
/** What SQLite names of its own file before it gives up. */
const FILE_PROBLEMS_MAX = 1_000;
/** A record or a length beyond this cannot be one: JavaScript could not tell it from its neighbour. */
const KEY_MAX = Number.MAX_SAFE_INTEGER;

/** No version of a map row is below it. */
const VERSION_MIN = -(2n ** 63n);

// Free texts are read as bytes: damage may have made them something else than UTF-8.
const RECORD = 'SELECT *, CAST(name AS BLOB) AS name_bytes FROM records';
const SQL = {
  integrity: `PRAGMA integrity_check(${FILE_PROBLEMS_MAX})`,
  strangeRecords: `SELECT count(*) AS rows FROM records WHERE registry_index NOT BETWEEN 0 AND ${KEY_MAX}`,
  strangeHeads: `SELECT count(*) AS rows FROM heads WHERE log_length NOT BETWEEN 1 AND ${KEY_MAX}`,
  record: `${RECORD} WHERE registry_index = ?`,
  records: `${RECORD} WHERE registry_index BETWEEN ? AND ${KEY_MAX} ORDER BY registry_index LIMIT ${PAGE_ROWS}`,
  recordKeys: `SELECT registry_index AS key FROM records WHERE registry_index BETWEEN ? AND ${KEY_MAX}
    ORDER BY registry_index LIMIT ${PAGE_ROWS}`,
  head: 'SELECT * FROM heads WHERE log_length = ?',
  heads: `SELECT * FROM heads WHERE log_length BETWEEN ? AND ${KEY_MAX} ORDER BY log_length LIMIT ${PAGE_ROWS}`,
  headKeys: `SELECT log_length AS key FROM heads WHERE log_length BETWEEN ? AND ${KEY_MAX}
    ORDER BY log_length LIMIT ${PAGE_ROWS}`,
  // From the index alone; its integers as text, so that none is too large to be read.
  logKeys: `SELECT log_id, CAST(log_position AS TEXT) AS position, CAST(registry_index AS TEXT) AS key FROM records
    WHERE (log_id, log_position) > (?, ?) ORDER BY log_id, log_position LIMIT ${PAGE_ROWS}`,
  pendingKeys: 'SELECT record_id FROM pending ORDER BY record_id',
  pending: 'SELECT * FROM pending WHERE record_id = ?',
  tokenTables: "SELECT count(*) AS tables FROM sqlite_schema WHERE name = 'tokens'",
  tokenKeys: 'SELECT id FROM tokens ORDER BY id',
  token: 'SELECT * FROM tokens WHERE id = ?',
  tile: 'SELECT hashes FROM tiles WHERE log = ? AND level = ? AND tile = ?',
  tiles: `SELECT CAST(rowid AS TEXT) AS key, log, CAST(level AS TEXT) AS level, CAST(tile AS TEXT) AS tile FROM tiles
    ORDER BY log, level, tile`,
  mapRow: 'SELECT pages FROM map_rows WHERE version = ?2 AND grp = ?1',
  mapRows: `SELECT CAST(version AS TEXT) AS version, CAST(grp AS BLOB) AS grp, pages FROM map_rows
    WHERE (map_rows.version, map_rows.grp) > (?, CAST(? AS TEXT)) ORDER BY map_rows.version, map_rows.grp LIMIT ${PAGE_ROWS}`,
  mapFloor: 'SELECT version FROM map_floor',
  notes: 'SELECT * FROM notes',
  holdingTables: "SELECT count(*) AS tables FROM sqlite_schema WHERE name = 'holdings'",
  holdingRows: 'SELECT count(*) AS rows FROM holdings',
  holdingsGap: 'SELECT from_index, to_index FROM holdings_gap',
  holding: 'SELECT 1 FROM holdings WHERE digest = ? AND registry_index = ? AND entry_index = ?',
} as const;

/**
 * Opens a store to be looked at, beside whoever writes it; a caller that wants one state of it all keeps writers out. Throws
 * `storage/damaged` for a file that is none of ours or cannot be opened at all, `storage/busy`.
 */
export function openSqliteInspection(file: string): StoreInspection & { close(): void } {
  return new SqliteInspection(
    withStorageFailures(file, () => openStoreFile(file, 'read')),
    file,
  );
}

class SqliteInspection implements StoreInspection {
  readonly #database: SqliteDatabase;
  readonly #file: string;
  readonly #statements = new Map<keyof typeof SQL, SqliteStatement>();
  /** Pages that are asked for one after another are often in one row. */
  #mapRow: { readonly group: string; readonly version: number; readonly pages: Uint8Array | null } | null = null;

  constructor(database: SqliteDatabase, file: string) {
    this.#database = database;
    this.#file = file;
  }

  async checkFile(): Promise<string[]> {
    const problems = this.#all('integrity').map((row) => String(Object.values(row)[0]));
    for (const table of ['strangeRecords', 'strangeHeads'] as const) {
      const rows = numberOf(this.#one(table) ?? {}, 'rows');
      if (rows > 0)
        problems.push(`${rows} rows of ${table === 'strangeHeads' ? 'heads' : 'records'} have no usable key`);
    }
    return problems.filter((problem) => problem !== 'ok');
  }

  recordsInOrder(): AsyncIterable<readonly Inspected<InspectedRecord>[]> {
    return this.#pages('records', 'recordKeys', 'record', 'registry_index', inspectedRecordOf);
  }

  heads(): AsyncIterable<readonly Inspected<StoredHead>[]> {
    return this.#pages('heads', 'headKeys', 'head', 'log_length', headOfRow);
  }

  async *recordsByLog(): AsyncGenerator<readonly Inspected<InspectedRecord>[], void, undefined> {
    let after: readonly [Uint8Array, bigint] = [new Uint8Array(), -1n];
    for (;;) {
      const rows = this.#all('logKeys', ...after);
      const last = rows.at(-1);
      if (last === undefined) return;
      yield rows.map((row) => this.#inspectOne('record', Number(row['key']), inspectedRecordOf));
      const end = [bytesOf(last, 'log_id'), BigInt(String(last['position']))] as const;
      requireAdvance(Buffer.compare(after[0], end[0]) || compareNumbers(after[1], end[1]), 'the index of the logs');
      after = end;
    }
  }

  async listPending(): Promise<Inspected<PendingRecord, string>[]> {
    return this.#all('pendingKeys').map((row) => {
      const recordId = bytesOf(row, 'record_id');
      return inspect(encodeHex(recordId), () => pendingOfRow(this.#one('pending', recordId) ?? {}));
    });
  }

  async listTokens(): Promise<Inspected<StoredToken, string>[]> {
    // What is looked at is not brought up to date first.
    if (numberOf(this.#one('tokenTables') ?? {}, 'tables') === 0) return [];
    return this.#all('tokenKeys').map((row) => {
      const id = bytesOf(row, 'id');
      return inspect(encodeHex(id), () => tokenOfRow(this.#one('token', id) ?? {}));
    });
  }

  async readTile(log: LogName, { level, index }: TileCoordinates): Promise<Uint8Array | null> {
    const row = this.#one('tile', log, level, index);
    return row && bytesOf(row, 'hashes');
  }

  async listTiles(): Promise<StoredTileName[]> {
    return this.#all('tiles').map((row) => ({
      key: BigInt(String(row['key'])),
      log: String(row['log']),
      level: Number(row['level']),
      index: Number(row['tile']),
    }));
  }

  async readMapPage({ prefix, version }: MapPageRef): Promise<Uint8Array | null> {
    const group = groupOf(prefix);
    if (this.#mapRow?.group !== group || this.#mapRow.version !== version) {
      const row = this.#one('mapRow', group, version);
      this.#mapRow = { group, version, pages: row && bytesOf(row, 'pages') };
    }
    const { pages } = this.#mapRow;
    try {
      return pages && pageInRow(pages, prefix);
    } catch (failure) {
      // A row without form is told of by surveyMap.
      if (isRegistryError(failure, 'storage/damaged')) return null;
      throw failure;
    }
  }

  async surveyMap(): Promise<{ pages: number; problems: string[] }> {
    const problems: string[] = [];
    let pages = 0;
    let after: readonly [bigint, Uint8Array] = [VERSION_MIN, new Uint8Array()];
    for (;;) {
      const rows = this.#all('mapRows', ...after);
      for (const row of rows) {
        const counted = inspect(0, () => countPagesInRow(bytesOf(row, 'pages')));
        if ('value' in counted) pages += counted.value;
        else problems.push(`row '${printable(bytesOf(row, 'grp'))}'@${String(row['version'])}: ${counted.problem}`);
      }
      const last = rows.at(-1);
      if (last === undefined) return { pages, problems };
      const end = [BigInt(String(last['version'])), bytesOf(last, 'grp')] as const;
      requireAdvance(compareNumbers(after[0], end[0]) || Buffer.compare(after[1], end[1]), 'the map');
      after = end;
    }
  }

  async readMapFloor(): Promise<number> {
    const row = this.#one('mapFloor');
    return row === null ? 0 : numberOf(row, 'version');
  }

  async readNotes(): Promise<LogNotes | null> {
    const row = this.#one('notes');
    return row && notesOfRow(row);
  }

  async surveyHoldings(): Promise<{ rows: number; gap: RecordRange | null } | null> {
    // What is looked at is not brought up to date first.
    if (numberOf(this.#one('holdingTables') ?? {}, 'tables') === 0) return null;
    const gap = this.#one('holdingsGap');
    return { rows: numberOf(this.#one('holdingRows') ?? {}, 'rows'), gap: gap && gapOfRow(gap) };
  }

  async hasHolding(holding: Holding): Promise<boolean> {
    return this.#one('holding', ...holdingValues(holding)) !== null;
  }

  close(): void {
    this.#database.close();
  }

  /** A page that SQLite refuses as a whole, for one value in it, is read row by row. */
  async *#pages<T>(
    page: keyof typeof SQL,
    keys: keyof typeof SQL,
    one: keyof typeof SQL,
    keyColumn: string,
    read: (row: SqliteRow) => T,
  ): AsyncGenerator<readonly Inspected<T>[], void, undefined> {
    for (let from = 0; ;) {
      const rows = this.#rowsOrNull(page, from);
      const found =
        rows?.map((row) => inspect(numberOf(row, keyColumn), () => read(row))) ??
        this.#all(keys, from).map((row) => this.#inspectOne(one, numberOf(row, 'key'), read));
      if (found.length === 0) return;
      for (const { key } of found) {
        requireAdvance(compareNumbers(from, key + 1), `the table of ${page}`);
        from = key + 1;
      }
      yield found;
    }
  }

  #rowsOrNull(name: keyof typeof SQL, from: number): SqliteRow[] | null {
    try {
      return this.#all(name, from);
    } catch (failure) {
      if (isRegistryError(failure, 'storage/damaged')) return null;
      throw failure;
    }
  }

  #inspectOne<T>(name: keyof typeof SQL, key: number, read: (row: SqliteRow) => T): Inspected<T> {
    return inspect(key, () => {
      const row = this.#one(name, key);
      if (row === null) throw new RegistryError('storage/damaged', 'an index leads to it, but it is not there');
      return read(row);
    });
  }

  #statement(name: keyof typeof SQL): SqliteStatement {
    const known = this.#statements.get(name);
    if (known !== undefined) return known;
    const fresh = this.#database.prepare(SQL[name]);
    this.#statements.set(name, fresh);
    return fresh;
  }

  #one(name: keyof typeof SQL, ...values: SqliteValue[]): SqliteRow | null {
    return withStorageFailures(this.#file, () => asRow(this.#statement(name).get(...values)));
  }

  #all(name: keyof typeof SQL, ...values: SqliteValue[]): SqliteRow[] {
    return withStorageFailures(this.#file, () =>
      this.#statement(name)
        .all(...values)
        .filter(isRow),
    );
  }
}

/** `order` is below 0 when a key comes after the one before; damage can make SQLite give the same rows for ever. */
function requireAdvance(order: number, what: string): void {
  if (order < 0) return;
  throw new RegistryError('storage/damaged', `${what} is out of order: what comes after cannot be read`);
}

function compareNumbers<T extends number | bigint>(one: T, other: T): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}

/** Bytes that {@link SqliteInspection.listPending} gave as a key. */
export function pendingKeyBytes(key: string): Uint8Array {
  return decodeHex(key);
}

function inspectedRecordOf(row: SqliteRow): InspectedRecord {
  return { ...recordOfRow(row), name: row['name'] === null ? null : bytesOf(row, 'name_bytes') };
}

function inspect<T, K>(key: K, read: () => T): Inspected<T, K> {
  try {
    return { key, value: read() };
  } catch (failure) {
    if (isRegistryError(failure)) return { key, problem: messageOf(failure) };
    throw failure;
  }
}

function printable(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes).replaceAll(/[^ -~]/g, '?');
}
