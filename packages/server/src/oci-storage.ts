import { existsSync, statSync } from 'node:fs';
import { RegistryError } from '@waybill/protocol';
import type { SharedContentStore } from './blobs/oci-files/oci-blob-files.ts';
import { openOciFiles } from './blobs/oci-files/oci-files.ts';
import { blobsFolder } from './blobs/oci-files/oci-places.ts';
import type { BlobStore, OciStore, UploadStore } from './core/oci-ports.ts';
import { ociFolderOf, ociStoreFileOf } from './data-folder.ts';
import { watched, type OnFatal } from './fatal-watch.ts';
import { isEmptyOciSqlite, openOciSqlite } from './storage/oci-sqlite/oci-sqlite-store.ts';

/** Where the OCI side keeps what is beside the log. */
export interface OciStorage {
  readonly store: OciStore;
  readonly blobs: BlobStore;
  readonly uploads: UploadStore;
  /** Everything that was answered is where it was said to be when this resolves. */
  close(): Promise<void>;
}

/**
 * Opens it in a data folder that this process holds, making what is not there yet; `content` is the log's content there. A
 * write that leaves the disk in doubt ends the process (SECURITY.md D5). Throws `storage/…`.
 */
export async function openOciStorage(
  dataDirectory: string,
  onFatal: OnFatal,
  content: SharedContentStore,
): Promise<OciStorage> {
  refuseLostStore(dataDirectory);
  const store = await openOciSqlite(ociStoreFileOf(dataDirectory), onFatal);
  try {
    const { blobs, uploads } = await openOciFiles(ociFolderOf(dataDirectory), content, store.blobs);
    return {
      store,
      blobs: watchBlobs(blobs, onFatal),
      uploads: watchUploads(uploads, onFatal),
      close: () => store.close(),
    };
  } catch (failure) {
    await store.close();
    throw failure;
  }
}

/**
 * Over an empty store every blob would be garbage, and gone before anybody has missed the old one. Also one without tables is
 * no store: so it looks where it was copied without its write-ahead log.
 */
function refuseLostStore(dataDirectory: string): void {
  const folder = ociFolderOf(dataDirectory);
  if (!existsSync(blobsFolder(folder))) return;
  const file = ociStoreFileOf(dataDirectory);
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > 0 && !isEmptyOciSqlite(file)) return;
  const message = `${file} is missing or empty, and with it all that was pushed: take it from a backup, or remove ${folder} to begin anew`;
  throw new RegistryError('storage/damaged', message);
}

function watchBlobs(blobs: BlobStore, onFatal: OnFatal): BlobStore {
  return {
    size: (digest) => blobs.size(digest),
    read: (digest, range) => blobs.read(digest, range),
    makeDurable: (digests) => watched(blobs.makeDurable(digests), onFatal),
    list: () => blobs.list(),
    keptAtMs: (digest) => blobs.keptAtMs(digest),
    delete: (digest) => watched(blobs.delete(digest), onFatal),
    adoptContent: (digest) => watched(blobs.adoptContent(digest), onFatal),
    giveToContent: (digest) => watched(blobs.giveToContent(digest), onFatal),
  };
}

function watchUploads(uploads: UploadStore, onFatal: OnFatal): UploadStore {
  return {
    start: (session) => watched(uploads.start(session), onFatal),
    find: (id) => uploads.find(id),
    append: (id, body, bytesMax, isLast) => watched(uploads.append(id, body, bytesMax, isLast), onFatal),
    truncate: (id, length) => watched(uploads.truncate(id, length), onFatal),
    finish: (id, digest) => watched(uploads.finish(id, digest), onFatal),
    cancel: (id) => watched(uploads.cancel(id), onFatal),
    list: () => uploads.list(),
  };
}
