import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { sha256, utf8 } from '@waybill/protocol';
import { FULL, SEED } from '@waybill/tools/test-scale';
import { isRow, openDatabase } from '../../src/storage/sqlite-module.ts';
import { check, makeSampleRegistry, TWO_LEVELS, type SampleRegistry } from './sample-registry.ts';

const FLIPS = FULL ? 400 : 12;
/** But for what rows of the map say that they replace, and how far that was taken: that is only where its pruning looks. */
const CONTENTS = [
  '* FROM records',
  '* FROM tiles',
  'version, grp, pages FROM map_rows',
  'version FROM map_floor',
  '* FROM heads',
  '* FROM notes',
  '* FROM holdings',
];

let sample: SampleRegistry;

before(async () => {
  sample = await makeSampleRegistry(0);
});
after(() => sample.dispose());

/** Everything that the tables hold whose truth can be told, as text; `null` when it cannot all be read. */
function contentsOf(file: string): string | null {
  const database = openDatabase(file, 'read');
  try {
    const tables = CONTENTS.map((columns) => database.prepare(`SELECT ${columns} ORDER BY 1, 2, 3`).all());
    // Why a record was rejected, and when, nobody can tell but this row.
    const pending = database.prepare('SELECT record_id, log_id, name, contents FROM pending ORDER BY record_id').all();
    const whole = database.prepare('PRAGMA integrity_check').all().filter(isRow);
    const header = ['user_version', 'application_id'].map((name) => database.prepare(`PRAGMA ${name}`).all());
    return JSON.stringify([tables, pending, whole, header]);
  } catch {
    return null;
  } finally {
    database.close();
  }
}

function draw(name: string, below: number): number {
  return new DataView(sha256(utf8(`${SEED} ${name}`)).buffer).getUint32(0) % below;
}

test('a bit that flips anywhere in the file of the store is named, unless it changes nothing that is stored (threats L7, D7)', async () => {
  let harmless = 0;
  for (let flip = 0; flip < FLIPS; flip++) {
    const data = await sample.copy();
    const file = path.join(data, 'registry.sqlite');
    const sound = contentsOf(file);
    const bytes = await readFile(file);
    const bit = draw(`flip ${flip}`, bytes.length * 8);
    bytes[Math.floor(bit / 8)] = (bytes[Math.floor(bit / 8)] ?? 0) ^ (1 << (bit % 8));
    await writeFile(file, bytes);
    const { flaws } = await check(data, { content: false });
    if (flaws.length === 0) assert.equal(contentsOf(file), sound, `bit ${bit}`);
    if (flaws.length === 0) harmless++;
    await rm(data, { recursive: true });
  }
  assert.ok(harmless < FLIPS);
});

test('one damaged record among hundreds is named alone, and what can be derived beside it is repaired', async (context) => {
  const large = await makeSampleRegistry(TWO_LEVELS);
  context.after(() => large.dispose());
  const data = await large.copy();
  const database = openDatabase(path.join(data, 'registry.sqlite'), 'write');
  database.exec(
    "UPDATE records SET contents = CAST(contents || x'00' AS BLOB) WHERE log_position = 10; DELETE FROM tiles WHERE level = 1",
  );
  database.close();
  const { flaws, repaired } = await check(data, { repair: true });
  assert.deepEqual(new Set(repaired.map(({ kind }) => kind)), new Set(['tile']));
  assert.equal(new Set(flaws.map(({ kind, at }) => `${kind} ${at}`)).size, 1, JSON.stringify(flaws));
});
