import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { registryStoreSuite } from '../../src/storage/conformance.ts';
import { openSqliteStore } from '../../src/storage/sqlite/sqlite-store.ts';

registryStoreSuite('SQLite', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-store-'));
  const file = path.join(folder, 'registry.sqlite');
  const store = await openSqliteStore(file);
  return {
    store,
    reopen: () => openSqliteStore(file),
    async dispose() {
      await store.close();
      await rm(folder, { recursive: true });
    },
  };
});
