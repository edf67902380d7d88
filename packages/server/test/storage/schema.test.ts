import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isRegistryError, utf8 } from '@waybill/protocol';
import type { Holding, MapPageWrite } from '../../src/core/ports.ts';
import { sampleCommit, sampleHead } from '../../src/storage/conformance.ts';
import { numberOf } from '../../src/storage/sqlite-columns.ts';
import { asRow, isRow, openDatabase, type SqliteRow } from '../../src/storage/sqlite-module.ts';
import { openSqliteReader, openSqliteStore } from '../../src/storage/sqlite/sqlite-store.ts';

const DYING_OPENER = fileURLToPath(new URL('dying-opener.js', import.meta.url));
/** More calls of SQLite than opening a store takes. */
const CALLS_MAX = 60;

let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'waybill-schema-'));
  file = path.join(folder, 'registry.sqlite');
});
afterEach(() => rm(folder, { recursive: true }));

const isRefused = (thrown: unknown): boolean => isRegistryError(thrown, 'storage/damaged');

/** A store of three records whose schema says `version`. */
async function storeOfVersion(version: (newest: number) => number): Promise<void> {
  const store = await openSqliteStore(file);
  await store.commit(null, sampleCommit(0, 3));
  await store.close();
  const database = openDatabase(file, 'write');
  // Folded here, for a connection that is collected later would do it at any time.
  database.exec(`PRAGMA user_version = ${version(numberFrom('PRAGMA user_version', 'user_version'))};
    PRAGMA wal_checkpoint(TRUNCATE);`);
  database.close();
}

function numberFrom(sql: string, column: string): number {
  const database = openDatabase(file, 'read');
  try {
    return numberOf(asRow(database.prepare(sql).get()) ?? {}, column);
  } finally {
    database.close();
  }
}

for (const [age, version] of [
  ['a newer', (newest: number) => newest + 1],
  ['a much newer', () => 2 ** 31 - 1],
  ['an older', () => 1],
] as const) {
  test(`a store with ${age} schema than this program knows is refused and left as it was (threats D11)`, async () => {
    await storeOfVersion(version);
    const before = await readFile(file);
    await assert.rejects(openSqliteStore(file), isRefused);
    assert.throws(() => openSqliteReader(file), isRefused);
    assert.deepEqual(await readFile(file), before);
  });
}

test('a store with the schema of this program is opened again, and its schema stays (threats D11)', async () => {
  await storeOfVersion((newest) => newest);
  const version = numberFrom('PRAGMA user_version', 'user_version');
  for (let start = 0; start < 3; start++) {
    const store = await openSqliteStore(file);
    assert.deepEqual(await store.readHead(), sampleHead(3));
    await store.close();
  }
  assert.equal(numberFrom('PRAGMA user_version', 'user_version'), version);
});

test('a first start killed at any point leaves the whole schema or nothing of it (threats D11)', async () => {
  let killed = 0;
  for (let calls = 1; ; calls++) {
    assert.ok(calls < CALLS_MAX);
    const process = spawnOpener(calls);
    const [code] = await once(process, 'exit');
    if (code === 0) break;
    assert.equal(process.signalCode, 'SIGKILL');
    killed++;
    const tables = numberFrom('SELECT count(*) AS tables FROM sqlite_schema', 'tables');
    assert.equal(tables > 0, numberFrom('PRAGMA user_version', 'user_version') > 0);
    const store = await openSqliteStore(file);
    await store.commit(null, sampleCommit(0, 3));
    await store.close();
    await rm(folder, { recursive: true });
    folder = await mkdtemp(path.join(tmpdir(), 'waybill-schema-'));
    file = path.join(folder, 'registry.sqlite');
  }
  assert.ok(killed > 5, `opening takes ${killed} calls`);
});

function spawnOpener(calls: number): ReturnType<typeof spawn> {
  return spawn(process.execPath, [DYING_OPENER, file, String(calls)], { stdio: ['ignore', 'ignore', 'inherit'] });
}

