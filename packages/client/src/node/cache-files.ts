import { createReadStream } from 'node:fs';
import { lstat, mkdir, open, readFile, rename, rm, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { digestHex, utf8, wargApi, type Digest } from '@waybill/protocol';
import type { ContentCache, ContentWriter, LogCache } from '../ports.ts';
import { BLOCK_BYTES } from '../verified-write.ts';
import { FILE_MODE, FOLDER_MODE, replaceFile, requireReplaceable } from './durable-file.ts';
import { hasCode } from './file-failure.ts';
import { openPartsCache } from './parts-cache-files.ts';
import { temporaryBeside } from './temporary-file.ts';

/** Logs as the registry served them, one file each. */
export function openLogFiles(folder: string): LogCache {
  return {
    async read(logId) {
      try {
        const body = await readFile(path.join(folder, `${digestHex(logId)}.json`));
        return wargApi.decodeFetchLogsResponse(body).operator;
      } catch {
        // Missing or unreadable comes to the same: the registry is asked.
        return null;
      }
    },
    async write(logId, records) {
      const file = path.join(folder, `${digestHex(logId)}.json`);
      await replaceFile(file, utf8(JSON.stringify({ operator: records.map(wargApi.publishedRecordBody) })));
    },
  };
}

/** Content as files named by digest, shared by all registries. */
export function openContentCache(folder: string): ContentCache {
  const fileOf = (digest: Digest): string => path.join(folder, 'sha256', digestHex(digest));
  const sizeOf = async (digest: Digest): Promise<number | null> => {
    const stat = await lstat(fileOf(digest)).catch((failure: unknown) => {
      if (hasCode(failure, 'ENOENT')) return null;
      throw failure;
    });
    return stat?.isFile() ? stat.size : null;
  };
  return {
    parts: openPartsCache(folder),
    size: sizeOf,
    read: async (digest) =>
      (await sizeOf(digest)) === null ? null : createReadStream(fileOf(digest), { highWaterMark: BLOCK_BYTES }),
    // Not synced: whoever reads here hashes, and what a crash has damaged is fetched anew.
    writer: (digest) => fileWriter(fileOf(digest), { isSynced: false }),
    forget: (digest) => rm(fileOf(digest), { force: true }),
  };
}

const EARLY_SYNC_BYTES = 16 * 1024 * 1024;

interface FileWriterOptions {
  readonly mode?: number;
  /** Whether the bytes are on the disk before the name is. */
  readonly isSynced?: boolean;
}

/** Writes beside `target` and renames on `keep`; nothing stays after `discard`. */
export async function fileWriter(
  target: string,
  { mode = FILE_MODE, isSynced = true }: FileWriterOptions = {},
): Promise<ContentWriter> {
  await requireReplaceable(target);
  await mkdir(path.dirname(target), { recursive: true, mode: FOLDER_MODE });
  const temporary = await temporaryBeside(target);
  const handle = await open(temporary, 'wx', mode);
  const sync = isSynced ? new EarlySync(handle) : null;
  return {
    async write(chunk) {
      for (let at = 0; at < chunk.length;) at += (await handle.write(chunk, at)).bytesWritten;
      sync?.wrote(chunk.length);
    },
    async keep() {
      await sync?.whole();
      await handle.close();
      await rename(temporary, target);
    },
    async discard() {
      await handle.close().catch(() => undefined);
      await rm(temporary, { force: true });
    },
  };
}

/** Brings what is written to the disk while more comes, so that the last wait is short however long the file is. */
class EarlySync {
  readonly #handle: FileHandle;
  #unsynced = 0;
  #isRunning = false;
  #running: Promise<void> = Promise.resolve();

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  wrote(bytes: number): void {
    this.#unsynced += bytes;
    if (this.#unsynced < EARLY_SYNC_BYTES || this.#isRunning) return;
    this.#unsynced = 0;
    this.#isRunning = true;
    this.#running = this.#syncAfter(this.#running);
    this.#running.catch(() => undefined);
  }

  /** The system tells of a fault once: it is kept for whoever asks for the whole. */
  async #syncAfter(before: Promise<void>): Promise<void> {
    await before;
    await this.#handle.datasync();
    this.#isRunning = false;
  }

  async whole(): Promise<void> {
    await this.#running;
    await this.#handle.sync();
  }
}
