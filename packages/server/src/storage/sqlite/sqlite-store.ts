import { setTimeout as wait } from 'node:timers/promises';
import { isRegistryError } from '@waybill/protocol';
import type { RegistryStore } from '../../core/ports.ts';
import { SqliteEngine } from './sqlite-engine.ts';

/** SQLite does not wait for its lock where a file becomes a write-ahead one: processes that start together collide. */
const OPEN_ATTEMPTS_MAX = 100;
const OPEN_WAIT_MS = 50;

/**
 * The registry's state in one SQLite file. Writes and reads use a connection each, so that a read sees committed data only.
 * Several processes may open one file: the store decides who commits first. Throws `storage/damaged` for a file that is
 * foreign, newer than this program or damaged, `storage/busy`, `storage/full`.
 */
export async function openSqliteStore(file: string): Promise<RegistryStore> {
  const writer = await openWriter(file);
  const reader = openReader(file, writer);
  return {
    readHead: async () => reader.readHead(),
    commit: async (previousLength, commit) => writer.commit(previousLength, commit),
    readHeadAt: async (logLength) => reader.readHeadAt(logLength),
    readRecord: async (recordId) => reader.readRecord(recordId),
    readLog: async (logId, { fromPosition, belowIndex, limit }) =>
      reader.readLog(logId, fromPosition, belowIndex, limit),
    readRecords: async (fromIndex, limit) => reader.readRecords(fromIndex, limit),
    readNames: async (logIds) => reader.readNames(logIds),
    readTiles: async (tiles) => reader.readTiles(tiles),
    readMapPages: async (pages) => reader.readMapPages(pages),
    putPending: async (pending) => writer.putPending(pending),
    readPending: async (recordId) => reader.readPending(recordId),
    listPending: async () => reader.listPending(),
    deletePending: async (recordId) => writer.deletePending(recordId),
    async close() {
      // The writer last: only a connection that may write can fold the write-ahead log into the file.
      reader.close();
      writer.close();
    },
  };
}

async function openWriter(file: string): Promise<SqliteEngine> {
  for (let attempt = 1; ; attempt++) {
    try {
      return SqliteEngine.open(file, 'write');
    } catch (failure) {
      if (attempt === OPEN_ATTEMPTS_MAX || !isRegistryError(failure, 'storage/busy')) throw failure;
      await wait(OPEN_WAIT_MS);
    }
  }
}

function openReader(file: string, writer: SqliteEngine): SqliteEngine {
  try {
    return SqliteEngine.open(file, 'read');
  } catch (failure) {
    writer.close();
    throw failure;
  }
}
