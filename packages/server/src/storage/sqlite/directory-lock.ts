import path from 'node:path';
import { RegistryError } from '@waybill/protocol';
import { openDatabase } from './sqlite-module.ts';

/**
 * Holds a data folder for this process: a second one is refused. The lock is SQLite's own file lock, so the operating system
 * drops it however the process ends. Returns the release. Throws `storage/busy`.
 */
export function holdDirectory(directory: string): () => void {
  const database = openDatabase(path.join(directory, 'lock.sqlite'));
  try {
    database.exec('PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;');
  } catch (cause) {
    database.close();
    throw new RegistryError(
      'storage/busy',
      `another process uses the data folder ${directory}: stop it, or give this one another --data`,
      {},
      { cause },
    );
  }
  return () => database.close();
}
