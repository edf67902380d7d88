import { digestBytes, utf8 } from '@waybill/protocol';
import type { MapPageWrite, StoreRepairs } from '../../core/ports.ts';
import { groupOf, packMapPages } from '../map-rows.ts';
import { withStorageFailures } from '../sqlite-failure.ts';
import { rollBack } from '../sqlite-file.ts';
import type { SqliteDatabase } from '../sqlite-module.ts';
import { openStoreFile } from './schema.ts';
import { pendingKeyBytes } from './sqlite-inspection.ts';

/**
 * Writes what an inspection has derived anew, in one transaction; nobody else may have the store open. Throws
 * `storage/damaged` where SQLite cannot write for damage of its own, `storage/full`.
 */
export function repairSqliteStore(file: string, repairs: StoreRepairs): void {
  withStorageFailures(file, () => {
    const database = openStoreFile(file, 'write');
    try {
      if (repairs.reindex) database.exec('REINDEX');
      database.exec('BEGIN IMMEDIATE');
      repairTiles(database, repairs);
      if (repairs.map !== null) replaceMap(database, repairs.map);
      repairRows(database, repairs);
      if (repairs.emptyHoldings) database.exec(EMPTY_HOLDINGS);
      database.exec('COMMIT');
      database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    } catch (failure) {
      rollBack(database);
      throw failure;
    } finally {
      database.close();
    }
  });
}

const EMPTY_HOLDINGS = `DELETE FROM holdings; DELETE FROM holdings_gap;
  INSERT INTO holdings_gap SELECT 1, 0, registry_index + 1 FROM records ORDER BY registry_index DESC LIMIT 1;`;

function repairTiles(database: SqliteDatabase, { tiles, surplusTiles }: StoreRepairs): void {
  // By row: the name of the log may be damaged into something that is no text.
  const remove = database.prepare('DELETE FROM tiles WHERE rowid = ?');
  for (const { key } of surplusTiles) remove.run(key);
  const put = database.prepare('INSERT OR REPLACE INTO tiles VALUES (?, ?, ?, ?)');
  for (const { log, level, index, hashes } of tiles) put.run(log, level, index, hashes);
}

/** No older row is left. */
const NOTHING_REPLACED = '';

function replaceMap(database: SqliteDatabase, { floor, pages }: NonNullable<StoreRepairs['map']>): void {
  database.exec('DELETE FROM map_rows');
  database.prepare('INSERT OR REPLACE INTO map_floor (one, version) VALUES (1, ?)').run(floor);
  const put = database.prepare('INSERT INTO map_rows VALUES (?, ?, ?, ?)');
  for (const row of rowsOf(pages)) {
    for (const { group, version, bytes } of packMapPages(row)) put.run(group, version, NOTHING_REPLACED, bytes);
  }
}

/** Pages that share a row. */
function rowsOf(pages: Iterable<MapPageWrite>): Iterable<MapPageWrite[]> {
  const rows = new Map<string, MapPageWrite[]>();
  for (const page of pages) {
    const key = `${groupOf(page.prefix)}@${page.version}`;
    const row = rows.get(key);
    if (row === undefined) rows.set(key, [page]);
    else row.push(page);
  }
  return rows.values();
}

function repairRows(database: SqliteDatabase, { notes, recordIds, names, pending }: StoreRepairs): void {
  if (notes !== null) {
    const putNotes = database.prepare('INSERT OR REPLACE INTO notes VALUES (1, ?, ?)');
    putNotes.run(utf8(notes.records), utf8(notes.heads));
  }
  const putId = database.prepare('UPDATE records SET record_id = ? WHERE registry_index = ?');
  for (const { registryIndex, recordId } of recordIds) putId.run(digestBytes(recordId), registryIndex);
  const putName = database.prepare('UPDATE records SET name = ? WHERE registry_index = ?');
  for (const { registryIndex, name } of names) putName.run(name, registryIndex);
  const drop = database.prepare('DELETE FROM pending WHERE record_id = ?');
  for (const key of pending) drop.run(pendingKeyBytes(key));
}
