import { randomBytes } from 'node:crypto';
import { chmod, readFile } from 'node:fs/promises';
import path from 'node:path';
import {
  formatPrivateKey,
  parsePrivateKey,
  privateKeyFromRandom,
  RegistryError,
  type PrivateKey,
} from '@waybill/protocol';
import { KEY_FILE_MODE, writeKeyFile } from './key-file.ts';

const KEY_FILE = 'operator.key';

/**
 * The operator key of a data folder, made on its first start. Readable by its owner only. Throws `key/not-found` when a
 * store is there but its key is not: a new one could sign nothing that clients would believe.
 */
export async function openOperatorKey(directory: string, storeIsNew: boolean): Promise<PrivateKey> {
  const file = path.join(directory, KEY_FILE);
  const text = await readFile(file, 'utf8').catch((failure: unknown) => {
    if (failure instanceof Error && 'code' in failure && failure.code === 'ENOENT') return null;
    throw failure;
  });
  if (text !== null) {
    await chmod(file, KEY_FILE_MODE);
    return parsePrivateKey(text.trim());
  }
  if (!storeIsNew) {
    throw new RegistryError(
      'key/not-found',
      `${file} is missing: put back the operator key that this registry was started with`,
    );
  }
  return makeOperatorKey(file);
}

async function makeOperatorKey(file: string): Promise<PrivateKey> {
  const key = privateKeyFromRandom(randomBytes(32)) ?? (await makeOperatorKey(file));
  await writeKeyFile(file, formatPrivateKey(key));
  return key;
}
