import type { BlobRows, OciReader, OciStore, OciSweepReader } from '../../core/oci-ports.ts';
import { OciConnection } from './oci-connection.ts';
import { blobReadsOf, readsOf } from './oci-reading.ts';
import { OciWriteThread } from './oci-write-thread.ts';

export interface OciSqliteStore extends OciStore {
  readonly blobs: BlobRows;
}

/**
 * The OCI side's state in one SQLite file. Writes go through a thread of their own, reads through a connection of the caller's
 * thread; each read is synchronous, so that it sees committed data only. `onFatal` hears of a disk that failed. Throws
 * `storage/damaged` for a file that is foreign, newer than this program or damaged, `storage/busy`, `storage/full`.
 */
export async function openOciSqlite(file: string, onFatal: (failure: unknown) => void): Promise<OciSqliteStore> {
  const thread = await OciWriteThread.start(file, onFatal);
  try {
    const connection = OciConnection.open(file, 'read');
    return {
      ...readsOf(connection),
      write: async (change, durable) => void (await thread.ask({ type: 'write', change, durable })),
      deleteManifest: async (repository, digest) =>
        (await thread.ask({ type: 'delete-manifest', repository, digest })).hit,
      deleteTag: async (repository, tag) => (await thread.ask({ type: 'delete-tag', repository, tag })).hit,
      deleteLink: async (repository, digest) => (await thread.ask({ type: 'delete-link', repository, digest })).hit,
      blobs: {
        ...blobReadsOf(connection),
        put: async (digest, bytes, keptAtMs) => void (await thread.ask({ type: 'put-blob', digest, bytes, keptAtMs })),
        delete: async (digest) => void (await thread.ask({ type: 'delete-blob', digest })),
      },
      deleteLooseLinks: async (links) => [...(await thread.ask({ type: 'delete-loose-links', links })).deleted],
      close: async () => {
        connection.close();
        await thread.close();
      },
    };
  } catch (failure) {
    await thread.close();
    throw failure;
  }
}

/** Reads a file that {@link openOciSqlite} has made, beside whoever writes it. */
export function openOciSqliteReader(file: string): OciReader & OciSweepReader & { close(): void } {
  const connection = OciConnection.open(file, 'read');
  return { ...readsOf(connection), close: () => connection.close() };
}

/** Whether nothing was ever written there. Throws as {@link openOciSqlite}. */
export function isEmptyOciSqlite(file: string): boolean {
  const connection = OciConnection.open(file, 'read');
  try {
    return connection.read(() => connection.one('SELECT 1 FROM sqlite_schema LIMIT 1')) === null;
  } finally {
    connection.close();
  }
}
