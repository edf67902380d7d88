import { chmod, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import {
  formatJosePrivateKey,
  makePrivateKey,
  parseJosePrivateKey,
  RegistryError,
  type JoseAlgorithm,
  type JosePrivateKey,
} from '@waybill/protocol';
import { createFile, FILE_MODE } from './durable-file.ts';
import { hasCode } from './file-failure.ts';

/** A place that keeps secrets by name: the operating system's keyring. */
export interface Keyring {
  get(name: string): string | null;
  set(name: string, secret: string): void;
}

export interface KeyStoreParts {
  /** Folder of key files, each 0600. */
  readonly folder: string;
  /** `null` where there is none. */
  readonly keyring: Keyring | null;
  /** A private key from the environment, for CI; wins over every other. */
  readonly environmentKey: string | undefined;
}

const NAME = /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/;

/** Signing keys by name. A key is in the keyring or in a file, never in both. */
export class KeyStore {
  readonly #parts: KeyStoreParts;

  constructor(parts: KeyStoreParts) {
    this.#parts = parts;
  }

  /** A key of any algorithm. Throws `key/not-found` with the command that makes one, `text/private-key`. */
  async load(name: string): Promise<JosePrivateKey> {
    return parseJosePrivateKey(await this.#text(name));
  }

  async #text(name: string): Promise<string> {
    const { environmentKey, keyring } = this.#parts;
    if (environmentKey !== undefined) return environmentKey.trim();
    const text = keyring?.get(checkedName(name)) ?? (await this.#readFile(name));
    if (text !== null) return text.trim();
    throw new RegistryError(
      'key/not-found',
      `there is no key named ${name}: make one with 'waybill key new${name === 'default' ? '' : ` --name ${name}`}'`,
    );
  }

  /** Makes and keeps a new key. Throws as {@link saveAny}, and `jws/unsupported` where the platform lacks the algorithm. */
  async createAny(name: string, algorithm: JoseAlgorithm, inFile: boolean): Promise<JosePrivateKey> {
    const key = await makePrivateKey(algorithm);
    await this.saveAny(name, key, inFile);
    return key;
  }

  /** Keeps a key under a name that is free. Throws `usage/invalid` when it is taken. */
  async saveAny(name: string, key: JosePrivateKey, inFile: boolean): Promise<void> {
    const { keyring } = this.#parts;
    await this.requireFree(name);
    const text = formatJosePrivateKey(key);
    if (keyring !== null && !inFile) keyring.set(name, text);
    else if (!(await createFile(this.fileOf(name), text))) throw takenName(name);
  }

  /** Throws `usage/invalid` for a name that is taken, and for one that no key can have. */
  async requireFree(name: string): Promise<void> {
    const taken = this.#parts.keyring?.get(checkedName(name)) ?? (await this.#readFile(name));
    if (taken !== null) throw takenName(name);
  }

  /** Names of the keys in files, and of the default one if the keyring has it. */
  async names(): Promise<string[]> {
    const files = await readdir(this.#parts.folder).catch(() => []);
    const inFiles = files.flatMap((file) => (file.endsWith('.key') ? [file.slice(0, -'.key'.length)] : []));
    const inKeyring = this.#parts.keyring?.get('default') != null ? ['default'] : [];
    return [...new Set([...inKeyring, ...inFiles.filter((name) => NAME.test(name))])].toSorted();
  }

  fileOf(name: string): string {
    return path.join(this.#parts.folder, `${checkedName(name)}.key`);
  }

  async #readFile(name: string): Promise<string | null> {
    const file = this.fileOf(name);
    try {
      const text = await readFile(file, 'utf8');
      await chmod(file, FILE_MODE);
      return text;
    } catch (failure) {
      if (hasCode(failure, 'ENOENT')) return null;
      throw failure;
    }
  }
}

function takenName(name: string): RegistryError {
  return new RegistryError('usage/invalid', `a key named ${name} is there already: choose another --name`);
}

/** Names become file names, so they are letters, digits and hyphens. Throws `usage/invalid`. */
function checkedName(name: string): string {
  if (NAME.test(name)) return name;
  // Not quoted: whoever mistakes --key for the key itself gave a secret.
  throw new RegistryError('usage/invalid', "not a key name: use up to 64 of a-z, 0-9 and '-'");
}
