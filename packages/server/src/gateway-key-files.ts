import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import {
  formatPrivateKey,
  isRegistryError,
  parsePrivateKey,
  privateKeyFromRandom,
  RegistryError,
  type Namespace,
  type PrivateKey,
} from '@waybill/protocol';
import { syncFolder } from './blobs/durable-files.ts';
import { withFileFailures } from './blobs/file-failure.ts';
import type { GatewayKeys } from './core/gateway/gateway-keys.ts';
import { KEY_FILE_MODE, writeKeyFile } from './key-file.ts';

const FOLDER = 'gateway';
const FOLDER_MODE = 0o700;
const SUFFIX = '.key';

/** Keys of the gateway in `gateway/<namespace>.key` below the data folder, readable by its owner only. */
export class GatewayKeyFiles implements GatewayKeys {
  readonly #folder: string;
  readonly #keys = new Map<Namespace, Promise<PrivateKey>>();

  constructor(dataDirectory: string) {
    this.#folder = path.join(dataDirectory, FOLDER);
  }

  /** Asked for twice at once, it is made once. */
  keyOf(namespace: Namespace): Promise<PrivateKey> {
    const known = this.#keys.get(namespace);
    if (known !== undefined) return known;
    const opened = this.#open(namespace);
    this.#keys.set(namespace, opened);
    opened.catch(() => this.#keys.delete(namespace));
    return opened;
  }

  async #open(namespace: Namespace): Promise<PrivateKey> {
    const file = path.join(this.#folder, `${namespace}${SUFFIX}`);
    const text = await readFile(file, 'utf8').catch((failure: unknown) => {
      if (failure instanceof Error && 'code' in failure && failure.code === 'ENOENT') return null;
      throw failure;
    });
    if (text === null) return this.#make(file);
    await chmod(file, KEY_FILE_MODE);
    return parseKey(text.trim(), file);
  }

  async #make(file: string): Promise<PrivateKey> {
    const key = privateKeyFromRandom(randomBytes(32));
    if (key === null) return this.#make(file);
    await withFileFailures(
      this.#folder,
      () => mkdir(this.#folder, { recursive: true, mode: FOLDER_MODE }),
      'storage/failed',
    );
    await writeKeyFile(file, formatPrivateKey(key));
    // A package whose key is gone after a power cut could never be claimed.
    await syncFolder(this.#folder);
    await syncFolder(path.dirname(this.#folder));
    return key;
  }
}

/** The files of all keys that a data folder has; none before the first was needed. */
export async function listGatewayKeys(dataDirectory: string): Promise<readonly string[]> {
  const folder = path.join(dataDirectory, FOLDER);
  const names = await readdir(folder).catch((failure: unknown) => {
    if (failure instanceof Error && 'code' in failure && failure.code === 'ENOENT') return [];
    throw failure;
  });
  // A key that was cut off while it was made has another end.
  return names.filter((name) => name.endsWith(SUFFIX)).map((name) => path.join(folder, name));
}

/** The fault is the operator's, and not that of whoever pushes. */
function parseKey(text: string, file: string): PrivateKey {
  try {
    return parsePrivateKey(text);
  } catch (cause) {
    if (!isRegistryError(cause)) throw cause;
    throw new RegistryError(
      'storage/damaged',
      `${file} holds no key of a gateway: put it back from a backup`,
      {},
      { cause },
    );
  }
}
