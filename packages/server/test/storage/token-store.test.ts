import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { isRegistryError, type TokenId } from '@waybill/protocol';
import type { StoredToken } from '../../src/core/ports.ts';
import { sampleCommit, sampleHead } from '../../src/storage/conformance.ts';
import { MemoryTokens } from '../../src/storage/memory/memory-tokens.ts';
import { openSqliteInspection } from '../../src/storage/sqlite/sqlite-inspection.ts';
import { openDatabase } from '../../src/storage/sqlite-module.ts';
import { openSqliteReader, openSqliteStore } from '../../src/storage/sqlite/sqlite-store.ts';
import { sampleToken, tokenStoreSuite } from '../../src/storage/token-conformance.ts';

tokenStoreSuite('memory', async () => {
  const tokens = new Map<TokenId, StoredToken>();
  return { store: new MemoryTokens(tokens), other: new MemoryTokens(tokens), dispose: async () => undefined };
});

tokenStoreSuite('SQLite', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-tokens-'));
  const file = path.join(folder, 'registry.sqlite');
  const [store, other] = [await openSqliteStore(file), await openSqliteStore(file)];
  return {
    store,
    other,
    async dispose() {
      await store.close();
      await other.close();
      await rm(folder, { recursive: true });
    },
  };
});

/** A store of three records in a file of its own. */
async function withStore(run: (file: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-tokens-'));
  try {
    const file = path.join(folder, 'registry.sqlite');
    const store = await openSqliteStore(file);
    await store.commit(null, sampleCommit(0, 3));
    await store.close();
    await run(file);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function alter(file: string, sql: string): void {
  const database = openDatabase(file, 'write');
  database.exec(sql);
  database.close();
}

test('a store of before there were tokens is opened and keeps what it has (threats D11)', async () => {
  await withStore(async (file) => {
    alter(
      file,
      `DROP TABLE tokens; DROP TABLE holdings; DROP TABLE holdings_gap; DROP TABLE first_heads; PRAGMA user_version = 2;
       ALTER TABLE records DROP COLUMN cosignatures; ALTER TABLE pending DROP COLUMN cosignatures;
       ALTER TABLE map_floor DROP COLUMN pruned; DROP TABLE map_rows; CREATE TABLE map_rows (
         grp TEXT NOT NULL, version INTEGER NOT NULL, pages BLOB NOT NULL, PRIMARY KEY (grp, version DESC)
       ) STRICT, WITHOUT ROWID;`,
    );
    const inspection = openSqliteInspection(file);
    assert.deepEqual(await inspection.listTokens(), []);
    inspection.close();
    const store = await openSqliteStore(file);
    assert.deepEqual(await store.readHead(), sampleHead(3));
    await store.addToken(sampleToken(1));
    await store.close();
    const reader = openSqliteReader(file);
    assert.deepEqual(await reader.listTokens(10), [sampleToken(1)]);
    reader.close();
  });
});

test('a token whose row makes no sense is named by an inspection and opens nothing', async () => {
  await withStore(async (file) => {
    const store = await openSqliteStore(file);
    for (const index of [1, 2]) await store.addToken(sampleToken(index));
    await store.close();
    alter(file, "UPDATE tokens SET secret_hash = x'00' WHERE account = CAST('account-2' AS BLOB)");
    const inspection = openSqliteInspection(file);
    const [sound, damaged, ...others] = await inspection.listTokens();
    inspection.close();
    assert.ok(sound !== undefined && 'value' in sound && damaged !== undefined && 'problem' in damaged);
    assert.deepEqual(others, []);
    const reader = openSqliteReader(file);
    await assert.rejects(reader.readToken(sampleToken(2).id), (thrown) => isRegistryError(thrown, 'storage/damaged'));
    reader.close();
  });
});
