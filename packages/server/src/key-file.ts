import { open, rename } from 'node:fs/promises';
import { syncHandle } from './blobs/durable-files.ts';
import { withFileFailures } from './blobs/file-failure.ts';

/** Readable by its owner only. */
export const KEY_FILE_MODE = 0o600;

/**
 * Makes a key durable before anything is signed with it. Under its own name the file is always whole: a first start that is
 * cut off must not leave a key that the next one cannot read. The folder is synced when the store is made in it. Throws as
 * {@link withFileFailures}.
 */
export function writeKeyFile(file: string, text: string): Promise<void> {
  const temporary = `${file}.new`;
  return withFileFailures(
    file,
    async () => {
      const handle = await open(temporary, 'w', KEY_FILE_MODE);
      try {
        await handle.writeFile(text);
        await syncHandle(handle, file);
      } finally {
        await handle.close();
      }
      await rename(temporary, file);
    },
    'storage/failed',
  );
}
