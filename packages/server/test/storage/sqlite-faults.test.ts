import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isRegistryError, utf8, type ErrorCode } from '@waybill/protocol';
import { FULL } from '@waybill/tools/test-scale';
import { sampleCommit, sampleHashes, sampleHead, sampleRecord } from '../../src/storage/conformance.ts';
import { numberOf } from '../../src/storage/sqlite-columns.ts';
import { openStoreFile } from '../../src/storage/sqlite/schema.ts';
import { SqliteEngine } from '../../src/storage/sqlite/sqlite-engine.ts';
import { asRow, openDatabase, type SqliteDatabase } from '../../src/storage/sqlite-module.ts';
import { openSqliteStore } from '../../src/storage/sqlite/sqlite-store.ts';

const ROUNDS = FULL ? 10 : 2;
const COMMIT_LOOP = fileURLToPath(new URL('commit-loop.js', import.meta.url));
const TILE_RECORDS = 256;
const SQLITE_IOERR_FSYNC = 1034;

async function storeFile(context: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-fault-'));
  context.after(() => rm(folder, { recursive: true }));
  return path.join(folder, 'registry.sqlite');
}

const failsWith =
  (code: ErrorCode) =>
  (thrown: unknown): boolean =>
    isRegistryError(thrown, code);

/** The store is the sample registry at some length, whole; returns the length. */
async function checkWhole(file: string): Promise<number> {
  const store = await openSqliteStore(file);
  try {
    const head = await store.readHead();
    if (head === null) return 0;
    const { logLength } = head.checkpoint.contents;
    assert.deepEqual(head, sampleHead(logLength));
    const records = await store.readRecords(0, logLength + 1);
    assert.deepEqual(
      records,
      Array.from({ length: logLength }, (_, index) => sampleRecord(index)),
    );
    const index = Math.floor((logLength - 1) / TILE_RECORDS);
    const [tile] = await store.readTiles('records', [{ level: 0, index }]);
    assert.deepEqual(tile, sampleHashes(index * TILE_RECORDS, logLength));
    await store.readMapPages([{ prefix: '', version: logLength }]);
    return logLength;
  } finally {
    await store.close();
  }
}

interface Writer {
  readonly process: ChildProcess;
  readonly lines: AsyncIterableIterator<string>;
}

function startWriter(file: string, records: number): Writer {
  const child = spawn(process.execPath, [COMMIT_LOOP, file, String(records)], { stdio: ['ignore', 'pipe', 'inherit'] });
  return { process: child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
}

/** Reads `count` acknowledgements, kills the writer in the middle of what it does next, and returns the last one it gave. */
async function killAfter({ process: child, lines }: Writer, count: number): Promise<number> {
  let acknowledged = 0;
  for (let read = 0; read < count; read++) acknowledged = Number((await lines.next()).value);
  child.kill('SIGKILL');
  for await (const line of { [Symbol.asyncIterator]: () => lines }) acknowledged = Number(line);
  return acknowledged;
}

test('every commit that was acknowledged outlives kill -9', async (context) => {
  const file = await storeFile(context);
  let length = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const acknowledged = await killAfter(startWriter(file, 1 + (round % 3)), 3 + 7 * round);
    assert.ok(acknowledged > length);
    length = await checkWhole(file);
    assert.ok(length >= acknowledged, `${length} records are stored, ${acknowledged} were acknowledged`);
  }
});

test('processes that start and write together lose nothing, killed or not', async (context) => {
  const file = await storeFile(context);
  const writers = [1, 2, 3].map((records) => startWriter(file, records));
  const acknowledged = await Promise.all(writers.map((writer, i) => killAfter(writer, 5 + 5 * i)));
  assert.ok((await checkWhole(file)) >= Math.max(...acknowledged));
});

test('a commit for which there is no room changes nothing, and the next one may fit', async (context) => {
  const file = await storeFile(context);
  const database = openStoreFile(file, 'write');
  const engine = new SqliteEngine(database, file, 'write');
  context.after(() => engine.close());
  engine.commit(null, sampleCommit(0, 3));
  const pages = numberOf(asRow(database.prepare('PRAGMA page_count').get()) ?? {}, 'page_count');
  database.exec(`PRAGMA max_page_count = ${pages + 2}`);
  const large = { ...sampleRecord(3), envelope: { ...sampleRecord(3).envelope, contents: new Uint8Array(100_000) } };
  assert.throws(() => engine.commit(3, { ...sampleCommit(3, 4), records: [large] }), failsWith('storage/full'));
  assert.deepEqual(engine.readHead(), sampleHead(3));
  engine.commit(3, sampleCommit(3, 4));
  assert.equal(await checkWhole(file), 4);
});

