import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { digestHex, encodeHex, RegistryError, sha256Stream, type Digest } from '@waybill/protocol';
import type { ByteRange, ContentSharing, SharedSlice } from '../../core/ports.ts';
import { ensureFolder, syncFolder } from '../durable-files.ts';
import { withFileFailures } from '../file-failure.ts';
import {
  fileOf,
  findPlain,
  openShared,
  readContent,
  readShared,
  sharedFileOf,
  startUpload,
  type FileUpload,
} from './content-files.ts';
import { encodeSharedHeader } from './shared-file.ts';

/** See {@link ContentSharing}; for the content store that is open on `root`. */
export function openContentSharing(root: string): ContentSharing {
  return {
    async baseOf(digest) {
      if (findPlain(root, digest) !== null) return null;
      const opened = await openShared(root, digest);
      await opened?.handle.close();
      return opened?.content.base ?? null;
    },
    share: (digest, base, slices) =>
      withFileFailures(root, () => shareContent(root, { digest, base, slices }), 'storage/failed'),
    unshare: (digest) => withFileFailures(root, () => unshareContent(root, digest), 'storage/failed'),
  };
}

async function shareContent(
  root: string,
  { digest, base, slices }: { readonly digest: Digest; readonly base: Digest; readonly slices: readonly SharedSlice[] },
): Promise<void> {
  const plain = fileOf(root, digest);
  const keptAtMs = findPlain(root, digest)?.keptAtMs;
  if (keptAtMs === undefined) throw new RegistryError('content/not-found', `${digest} does not stand alone`);
  const shared = sharedFileOf(root, digest);
  await ensureFolder(path.dirname(shared.folder));
  const upload = await startFile(root);
  await writeOr(upload, async () => {
    await upload.write(encodeSharedHeader(base, slices));
    for await (const chunk of readContent(root, digest, ownRanges(slices))) await upload.write(chunk);
  });
  await upload.keepAs(shared, keptAtMs);
  const opened = await openShared(root, digest);
  const isSame =
    opened !== null && (await isContent(readShared(root, opened, [{ start: 0, end: opened.content.size }]), digest));
  if (!isSame) {
    await rm(shared.file, { force: true });
    throw new RegistryError('storage/damaged', `the slices of ${base} do not make ${digest}`);
  }
  // Twice durable. A crash on either side leaves both, or the shared one; a reader that has the plain one open reads on.
  await syncFolder(plain.folder, () => rm(plain.file, { force: true }));
}

/** The bytes that the base does not have. */
function ownRanges(slices: readonly SharedSlice[]): readonly ByteRange[] {
  const ranges: ByteRange[] = [];
  let at = 0;
  for (const { baseStart, length } of slices) {
    if (baseStart === null) ranges.push({ start: at, end: at + length });
    at += length;
  }
  return ranges;
}

async function unshareContent(root: string, digest: Digest): Promise<void> {
  const opened = await openShared(root, digest);
  if (opened === null) return;
  const upload = await startFile(root).catch(async (failure: unknown) => {
    await opened.handle.close();
    throw failure;
  });
  const hash = sha256Stream();
  await writeOr(upload, async () => {
    for await (const chunk of readShared(root, opened, [{ start: 0, end: opened.content.size }])) {
      hash.update(chunk);
      await upload.write(chunk);
    }
    if (encodeHex(hash.digest()) === digestHex(digest)) return;
    throw new RegistryError('storage/damaged', `${opened.file} is damaged, or what it has slices of`);
  });
  await upload.keepAs(fileOf(root, digest), opened.keptAtMs);
  await rm(opened.file, { force: true });
}

function startFile(root: string): Promise<FileUpload> {
  return startUpload(root, path.join(root, 'uploads', randomUUID()));
}

async function writeOr(upload: FileUpload, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (failure) {
    await upload.discard();
    throw failure;
  }
}

async function isContent(chunks: AsyncIterable<Uint8Array>, digest: Digest): Promise<boolean> {
  const hash = sha256Stream();
  for await (const chunk of chunks) hash.update(chunk);
  return encodeHex(hash.digest()) === digestHex(digest);
}
