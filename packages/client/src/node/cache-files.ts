import { createReadStream } from 'node:fs';
import { lstat, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { digestHex, utf8, wargApi, type Digest } from '@waybill/protocol';
import type { ContentCache, ContentWriter, LogCache } from '../ports.ts';
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
    read: async (digest) => ((await sizeOf(digest)) === null ? null : createReadStream(fileOf(digest))),
    writer: (digest) => fileWriter(fileOf(digest)),
    forget: (digest) => rm(fileOf(digest), { force: true }),
  };
}

/** Writes beside `target` and renames on `keep`; nothing stays after `discard`. */
export async function fileWriter(target: string, mode: number = FILE_MODE): Promise<ContentWriter> {
  await requireReplaceable(target);
  await mkdir(path.dirname(target), { recursive: true, mode: FOLDER_MODE });
  const temporary = await temporaryBeside(target);
  const handle = await open(temporary, 'wx', mode);
  return {
    async write(chunk) {
      await handle.writeFile(chunk);
    },
    async keep() {
      await handle.sync();
      await handle.close();
      await rename(temporary, target);
    },
    async discard() {
      await handle.close().catch(() => undefined);
      await rm(temporary, { force: true });
    },
  };
}
