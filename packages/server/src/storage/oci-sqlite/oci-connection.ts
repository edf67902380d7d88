import { endsWriting, failedDisk, withStorageFailures } from '../sqlite-failure.ts';
import { foldJournal, rollBack } from '../sqlite-file.ts';
import {
  asRow,
  isRow,
  type SqliteAccess,
  type SqliteDatabase,
  type SqliteRow,
  type SqliteStatement,
  type SqliteValue,
} from '../sqlite-module.ts';
import { openOciFile } from './oci-schema.ts';

/**
 * What a commit waits for. In a write-ahead log NORMAL leaves it to the system when it writes, so that only a power cut takes
 * anything, and the next FULL commit flushes what is before it, too.
 */
export type Durability = 'NORMAL' | 'FULL';

/** One connection: plain synchronous calls, each statement prepared once. */
export class OciConnection {
  readonly #database: SqliteDatabase;
  readonly #file: string;
  readonly #access: SqliteAccess;
  readonly #statements = new Map<string, SqliteStatement>();
  #durability: Durability | null = null;
  #broken: { readonly by: unknown } | null = null;
  #closed = false;

  /** Over a connection that {@link OciConnection.open} would have opened; `file` names it in messages. */
  constructor(database: SqliteDatabase, file: string, access: SqliteAccess) {
    this.#database = database;
    this.#file = file;
    this.#access = access;
  }

  /** Throws `storage/damaged` for a foreign, newer or damaged file, `storage/busy`, `storage/full`. */
  static open(file: string, access: SqliteAccess): OciConnection {
    return withStorageFailures(file, () => new OciConnection(openOciFile(file, access), file, access));
  }

  /** Throws `storage/failed` once the disk has failed: nobody knows what is on it. */
  transaction<T>(durability: Durability, work: () => T): T {
    if (this.#broken !== null) throw this.#broken.by;
    try {
      return withStorageFailures(this.#file, () => {
        // Not possible within a transaction.
        if (this.#durability !== durability) this.#database.exec(`PRAGMA synchronous = ${durability}`);
        this.#durability = durability;
        this.#database.exec('BEGIN IMMEDIATE');
        const result = work();
        this.#database.exec('COMMIT');
        return result;
      });
    } catch (failure) {
      rollBack(this.#database);
      // After a failed write to the disk the system may have dropped what it could not write: no retry.
      if (!(failure instanceof Error) || !endsWriting(failure.cause)) throw failure;
      const failed = failedDisk(failure);
      this.#broken = { by: failed };
      throw failed;
    }
  }

  read<T>(work: () => T): T {
    return withStorageFailures(this.#file, work);
  }

  /** Several statements on one state of the store, and one round of locks for all. */
  snapshot<T>(work: () => T): T {
    return this.read(() => {
      this.#database.exec('BEGIN');
      try {
        return work();
      } finally {
        rollBack(this.#database);
      }
    });
  }

  run(sql: string, ...values: SqliteValue[]): void {
    this.#statement(sql).run(...values);
  }

  one(sql: string, ...values: SqliteValue[]): SqliteRow | null {
    return asRow(this.#statement(sql).get(...values));
  }

  all(sql: string, ...values: SqliteValue[]): SqliteRow[] {
    return this.#statement(sql)
      .all(...values)
      .filter(isRow);
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

  #statement(sql: string): SqliteStatement {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const fresh = this.#database.prepare(sql);
    this.#statements.set(sql, fresh);
    return fresh;
  }
}
