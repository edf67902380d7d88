import { createRequire } from 'node:module';

/** A value that SQLite stores or gives. */
export type SqliteValue = null | number | bigint | string | Uint8Array;
export type SqliteRow = Readonly<Record<string, SqliteValue>>;

/** The part of `node:sqlite` that is used here; the fallback package has the same interface. */
export interface SqliteStatement {
  run(...values: SqliteValue[]): unknown;
  get(...values: SqliteValue[]): unknown;
  all(...values: SqliteValue[]): unknown[];
}

export interface SqliteDatabase {
  exec(sql: string): void;
  prepare(sql: string): SqliteStatement;
  close(): void;
}

interface SqliteModule {
  readonly DatabaseSync: new (path: string, options?: { readonly timeout?: number }) => SqliteDatabase;
}

/** How long a connection waits for another one's write transaction. */
const BUSY_TIMEOUT_MS = 10_000;
/** Node 22.13 is the first that has `node:sqlite` without a flag. */
const BUILT_IN_SINCE = [22, 13] as const;

const require = createRequire(import.meta.url);

function hasBuiltIn(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return major > BUILT_IN_SINCE[0] || (major === BUILT_IN_SINCE[0] && minor >= BUILT_IN_SINCE[1]);
}

/** Opens a database with Node's own SQLite, or on older Nodes with the package that has its interface. */
export function openDatabase(file: string): SqliteDatabase {
  const module: unknown = require(hasBuiltIn() ? 'node:sqlite' : '@photostructure/sqlite');
  if (!isSqliteModule(module)) throw new TypeError('this SQLite module has no DatabaseSync');
  return new module.DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS });
}

function isSqliteModule(module: unknown): module is SqliteModule {
  return typeof module === 'object' && module !== null && 'DatabaseSync' in module;
}
