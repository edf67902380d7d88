import assert from 'node:assert/strict';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { isRegistryError, sha256, utf8 } from '@waybill/protocol';
import { FULL, SEED } from '@waybill/tools/test-scale';
import type { FlawKind } from '../../src/fsck.ts';
import { holdDirectory } from '../../src/storage/sqlite/directory-lock.ts';
import { isRow, openDatabase, type SqliteValue } from '../../src/storage/sqlite-module.ts';
import { check, makeSampleRegistry, type SampleRegistry } from './sample-registry.ts';

const ROUNDS = FULL ? 8 : 1;
/** A sample takes one of so many cases, another one with each seed. */
const CASES_PER_SAMPLED = 4;

let sample: SampleRegistry;

before(async () => {
  sample = await makeSampleRegistry(0);
});
after(() => sample.dispose());

function isChosen(name: string): boolean {
  return FULL || draw(name, CASES_PER_SAMPLED) === 0;
}

/** The same numbers for the same seed and name. */
function draw(name: string, below: number): number {
  return new DataView(sha256(utf8(`${SEED} ${name}`)).buffer).getUint32(0) % below;
}

function run(data: string, sql: string, ...values: SqliteValue[]): void {
  const database = openDatabase(path.join(data, 'registry.sqlite'), 'write');
  try {
    database.prepare(sql).run(...values);
  } finally {
    database.close();
  }
}

/** What names a row of each table. */
const KEYS: Readonly<Record<string, string>> = {
  records: 'rowid',
  heads: 'rowid',
  notes: 'rowid',
  tiles: 'log, level, tile',
  map_rows: 'grp, version',
  pending: 'record_id',
  holdings: 'digest, registry_index, entry_index',
};

/** Flips one bit of a value in a row of a table. */
function flipValue(data: string, table: string, column: string, where: string, round: number): void {
  const database = openDatabase(path.join(data, 'registry.sqlite'), 'write');
  try {
    const values = `typeof(${column}) AS type, CAST(${column} AS BLOB) AS bytes, ${column} AS value`;
    // Without an order the two queries may see the rows each by another index, and a flip then writes what was there.
    const ordered = `FROM ${table} ${where} ORDER BY ${KEYS[table]}`;
    const rows = database.prepare(`SELECT ${values} ${ordered}`).all().filter(isRow);
    for (let attempt = 0; ; attempt++) {
      const name = `${table} ${column} ${round} ${attempt}`;
      const position = draw(`${name} row`, rows.length);
      const { type, bytes, value } = rows[position] ?? assert.fail(`no ${table}`);
      const flipped = type === 'integer' ? flipInteger(Number(value), name) : flipBytes(bytes ?? null, name);
      const row = `SELECT ${KEYS[table]} ${ordered} LIMIT 1 OFFSET ${position}`;
      const sql = `UPDATE ${table} SET ${column} = ${type === 'text' ? 'CAST(? AS TEXT)' : '?'}`;
      if (isWritten(() => database.prepare(`${sql} WHERE (${KEYS[table]}) = (${row})`).run(flipped))) return;
    }
  } finally {
    database.close();
  }
}

/** False for a value that another row has, which no flipped bit can make without SQLite refusing it. */
function isWritten(write: () => unknown): boolean {
  try {
    write();
    return true;
  } catch (failure) {
    if (failure instanceof Error && failure.message.startsWith('UNIQUE constraint failed')) return false;
    throw failure;
  }
}

/** Beyond it a flip gives a number that JavaScript has no name for, which has a test of its own. */
const INTEGER_BITS = 40;

function flipInteger(value: number, name: string): bigint {
  return BigInt(value) ^ (1n << BigInt(draw(`${name} bit`, INTEGER_BITS)));
}

function flipBytes(bytes: SqliteValue, name: string): Uint8Array {
  assert.ok(bytes instanceof Uint8Array);
  const bit = draw(`${name} bit`, bytes.length * 8);
  return bytes.map((byte, at) => (at === Math.floor(bit / 8) ? byte ^ (1 << (bit % 8)) : byte));
}

test('a sound registry is clean', async () => {
  const { flaws, remarks } = await check(await sample.copy());
  assert.deepEqual(flaws, []);
  assert.deepEqual(remarks, []);
});

