import { setTimeout as wait } from 'node:timers/promises';
import { isRegistryError, RegistryError } from '@waybill/protocol';
import type { PruneCursor, RegistryReader, RegistryStore, TokenReader, TokenStore } from '../../core/ports.ts';
import { SqliteEngine, type MapWalk } from './sqlite-engine.ts';

/** SQLite does not wait for its lock where a file becomes a write-ahead one: processes that start together collide. */
const OPEN_ATTEMPTS_MAX = 100;
const OPEN_WAIT_MS = 50;

/**
 * The registry's state in one SQLite file. Reads and writes share one connection, which keeps what it wrote in memory where
 * another one would have to drop it; each call is synchronous, so that a read sees committed data only. Several processes
 * may open one file: the store decides who commits first. Throws `storage/damaged` for a file that is foreign, newer than
 * this program or damaged, `storage/busy`, `storage/full`.
 */
export async function openSqliteStore(file: string): Promise<RegistryStore & TokenStore> {
  const engine = await openWriter(file);
  return {
    ...readsOf(engine),
    commit: async (previousLength, commit) => engine.commit(previousLength, commit),
    writePending: async (puts, deletes) => engine.writePending(puts, deletes),
    putPending: async (pending) => engine.writePending([pending], []),
    deletePending: async (recordId) => engine.writePending([], [recordId]),
    pruneMap: async (floor, after, pages) => cursorOf(engine.pruneMap(floor, walkOf(after), pages)),
    fillHoldings: async (range, holdings) => engine.fillHoldings(range, holdings),
    addToken: async (token) => engine.addToken(token),
    revokeToken: async (id, revokedAt) => engine.revokeToken(id, revokedAt),
    forgetTokens: async (endedBefore) => engine.forgetTokens(endedBefore),
    markTokensUsed: async (uses) => engine.markTokensUsed(uses),
    close: async () => engine.close(),
  };
}

/** Reads a file that {@link openSqliteStore} has made, beside whoever writes it. */
export function openSqliteReader(file: string): RegistryReader & TokenReader & { close(): void } {
  const reader = SqliteEngine.open(file, 'read');
  return { ...readsOf(reader), close: () => reader.close() };
}

function readsOf(reader: SqliteEngine): RegistryReader & TokenReader {
  return {
    readHead: async () => reader.readHead(),
    readHeadAt: async (logLength) => reader.readHeadAt(logLength),
    readHeadAsOf: async (timestamp) => reader.readHeadAsOf(timestamp),
    readHeadCovering: async (registryIndex) => reader.readHeadCovering(registryIndex),
    readNotes: async () => reader.readNotes(),
    readRecord: async (recordId) => reader.readRecord(recordId),
    readLog: async (logId, { fromPosition, belowIndex, limit }) =>
      reader.readLog(logId, fromPosition, belowIndex, limit),
    readRecords: async (fromIndex, limit) => reader.readRecords(fromIndex, limit),
    readNames: async (logIds) => reader.readNames(logIds),
    listNamePaths: async (after, limit) => reader.listNamePaths(after, limit),
    readTiles: async (log, tiles) => reader.readTiles(log, tiles),
    readMapPages: async (pages) => reader.readMapPages(pages),
    readMapFloor: async () => reader.readMapFloor(),
    readPending: async (recordId) => reader.readPending(recordId),
    listPending: async () => reader.listPending(),
    readHoldings: async (digest, { after, belowIndex, limit }) => reader.readHoldings(digest, after, belowIndex, limit),
    readHoldingsGap: async () => reader.readHoldingsGap(),
    readToken: async (id) => reader.readToken(id),
    listTokens: async (limit) => reader.listTokens(limit),
  };
}

function cursorOf(walk: MapWalk | null): PruneCursor | null {
  return walk && { version: walk.version, group: walk.group };
}

function walkOf(cursor: PruneCursor | null): MapWalk | null {
  if (cursor === null) return null;
  const { group, version } = cursor;
  if (typeof group === 'string' && typeof version === 'number') return { group, version };
  throw new RegistryError('usage/invalid', 'this is no cursor of this store');
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
