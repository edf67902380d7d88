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
  readonly DatabaseSync: new (path: string, options: { readonly readOnly: boolean }) => SqliteDatabase;
}

/** How a connection is used; one that only reads sees committed data only. */
export type SqliteAccess = 'read' | 'write';

/** Node 22.13 is the first that has `node:sqlite` without a flag. */
const BUILT_IN_SINCE = [22, 13] as const;

const require = createRequire(import.meta.url);

/** Opens a database with Node's own SQLite, or on older Nodes with the package that has its interface. */
export function openDatabase(file: string, access: SqliteAccess): SqliteDatabase {
  const module: unknown = require(hasBuiltIn() ? 'node:sqlite' : '@photostructure/sqlite');
  if (!isSqliteModule(module)) throw new TypeError('this Node.js has no usable SQLite');
  return new module.DatabaseSync(file, { readOnly: access === 'read' });
}

function hasBuiltIn(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return major > BUILT_IN_SINCE[0] || (major === BUILT_IN_SINCE[0] && minor >= BUILT_IN_SINCE[1]);
}

function isSqliteModule(module: unknown): module is SqliteModule {
  return typeof module === 'object' && module !== null && 'DatabaseSync' in module;
}

/** A row as SQLite gives it; `null` when there is none. */
export function asRow(value: unknown): SqliteRow | null {
  return isRow(value) ? value : null;
}

/** True for a row as SQLite gives it. */
export function isRow(value: unknown): value is SqliteRow {
  return typeof value === 'object' && value !== null;
}