/** A connection whose next COMMIT reports a failed fsync, before or after it took place. */
function failingCommit(database: SqliteDatabase, stored: boolean): SqliteDatabase {
  let armed = true;
  return {
    prepare: (sql) => database.prepare(sql),
    close: () => database.close(),
    exec(sql) {
      const fails = armed && sql === 'COMMIT';
      if (!fails || stored) database.exec(sql);
      if (!fails) return;
      armed = false;
      throw Object.assign(new Error('disk I/O error'), { code: 'ERR_SQLITE_ERROR', errcode: SQLITE_IOERR_FSYNC });
    },
  };
}

for (const stored of [false, true]) {
  test(`after an fsync that failed nothing is written any more (${stored ? 'stored' : 'not stored'})`, async (context) => {
    const file = await storeFile(context);
    await (await openSqliteStore(file)).close();
    const engine = new SqliteEngine(failingCommit(openStoreFile(file, 'write'), stored), file, 'write');
    assert.throws(() => engine.commit(null, sampleCommit(0, 3)), failsWith('storage/failed'));
    for (const previous of [null, 3]) {
      assert.throws(() => engine.commit(previous, sampleCommit(3, 4)), failsWith('storage/failed'));
    }
    engine.close();
    assert.equal(await checkWhole(file), stored ? 3 : 0);
  });
}

const FOREIGN: readonly (readonly [string, string])[] = [
  ['of another program', 'PRAGMA application_id = 7'],
  ['of another program without an id', 'CREATE TABLE other (x)'],
  ['with a schema version of another program', 'PRAGMA user_version = 1'],
  ['of a newer Waybill', 'PRAGMA application_id = 1463900482; PRAGMA user_version = 1000'],
];
for (const [whose, sql] of FOREIGN) {
  test(`a file ${whose} is refused and left as it was`, async (context) => {
    const file = await storeFile(context);
    const database = openDatabase(file, 'write');
    database.exec(sql);
    database.close();
    const before = await readFile(file);
    await assert.rejects(openSqliteStore(file), failsWith('storage/damaged'));
    assert.deepEqual(await readFile(file), before);
  });
}

test('a file that is no database is refused', async (context) => {
  const file = await storeFile(context);
  await writeFile(file, utf8('certainly not a database; '.repeat(400)));
  await assert.rejects(openSqliteStore(file), failsWith('storage/damaged'));
});

test('a file in a folder that is missing is refused', async (context) => {
  const file = path.join(path.dirname(await storeFile(context)), 'missing', 'registry.sqlite');
  await assert.rejects(openSqliteStore(file), failsWith('storage/damaged'));
});

test('overwritten pages are reported as damage', async (context) => {
  const file = await storeFile(context);
  const store = await openSqliteStore(file);
  await store.commit(null, sampleCommit(0, 200));
  await store.close();
  const pageBytes = 4096;
  const handle = await open(file, 'r+');
  const junk = new Uint8Array((await stat(file)).size - pageBytes).fill(0xa5);
  await handle.write(junk, 0, junk.length, pageBytes);
  await handle.close();
  const damaged = await openSqliteStore(file);
  context.after(() => damaged.close());
  await assert.rejects(damaged.readRecords(0, 1_000), failsWith('storage/damaged'));
  await assert.rejects(damaged.readTiles('records', [{ level: 0, index: 0 }]), failsWith('storage/damaged'));
  await assert.rejects(damaged.commit(200, sampleCommit(200, 201)), failsWith('storage/failed'));
});

const SPOILED: readonly (readonly [string, string])[] = [
  ['a record id of the wrong length', "UPDATE records SET record_id = x'00' WHERE registry_index = 1"],
  ['an index beyond 2^53', 'UPDATE records SET log_position = 9007199254740993 WHERE registry_index = 1'],
  ['a key id that is not UTF-8', "UPDATE records SET key_id = x'ff' WHERE registry_index = 1"],
  ['a name that is none', "UPDATE records SET name = 'no name' WHERE log_position = 0"],
];
for (const [what, sql] of SPOILED) {
  test(`${what} is reported as damage`, async (context) => {
    const file = await storeFile(context);
    const store = await openSqliteStore(file);
    context.after(() => store.close());
    await store.commit(null, sampleCommit(0, 3));
    const database = openDatabase(file, 'write');
    database.exec(sql);
    database.close();
    const reading = Promise.all([store.readRecords(0, 10), store.readNames([sampleRecord(0).logId])]);
    await assert.rejects(reading, failsWith('storage/damaged'));
  });
}
