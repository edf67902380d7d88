import { chmod, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { parseBearerToken, type BearerToken } from '../bearer-token.ts';
import { FILE_MODE, replaceFile } from './durable-file.ts';
import { hasCode } from './file-failure.ts';
import { registryFolder } from './registry-folder.ts';

/** Tokens in files that only the user can read, one for each address of a registry. */
export class TokenFiles {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** Throws `text/token` for a file that holds none. */
  async read(registry: URL): Promise<BearerToken | null> {
    const file = this.fileOf(registry);
    try {
      const text = await readFile(file, 'utf8');
      await chmod(file, FILE_MODE);
      return parseBearerToken(text);
    } catch (failure) {
      if (hasCode(failure, 'ENOENT')) return null;
      throw failure;
    }
  }

  async keep(registry: URL, token: BearerToken): Promise<void> {
    await replaceFile(this.fileOf(registry), `${token}\n`);
  }

  /** False when there was none. */
  async forget(registry: URL): Promise<boolean> {
    try {
      await rm(this.fileOf(registry));
      return true;
    } catch (failure) {
      if (hasCode(failure, 'ENOENT')) return false;
      throw failure;
    }
  }

  fileOf(registry: URL): string {
    return path.join(registryFolder(this.#root, registry), 'token');
  }
}
