import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { KeyStore } from '../src/node/index.ts';

test('a file with a name that no key can have does not break the list', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-keys-'));
  try {
    const store = new KeyStore({ folder, keyring: null, environmentKey: undefined });
    await store.createAny('team', 'ES256', true);
    await writeFile(path.join(folder, 'Old Backup.key'), '');
    assert.deepEqual(await store.names(), ['team']);
  } finally {
    await rm(folder, { recursive: true });
  }
});
