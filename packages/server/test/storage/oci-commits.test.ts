import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { isRegistryError, type ErrorCode } from '@waybill/protocol';
import { parseRepository } from '@waybill/protocol/oci';
import { ociChange, sampleLink, sampleOciDigest } from '../../src/storage/oci-conformance.ts';
import { OciConnection } from '../../src/storage/oci-sqlite/oci-connection.ts';
import type { OciCommand } from '../../src/storage/oci-sqlite/oci-messages.ts';
import { openOciFile } from '../../src/storage/oci-sqlite/oci-schema.ts';
import { openOciSqlite } from '../../src/storage/oci-sqlite/oci-sqlite-store.ts';
import { runCommands } from '../../src/storage/oci-sqlite/oci-writing.ts';
import { openDatabase, type SqliteDatabase } from '../../src/storage/sqlite-module.ts';
import { openSqliteStore } from '../../src/storage/sqlite/sqlite-store.ts';

const SQLITE_FULL = 13;
const SQLITE_IOERR_FSYNC = 1034;
const DEMO = parseRepository('demo');

async function storeFile(context: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-oci-'));
  context.after(() => rm(folder, { recursive: true }));
  return path.join(folder, 'oci.sqlite');
}

const failsWith =
  (code: ErrorCode) =>
  (thrown: unknown): boolean =>
    isRegistryError(thrown, code);

/** A connection that tells what it is asked, and fails where `failing` says. */
function watchedConnection(
  file: string,
  failing: (sql: string) => number | null,
): { connection: OciConnection; log: string[] } {
  const log: string[] = [];
  const real: SqliteDatabase = openOciFile(file, 'write');
  const database: SqliteDatabase = {
    prepare: (sql) => real.prepare(sql),
    close: () => real.close(),
    exec(sql) {
      log.push(sql);
      const errcode = failing(sql);
      if (errcode !== null) throw Object.assign(new Error('made up'), { code: 'ERR_SQLITE_ERROR', errcode });
      real.exec(sql);
    },
  };
  return { connection: new OciConnection(database, file, 'write'), log };
}

const put = (n: number, durable: boolean): OciCommand => ({
  type: 'write',
  change: ociChange({ links: [sampleLink(DEMO, sampleOciDigest(n))] }),
  durable,
});
const putBlob = (n: number): OciCommand => ({
  type: 'put-blob',
  digest: sampleOciDigest(n),
  bytes: Uint8Array.of(n),
  keptAtMs: n,
});
const take = (n: number): OciCommand => ({ type: 'delete-link', repository: DEMO, digest: sampleOciDigest(n) });

/** Groups of commands, and which of them wait for the disk. */
const GROUPS: readonly (readonly [string, readonly OciCommand[], 'FULL' | 'NORMAL'])[] = [
  ['a change that a power cut may take', [put(1, false)], 'NORMAL'],
  ['several of them', [put(1, false), put(2, false)], 'NORMAL'],
  ['a durable change', [put(1, true)], 'FULL'],
  ['one durable change among others', [put(1, false), put(2, true), put(3, false)], 'FULL'],
  ['a deletion', [take(1)], 'FULL'],
  ['a small blob, put and taken away', [putBlob(1), { type: 'delete-blob', digest: sampleOciDigest(1) }], 'NORMAL'],
  ['a small blob, and a durable change that names it', [putBlob(1), put(1, true)], 'FULL'],
];

for (const [title, commands, durability] of GROUPS) {
  test(`one transaction, ${durability}, for ${title}`, async (context) => {
    const { connection, log } = watchedConnection(await storeFile(context), () => null);
    const answers = runCommands(connection, commands);
    assert.ok(answers.every(({ type }) => type === 'done'));
    assert.deepEqual(log, [`PRAGMA synchronous = ${durability}`, 'BEGIN IMMEDIATE', 'COMMIT']);
    connection.close();
  });
}

test('when a group has no room each command gets its own answer, and the store goes on', async (context) => {
  let commits = 0;
  const { connection } = watchedConnection(await storeFile(context), (sql) => {
    if (sql !== 'COMMIT') return null;
    commits++;
    return commits <= 2 ? SQLITE_FULL : null;
  });
  const answers = runCommands(connection, [put(1, true), put(2, true), take(2)]);
  assert.deepEqual(
    answers.map((answer) => (answer.type === 'failed' ? answer.failure.code : answer.hit)),
    ['storage/full', true, true],
  );
  connection.close();
});

test('after a failed fsync nothing is written any more', async (context) => {
  let fails = true;
  const { connection } = watchedConnection(await storeFile(context), (sql) =>
    fails && sql === 'COMMIT' ? SQLITE_IOERR_FSYNC : null,
  );
  const codes = (commands: readonly OciCommand[]): unknown[] =>
    runCommands(connection, commands).map((answer) => (answer.type === 'failed' ? answer.failure.code : answer.hit));
  assert.deepEqual(codes([put(1, true), put(2, false)]), ['storage/failed', 'storage/failed']);
  fails = false;
  assert.deepEqual(codes([put(3, false)]), ['storage/failed']);
  connection.close();
});

test('neither store takes the other’s file, nor a newer one', async (context) => {
  const file = await storeFile(context);
  const store = await openOciSqlite(file, () => undefined);
  await store.close();
  await assert.rejects(openSqliteStore(file), failsWith('storage/damaged'));
  const registry = `${file}-registry`;
  await (await openSqliteStore(registry)).close();
  await assert.rejects(
    openOciSqlite(registry, () => undefined),
    failsWith('storage/damaged'),
  );
  const database = openDatabase(file, 'write');
  database.exec('PRAGMA user_version = 3; PRAGMA wal_checkpoint(TRUNCATE);');
  database.close();
  await assert.rejects(
    openOciSqlite(file, () => undefined),
    failsWith('storage/damaged'),
  );
});

test('a store that is closed takes nothing more, and its end is not fatal', async (context) => {
  const failures: unknown[] = [];
  const store = await openOciSqlite(await storeFile(context), (failure) => failures.push(failure));
  await store.close();
  await assert.rejects(store.write(ociChange({}), true), failsWith('storage/busy'));
  assert.deepEqual(failures, []);
});

test('a store that is being closed answers what was asked before, and refuses what comes after', async (context) => {
  const file = await storeFile(context);
  for (let round = 0; round < 5; round++) {
    const store = await openOciSqlite(file, (failure) => assert.fail(String(failure)));
    const keep = (n: number): Promise<void> => store.blobs.put(sampleOciDigest(n), new Uint8Array(60_000), round);
    const before = Array.from({ length: 300 }, (_, n) => keep(n));
    const closed = store.close();
    const after = Array.from({ length: 300 }, (_, n) => assert.rejects(keep(n), failsWith('storage/busy')));
    await Promise.all([...before, ...after]);
    await closed;
    await assert.rejects(keep(0), failsWith('storage/busy'));
  }
});
