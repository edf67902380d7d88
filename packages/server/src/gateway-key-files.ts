import { randomBytes } from 'node:crypto';
import { chmod, mkdir, open, readFile } from 'node:fs/promises';
import path from 'node:path';
import {
  formatPrivateKey,
  parsePrivateKey,
  privateKeyFromRandom,
  type Namespace,
  type PrivateKey,
} from '@waybill/protocol';
import type { GatewayKeys } from './core/gateway/gateway-keys.ts';
import { KEY_FILE_MODE, writeKeyFile } from './key-file.ts';

const FOLDER = 'gateway';
const FOLDER_MODE = 0o700;

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
    const file = path.join(this.#folder, `${namespace}.key`);
    const text = await readFile(file, 'utf8').catch((failure: unknown) => {
      if (failure instanceof Error && 'code' in failure && failure.code === 'ENOENT') return null;
      throw failure;
    });
    if (text === null) return this.#make(file);
    await chmod(file, KEY_FILE_MODE);
    return parsePrivateKey(text.trim());
  }

  async #make(file: string): Promise<PrivateKey> {
    const key = privateKeyFromRandom(randomBytes(32));
    if (key === null) return this.#make(file);
    await mkdir(this.#folder, { recursive: true, mode: FOLDER_MODE });
    await writeKeyFile(file, formatPrivateKey(key));
    // A package whose key is gone after a power cut could never be claimed.
    await syncFolder(this.#folder);
    await syncFolder(path.dirname(this.#folder));
    return key;
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
