import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ociStoreSuite } from '../../src/storage/oci-conformance.ts';
import { openOciSqlite } from '../../src/storage/oci-sqlite/oci-sqlite-store.ts';

const onFatal = (failure: unknown): never => {
  throw failure;
};

ociStoreSuite('SQLite', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-oci-'));
  const file = path.join(folder, 'oci.sqlite');
  const store = await openOciSqlite(file, onFatal);
  return {
    store,
    async reopen() {
      await store.close();
      return openOciSqlite(file, onFatal);
    },
    async dispose() {
      await store.close();
      await rm(folder, { recursive: true });
    },
  };
});