/** Table, columns, rows, the kind of flaw that must be among those named, and whether --repair puts it right. */
const COLUMNS: readonly (readonly [string, readonly string[], string, FlawKind, boolean])[] = [
  ['records', ['registry_index', 'log_id', 'log_position', 'contents', 'key_id', 'signature'], '', 'record', false],
  ['records', ['record_id'], '', 'record', true],
  ['records', ['name'], 'WHERE name IS NOT NULL', 'name', true],
  ['tiles', ['log', 'level', 'tile', 'hashes'], '', 'tile', true],
  ['map_rows', ['version', 'pages'], '', 'map', true],
  ['map_rows', ['grp'], "WHERE grp <> ''", 'map', true],
  ['heads', ['log_length', 'log_root', 'map_root', 'timestamp', 'key_id', 'signature'], '', 'head', false],
  ['heads', ['map_version', 'heads_length'], '', 'head', false],
  ['notes', ['records', 'heads'], '', 'note', true],
  ['holdings', ['digest', 'registry_index', 'entry_index'], '', 'holding', true],
  ['pending', ['record_id', 'log_id', 'name', 'contents'], '', 'pending', true],
  ['pending', ['key_id', 'signature'], 'WHERE rejection IS NULL', 'pending', true],
];

for (const [table, columns, where, kind, isRepaired] of COLUMNS) {
  for (const column of columns.filter((name) => isChosen(`${table} ${name}`))) {
    test(`a bit flipped in ${table}.${column} is named${isRepaired ? ', and repaired' : ''} (threats L6, D7)`, async () => {
      for (let round = 0; round < ROUNDS; round++) {
        const data = await sample.copy();
        flipValue(data, table, column, where, round);
        const named = (await check(data)).flaws;
        const kinds = named.map((flaw) => flaw.kind);
        assert.ok(kinds.includes(kind), `round ${round}: ${JSON.stringify(named)}`);
        const { flaws, repaired } = await check(data, { repair: true });
        assert.equal(flaws.length === 0, isRepaired, JSON.stringify(flaws));
        if (isRepaired) assert.notEqual(repaired.length, 0);
        await rm(data, { recursive: true });
      }
    });
  }
}

/** What else can be wrong with rows: what is gone, what is too much. */
const SPOILED: readonly (readonly [string, string, FlawKind, boolean])[] = [
  ['a record that is gone', 'DELETE FROM records WHERE registry_index = 7', 'record', false],
  [
    'the last record that is gone',
    'DELETE FROM records WHERE registry_index = (SELECT max(registry_index) FROM records)',
    'record',
    false,
  ],
  ['a head that is gone', 'DELETE FROM heads WHERE log_length = 9', 'head', false],
  [
    'the newest head that is gone',
    'DELETE FROM heads WHERE log_length = (SELECT max(log_length) FROM heads)',
    'head',
    false,
  ],
  ['no head at all', 'DELETE FROM heads', 'head', false],
  ['all tiles gone', 'DELETE FROM tiles', 'tile', true],
  ['a tile too many', "INSERT INTO tiles VALUES ('records', 0, 2, x'00')", 'tile', true],
  ['a tile of no log', "INSERT INTO tiles VALUES ('other', 0, 0, x'00')", 'tile', true],
  ['all of the map gone', 'DELETE FROM map_rows', 'map', true],
  [
    'a row of the map too many',
    "INSERT INTO map_rows SELECT 'ffff', version, '', pages FROM map_rows LIMIT 1",
    'map',
    true,
  ],
  ['a map floor that is no head', 'INSERT INTO map_floor (one, version) VALUES (1, 1000000)', 'map', true],
  ['no notes', 'DELETE FROM notes', 'note', true],
  ['a holding that is gone', 'DELETE FROM holdings WHERE digest = (SELECT max(digest) FROM holdings)', 'holding', true],
  ['all holdings gone', 'DELETE FROM holdings', 'holding', true],
  ['a holding too many', "INSERT INTO holdings VALUES (x'00', 3, 0)", 'holding', true],
  ['a gap of records that are not there', 'INSERT INTO holdings_gap VALUES (1, 2, 1000)', 'holding', true],
  ['a gap that is none', 'INSERT INTO holdings_gap VALUES (1, 3, 3)', 'holding', true],
  ['a name on a later record', "UPDATE records SET name = 'test:many' WHERE log_position = 1", 'name', true],
  ['a name that is gone', "UPDATE records SET name = NULL WHERE name = 'test:one'", 'name', false],
  [
    'a record beyond all numbers',
    'UPDATE records SET registry_index = 9007199254740993 WHERE registry_index = 5',
    'store',
    false,
  ],
  [
    'a number that is none in a record',
    'UPDATE records SET log_position = 9007199254740993 WHERE registry_index = 5',
    'record',
    false,
  ],
];

