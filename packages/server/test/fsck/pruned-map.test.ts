import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import type { PruneCursor } from '../../src/core/ports.ts';
import { isRow, openDatabase } from '../../src/storage/sqlite-module.ts';
import { openSqliteStore } from '../../src/storage/sqlite/sqlite-store.ts';
import { Publisher } from '../publisher.ts';
import { RunningRegistry } from '../running-registry.ts';
import { check, makeSampleRegistry, type SampleRegistry } from './sample-registry.ts';

const STEP_PAGES = 7;

let sample: SampleRegistry;

before(async () => {
  sample = await makeSampleRegistry(0);
});
after(() => sample.dispose());

/** Prunes up to the head `back` heads before the newest, at most `steps` steps of the way; resolves with the floor. */
async function prune(data: string, back: number, steps: number): Promise<number> {
  const store = await openSqliteStore(path.join(data, 'registry.sqlite'));
  try {
    const length = (await store.readHead())?.checkpoint.contents.logLength ?? 0;
    let floor = length;
    for (let skipped = 0; skipped < back; floor--) if ((await store.readHeadAt(floor - 1)) !== null) skipped++;
    let cursor: PruneCursor | null = null;
    for (let step = 0; step < steps; step++) {
      cursor = await store.pruneMap(floor, cursor, STEP_PAGES);
      if (cursor === null) break;
    }
    return floor;
  } finally {
    await store.close();
  }
}

for (const [back, steps] of [
  [0, 1_000],
  [5, 1_000],
  [5, 2],
] as const) {
  test(`a map pruned to ${back} heads before the newest, ${steps} steps of the way, is clean`, async () => {
    const data = await sample.copy();
    const floor = await prune(data, back, steps);
    assert.ok(floor > 0);
    assert.deepEqual((await check(data)).flaws, []);
  });
}

test('of a pruned map every row that is left is needed: each one that goes is named, and put right', async () => {
  const pruned = await sample.copy();
  await prune(pruned, 3, 1_000);
  const database = openDatabase(path.join(pruned, 'registry.sqlite'), 'write');
  const rows = database.prepare('SELECT * FROM map_rows').all().filter(isRow);
  assert.ok(rows.length > 3);
  for (const { grp = null, version = null, replaces = null, pages = null } of rows) {
    database.prepare('DELETE FROM map_rows WHERE grp = ? AND version = ?').run(grp, version);
    const kinds = new Set((await check(pruned, { content: false })).flaws.map(({ kind }) => kind));
    assert.deepEqual(kinds, new Set(['map']), `row '${String(grp)}'@${String(version)}`);
    database.prepare('INSERT INTO map_rows VALUES (?, ?, ?, ?)').run(grp, version, replaces, pages);
  }
  database.exec('DELETE FROM map_rows WHERE version = (SELECT max(version) FROM map_rows)');
  database.close();
  assert.deepEqual((await check(pruned, { repair: true })).flaws, []);
  const registry = await RunningRegistry.start({ data: pruned });
  await new Publisher(registry, 'test:after').start();
  await registry.stopKeepingFiles();
  assert.deepEqual((await check(pruned)).flaws, []);
  await registry.removeFiles();
});
