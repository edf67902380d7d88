import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openContentFiles } from '../../../src/blobs/files/content-files.ts';
import { openOciStorage, type OciStorage } from '../../../src/oci-storage.ts';

/** A data folder with the drivers that a server has. They take the time from the system. */
export class RealDrivers {
  readonly folder: string;
  #storage: OciStorage;

  private constructor(folder: string, storage: OciStorage) {
    this.folder = folder;
    this.#storage = storage;
  }

  static async open(): Promise<RealDrivers> {
    const folder = await mkdtemp(path.join(tmpdir(), 'waybill-oci-'));
    return new RealDrivers(folder, await openStorage(folder));
  }

  get storage(): OciStorage {
    return this.#storage;
  }

  /** As a process that ends, and the next one. */
  async restart(): Promise<OciStorage> {
    await this.#storage.close();
    this.#storage = await openStorage(this.folder);
    return this.#storage;
  }

  async dispose(): Promise<void> {
    await this.#storage.close();
    await rm(this.folder, { recursive: true });
  }
}

async function openStorage(folder: string): Promise<OciStorage> {
  const onFatal = (failure: unknown): void => {
    throw failure;
  };
  return openOciStorage(folder, onFatal, await openContentFiles(path.join(folder, 'content')));
}
