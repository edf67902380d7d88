import { open, rename } from 'node:fs/promises';

/** Readable by its owner only. */
export const KEY_FILE_MODE = 0o600;

/**
 * Makes a key durable before anything is signed with it. Under its own name the file is always whole: a first start that is
 * cut off must not leave a key that the next one cannot read. The folder is synced when the store is made in it.
 */
export async function writeKeyFile(file: string, text: string): Promise<void> {
  const temporary = `${file}.new`;
  const handle = await open(temporary, 'w', KEY_FILE_MODE);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
}
