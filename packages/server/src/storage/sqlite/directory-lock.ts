import path from 'node:path';
import { isRegistryError, RegistryError } from '@waybill/protocol';
import { withStorageFailures } from '../sqlite-failure.ts';
import { rollBack } from '../sqlite-file.ts';
import { openDatabase, type SqliteDatabase } from '../sqlite-module.ts';

const LOCK_FILE = 'lock.sqlite';

/** A connection that nothing refers to is collected, and closed: then the lock would be gone although nobody released it. */
const held = new Set<SqliteDatabase>();

/**
 * Holds an existing data folder for this process: a second one is refused. The lock is SQLite's own file lock, so the
 * operating system drops it however the process ends. Returns the release. Throws `storage/busy`, and `storage/damaged` for
 * a folder that is missing or may not be written.
 */
export function holdDirectory(directory: string): () => void {
  const file = path.join(directory, LOCK_FILE);
  // Nothing else may open this file in this process: closing any handle of it would drop the lock (POSIX).
  const database = withStorageFailures(file, () => openDatabase(file, 'write'));
  try {
    // This transaction writes nothing and stays open: it is the lock.
    withStorageFailures(file, () => database.exec('PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE;'));
  } catch (failure) {
    database.close();
    if (!isRegistryError(failure, 'storage/busy')) throw failure;
    const message = `another process uses the data folder ${directory}: stop it, or give this one another --data`;
    throw new RegistryError('storage/busy', message, {}, { cause: failure });
  }
  held.add(database);
  return () => {
    if (!held.delete(database)) return;
    rollBack(database);
    database.close();
  };
}
