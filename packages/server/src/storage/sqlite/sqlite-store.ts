import type { LogId, PackageName } from '@waybill/protocol';
import type { RegistryStore } from '../../core/ports.ts';
import { SqliteEngine } from './sqlite-engine.ts';

/**
 * The registry's state in one SQLite file. Writes and reads use a connection each, so that a read sees committed data only.
 * Throws `storage/damaged` for a file that is no store of this version.
 */
export async function openSqliteStore(file: string): Promise<RegistryStore> {
  const writer = new SqliteEngine(file);
  const reader = new SqliteEngine(file);
  return {
    readHead: async () => reader.readHead(),
    commit: async (previousLength, commit) => writer.commit(previousLength, commit),
    readHeadAt: async (logLength) => reader.readHeadAt(logLength),
    readRecord: async (recordId) => reader.readRecord(recordId),
    readLog: async (logId, { fromPosition, belowIndex, limit }) =>
      reader.readLog(logId, fromPosition, belowIndex, limit),
    readRecords: async (fromIndex, limit) => reader.readRecords(fromIndex, limit),
    readNames: async (logIds) => readNames(reader, logIds),
    readTiles: async (tiles) => tiles.map((tile) => reader.readTile(tile)),
    readMapPages: async (pages) => pages.map((page) => reader.readMapPage(page)),
    putPending: async (pending) => writer.putPending(pending),
    readPending: async (recordId) => reader.readPending(recordId),
    listPending: async () => reader.listPending(),
    deletePending: async (recordId) => writer.deletePending(recordId),
    async close() {
      reader.close();
      writer.close();
    },
  };
}

function readNames(reader: SqliteEngine, logIds: readonly LogId[]): ReadonlyMap<LogId, PackageName> {
  const names = new Map<LogId, PackageName>();
  for (const logId of logIds) {
    const name = reader.readName(logId);
    if (name !== null) names.set(logId, name);
  }
  return names;
}
