import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { isRegistryError } from '@waybill/protocol';
import { KeyStore } from '../src/node/index.ts';

test('keys of every algorithm are kept alike', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-keys-'));
  try {
    const store = new KeyStore({ folder, keyring: null, environmentKey: undefined });
    const made = await store.createAny('files', 'Ed25519', true);
    assert.deepEqual((await store.load('files')).publicKey, made.publicKey);
    assert.equal((await stat(store.fileOf('files'))).mode & 0o777, 0o600);
    await assert.rejects(store.load('other'), (failure) => isRegistryError(failure, 'key/not-found'));
    await assert.rejects(store.createAny('files', 'Ed25519', true), (failure) =>
      isRegistryError(failure, 'usage/invalid'),
    );
    const { publicKey } = await store.createAny('records', 'ES256', true);
    assert.equal((await store.load('records')).publicKey.text, publicKey.text);
  } finally {
    await rm(folder, { recursive: true });
  }
});