for (const [what, sql, kind, isRepaired] of SPOILED.filter(([name]) => isChosen(name))) {
  test(`${what} is named${isRepaired ? ', and repaired' : ''}`, async () => {
    const data = await sample.copy();
    run(data, sql);
    const { flaws } = await check(data);
    assert.ok(
      flaws.some((flaw) => flaw.kind === kind),
      JSON.stringify(flaws),
    );
    assert.equal((await check(data, { repair: true })).flaws.length === 0, isRepaired);
    assert.equal((await check(data)).flaws.length === 0, isRepaired);
  });
}

test('holdings that are still to be made are remarked, and no flaw (threats D11)', async () => {
  const data = await sample.copy();
  run(data, 'DELETE FROM holdings WHERE registry_index < 20');
  run(data, 'INSERT INTO holdings_gap VALUES (1, 0, 20)');
  const { flaws, remarks } = await check(data);
  assert.deepEqual([flaws, remarks.length], [[], 1]);
});

test('a store of a build without holdings is looked at as it is (threats D11)', async () => {
  const data = await sample.copy();
  run(data, 'DROP TABLE holdings');
  run(data, 'DROP TABLE holdings_gap');
  run(data, 'DROP TABLE first_heads');
  run(data, 'PRAGMA user_version = 5');
  assert.deepEqual((await check(data)).flaws, []);
});

/** Files beside the store: what is done to one, and the kind of flaw; `null` for a remark. */
const FILES: readonly (readonly [string, (data: string) => Promise<void>, FlawKind | null])[] = [
  ['a bit flipped in content', async (data) => flipFile(await contentFile(data)), 'content'],
  ['content that is gone', async (data) => rm(await contentFile(data)), 'content'],
  ['content that is cut', async (data) => writeFile(await contentFile(data), new Uint8Array(3)), 'content'],
  [
    'a bit flipped in what was last signed',
    async (data) => flipFile(path.join(data, 'last-signed'), 200),
    'last-signed',
  ],
  ['no file of what was last signed', async (data) => rm(path.join(data, 'last-signed')), 'last-signed'],
  ['a cut file of what was last signed', async (data) => writeFile(path.join(data, 'last-signed'), 'x'), 'last-signed'],
  ['a bit flipped in the key of a log', async (data) => flipFile(path.join(data, 'heads-log.key'), 90), 'key'],
  ['a bit flipped in the operator key', async (data) => flipFile(path.join(data, 'operator.key'), 30), 'key'],
  ['content that no record names', async (data) => writeFile(path.join(data, 'content', 'sha256', 'stray'), 'x'), null],
  ['an upload that was cut off', async (data) => writeFile(path.join(data, 'content', 'uploads', 'stray'), 'x'), null],
  ['no operator key', async (data) => rm(path.join(data, 'operator.key')), null],
];

for (const [what, spoil, kind] of FILES) {
  test(`${what} is ${kind === null ? 'remarked' : 'named'}`, async () => {
    const data = await sample.copy();
    await spoil(data);
    const { flaws, remarks } = await check(data);
    assert.deepEqual([...new Set(flaws.map((flaw) => flaw.kind))], kind === null ? [] : [kind]);
    if (kind === null) assert.equal(remarks.length, 1);
  });
}

/** A content file that a release names. */
async function contentFile(data: string): Promise<string> {
  const root = path.join(data, 'content', 'sha256');
  const known = await readdir(root, { recursive: true });
  for (const file of known.filter((name) => name.length > 60).toSorted()) {
    const bytes = await readFile(path.join(root, file), 'latin1');
    if (bytes.includes('test:one')) return path.join(root, file);
  }
  return assert.fail('no content');
}

async function flipFile(file: string, bit = 77): Promise<void> {
  const bytes = await readFile(file);
  bytes[Math.floor(bit / 8)] = (bytes[Math.floor(bit / 8)] ?? 0) ^ (1 << (bit % 8));
  await writeFile(file, bytes);
}

test('content is left alone when it is not asked for', async () => {
  const data = await sample.copy();
  await rm(path.join(data, 'content'), { recursive: true });
  assert.deepEqual((await check(data, { content: false })).flaws, []);
});

test('a registry that runs is not checked', async () => {
  const data = await sample.copy();
  const release = holdDirectory(data);
  await assert.rejects(check(data), (thrown) => isRegistryError(thrown, 'storage/busy'));
  release();
  assert.deepEqual((await check(data)).flaws, []);
});