test('rows of a map that were sorted by group are sorted by version, and say what they replace (threats D11)', async () => {
  const store = await openSqliteStore(file);
  const page = (prefix: string, version: number, replaces: number | null): MapPageWrite => ({
    prefix,
    version,
    bytes: utf8(`${prefix}@${version}`),
    replaces,
  });
  const written = [
    [page('', 1, null), page('a', 1, null), page('ab', 1, null)],
    [page('', 2, 1), page('b', 2, null)],
    [page('', 3, 2), page('a', 3, 1), page('ab', 3, 1)],
  ];
  for (const [i, mapPages] of written.entries()) {
    await store.commit(i || null, { ...sampleCommit(i, i + 1), mapPages });
  }
  await store.close();
  const before = mapRows();
  const old = openDatabase(file, 'write');
  old.exec(`CREATE TABLE by_group (
      grp TEXT NOT NULL, version INTEGER NOT NULL, pages BLOB NOT NULL, PRIMARY KEY (grp, version DESC)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO by_group SELECT grp, version, pages FROM map_rows;
    DROP TABLE map_rows; ALTER TABLE by_group RENAME TO map_rows; ALTER TABLE map_floor DROP COLUMN pruned;
    DROP TABLE holdings; DROP TABLE holdings_gap; DROP TABLE first_heads; PRAGMA user_version = 4;`);
  old.close();
  const again = await openSqliteStore(file);
  assert.deepEqual(mapRows(), before);
  assert.equal(await again.pruneMap(3, null, 100), null);
  const left = [page('', 3, 2), page('a', 3, 1), page('b', 2, null), page('ab', 3, 1)];
  assert.deepEqual(
    await again.readMapPages(left),
    left.map(({ bytes }) => bytes),
  );
  await again.close();
  assert.deepEqual(
    mapRows().map((row) => [row['version'], row['grp']]),
    [
      [2, ''],
      [3, ''],
      [3, 'ab'],
    ],
  );
});

test('records of a build without holdings are a gap, which is filled in steps that a kill does not repeat (threats D11)', async () => {
  const store = await openSqliteStore(file);
  await store.commit(null, sampleCommit(0, 3));
  await store.commit(3, sampleCommit(3, 7));
  await store.close();
  const rows = holdings();
  const old = openDatabase(file, 'write');
  old.exec('DROP TABLE holdings; DROP TABLE holdings_gap; DROP TABLE first_heads; PRAGMA user_version = 5;');
  old.close();
  let again = await openSqliteStore(file);
  assert.deepEqual(await again.readHoldingsGap(), { from: 0, to: 7 });
  await again.commit(7, sampleCommit(7, 8));
  const made = [...sampleCommit(0, 7).holdings];
  await again.fillHoldings({ from: 0, to: 4 }, made.slice(0, 4));
  await again.close();
  again = await openSqliteStore(file);
  assert.deepEqual(await again.readHoldingsGap(), { from: 4, to: 7 });
  // Another process was faster.
  await again.fillHoldings({ from: 0, to: 4 }, [{ ...sampleHolding(), entryIndex: 99 }]);
  await again.fillHoldings({ from: 4, to: 7 }, made.slice(3));
  assert.equal(await again.readHoldingsGap(), null);
  await again.close();
  assert.deepEqual(
    holdings().filter((row) => row['registry_index'] !== 7),
    rows,
  );
});

test('an empty store has no gap of holdings, whichever build made it', async () => {
  await (await openSqliteStore(file)).close();
  const old = openDatabase(file, 'write');
  old.exec('DROP TABLE holdings; DROP TABLE holdings_gap; DROP TABLE first_heads; PRAGMA user_version = 5;');
  old.close();
  const store = await openSqliteStore(file);
  assert.equal(await store.readHoldingsGap(), null);
  await store.close();
});

function sampleHolding(): Holding {
  return sampleCommit(0, 1).holdings[0] ?? assert.fail();
}

function holdings(): SqliteRow[] {
  const database = openDatabase(file, 'read');
  const rows = database.prepare('SELECT * FROM holdings ORDER BY registry_index, entry_index').all();
  database.close();
  return rows.filter(isRow);
}

function mapRows(): SqliteRow[] {
  const database = openDatabase(file, 'read');
  const rows = database.prepare('SELECT version, grp, replaces, pages FROM map_rows ORDER BY version, grp').all();
  database.close();
  return rows.filter(isRow);
}
