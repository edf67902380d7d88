import assert from 'node:assert/strict';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  digestBytes,
  OPERATOR_LOG_ID,
  packageLogId,
  recordIdOf,
  type Envelope,
  type LogId,
  type LogKind,
  type PackageName,
  type RecordId,
} from '@waybill/protocol';
import { openDatabase, openSqliteReader, openWriteDesk, type WriteDesk } from '@waybill/server';
import { openRegistry, type TestRegistry } from './registry.ts';

const RECORDS_READ_MAX = 1_000;

/** A record in the order of the registry log. */
export interface HistoryRecord {
  readonly logId: LogId;
  /** `null` for a record of the operator log, or of a governance log. */
  readonly name: PackageName | null;
  readonly envelope: Envelope;
}

export type History = readonly HistoryRecord[];

/** What stands in the database of a registry. */
export async function readHistory({ folder }: TestRegistry): Promise<History> {
  const reader = openSqliteReader(path.join(folder, 'registry.sqlite'));
  try {
    const records = await reader.readRecords(0, RECORDS_READ_MAX);
    assert.ok(records.length < RECORDS_READ_MAX);
    const names = await reader.readNames([...new Set(records.map(({ logId }) => logId))]);
    return records.map(({ logId, envelope }) => ({ logId, envelope, name: names.get(logId) ?? null }));
  } finally {
    reader.close();
  }
}

export interface ServedHistory {
  readonly listen?: string;
  /** A log whose newest record stands in the registry log, and the newest map names the one before it. */
  readonly passedOver?: LogId | null;
  /** A log whose newest record gets a second leaf, after all others, and is served there alone. */
  readonly repeated?: LogId | null;
}

/**
 * Serves any records from a database of their own, with the keys and the content of a registry. They pass no admission: the
 * code that commits hashes and signs them as they are.
 */
export async function serveHistory(
  { folder }: TestRegistry,
  history: History,
  { listen = '127.0.0.1:0', passedOver = null, repeated = null }: ServedHistory = {},
): Promise<TestRegistry> {
  const data = await mkdtemp(path.join(tmpdir(), 'waybill-history-'));
  for (const taken of ['operator.key', 'records-log.key', 'heads-log.key', 'content']) {
    await cp(path.join(folder, taken), path.join(data, taken), { recursive: true });
  }
  const storeFile = path.join(data, 'registry.sqlite');
  const desk = await openWriteDesk({
    storeFile,
    dataDirectory: data,
    lastSignedFile: path.join(data, 'last-signed'),
  });
  await commitAll(desk, history);
  if (passedOver !== null) await passOver(desk, { storeFile, history, log: recordsOf(history, passedOver) });
  if (repeated !== null) await repeat(desk, { storeFile, history, log: recordsOf(history, repeated) });
  await desk.run({ type: 'close' });
  const registry = await openRegistry({ data, listen });
  return {
    ...registry,
    folder: data,
    async dispose() {
      await registry.dispose();
      await rm(data, { recursive: true });
    },
  };
}

/** A head for each record, as an honest registry may have them: every proof that a client asks for can be made. */
async function commitAll(desk: WriteDesk, history: History): Promise<void> {
  const lengths = new Map<LogId, number>();
  for (const [registryIndex, one] of history.entries()) {
    const { logId, name, envelope } = one;
    const logPosition = lengths.get(logId) ?? 0;
    lengths.set(logId, logPosition + 1);
    const record = { registryIndex, logId, logPosition, recordId: idOf(one), envelope };
    const names = logPosition === 0 && name !== null ? [{ logId, name }] : [];
    await desk.run({ type: 'commit', batch: { records: [record], names, holdings: [], settled: [] } });
  }
}

interface LogOfHistory {
  readonly storeFile: string;
  readonly history: History;
  readonly log: History;
}

/** The record before the newest one gets a second leaf, and so the map names it. No row says so: a store has each record once. */
async function passOver(desk: WriteDesk, { storeFile, history, log }: LogOfHistory): Promise<void> {
  const [before, newest] = [log.at(-2) ?? assert.fail(), log.at(-1) ?? assert.fail()];
  const [recordId, hidden] = [idOf(before), idOf(newest)];
  const [registryIndex, logPosition] = [history.length, log.length - 1];
  const database = openDatabase(storeFile, 'write');
  try {
    const rename = database.prepare('UPDATE records SET record_id = ? WHERE record_id = ?');
    const aside = new Uint8Array(32);
    database.prepare('DELETE FROM records WHERE record_id = ?').run(digestBytes(hidden));
    rename.run(aside, digestBytes(recordId));
    const record = { registryIndex, logId: before.logId, logPosition, recordId, envelope: before.envelope };
    await desk.run({ type: 'commit', batch: { records: [record], names: [], holdings: [], settled: [] } });
    database.prepare('DELETE FROM records WHERE registry_index = ?').run(registryIndex);
    rename.run(digestBytes(recordId), aside);
  } finally {
    database.close();
  }
}

/** The row of the first leaf makes way: a store has each record once. */
async function repeat(desk: WriteDesk, { storeFile, history, log }: LogOfHistory): Promise<void> {
  const newest = log.at(-1) ?? assert.fail();
  const [recordId, registryIndex, logPosition] = [idOf(newest), history.length, log.length - 1];
  const database = openDatabase(storeFile, 'write');
  try {
    database.prepare('DELETE FROM records WHERE record_id = ?').run(digestBytes(recordId));
  } finally {
    database.close();
  }
  const record = { registryIndex, logId: newest.logId, logPosition, recordId, envelope: newest.envelope };
  await desk.run({ type: 'commit', batch: { records: [record], names: [], holdings: [], settled: [] } });
}

export function idOf(record: HistoryRecord): RecordId {
  return recordIdOf(kindOf(record), record.envelope.contents);
}

function kindOf({ logId, name }: HistoryRecord): LogKind {
  if (name !== null) return 'package';
  return logId === OPERATOR_LOG_ID ? 'operator' : 'governance';
}

/** The records of one package, in order. */
export function logOf(history: History, name: PackageName): History {
  return recordsOf(history, packageLogId(name));
}

function recordsOf(history: History, logId: LogId): History {
  return history.filter((record) => record.logId === logId);
}
