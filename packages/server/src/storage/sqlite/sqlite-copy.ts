import { isRegistryError, RegistryError } from '@waybill/protocol';
import { withStorageFailures } from '../sqlite-failure.ts';
import { openStoreFile } from './schema.ts';

/**
 * Writes the committed state of a store into a new file, as of one moment, while others go on writing the store. Not
 * durable yet when it returns. Throws `storage/damaged`, `storage/full`, `storage/busy`.
 */
export function copySqliteStore(file: string, copy: string): void {
  try {
    withStorageFailures(file, () => {
      const database = openStoreFile(file, 'read');
      try {
        database.prepare('VACUUM INTO ?').run(copy);
      } finally {
        database.close();
      }
    });
  } catch (failure) {
    if (!isRegistryError(failure, 'storage/damaged')) throw failure;
    const message = `${failure.message}; what is wrong with it: waybill fsck`;
    throw new RegistryError('storage/damaged', message, failure.detail, { cause: failure });
  }
}
