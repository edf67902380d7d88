import { constants } from 'node:fs';
import { lstat, open, readdir, readFile, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { digestHex, messageOf, parseDigest, RegistryError, type Digest } from '@waybill/protocol';
import type { CachedContent, PartsCache } from '../ports.ts';
import { replaceFile } from './durable-file.ts';
import { hasCode } from './file-failure.ts';

/** Parts of the content that is cached in `folder`, with the lists of them beside it. */
export function openPartsCache(folder: string): PartsCache {
  const contents = path.join(folder, 'sha256');
  const listOf = (digest: Digest): string => path.join(folder, 'parts', `${digestHex(digest)}.parts`);
  return {
    newest: () => newestIn(contents),
    open: (digest) => openContent(path.join(contents, digestHex(digest))),
    readList: async (digest) => unlessMissing(readFile(listOf(digest))),
    keepList: (digest, list) => replaceFile(listOf(digest), list),
  };
}

async function newestIn(contents: string): Promise<readonly { readonly digest: Digest; readonly size: number }[]> {
  const names = (await unlessMissing(readdir(contents))) ?? [];
  const found = await Promise.all(
    names.map(async (name) => {
      const stat = /^[0-9a-f]{64}$/.test(name) ? await unlessMissing(lstat(path.join(contents, name))) : null;
      if (stat?.isFile() !== true) return [];
      return [{ digest: parseDigest(`sha256:${name}`), size: stat.size, atMs: stat.mtimeMs }];
    }),
  );
  return found.flat().toSorted((a, b) => b.atMs - a.atMs);
}

async function openContent(file: string): Promise<CachedContent | null> {
  // Not defined on Windows. A link would be read as somebody else's bytes; the hash of the whole would refuse them, late.
  const noFollow = process.platform === 'win32' ? 0 : constants.O_NOFOLLOW;
  const handle = await unlessMissing(open(file, constants.O_RDONLY | noFollow));
  if (handle === null) return null;
  return { read: ({ start, end }) => readWhole(handle, file, start, end), close: () => handle.close() };
}

async function readWhole(handle: FileHandle, file: string, start: number, end: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(end - start);
  for (let done = 0; done < bytes.length;) {
    const { bytesRead } = await handle.read(bytes, done, bytes.length - done, start + done).catch(unreadable(file));
    if (bytesRead === 0) throw new RegistryError('content/not-found', `${file} ends before ${end}`);
    done += bytesRead;
  }
  return bytes;
}

function unreadable(file: string): (cause: unknown) => never {
  return (cause) => {
    throw new RegistryError('content/not-found', `${file}: ${messageOf(cause)}`, {}, { cause });
  };
}

async function unlessMissing<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (failure) {
    if (hasCode(failure, 'ENOENT') || hasCode(failure, 'ELOOP')) return null;
    throw failure;
  }
}
