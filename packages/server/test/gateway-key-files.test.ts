import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { isRegistryError, parseNamespace } from '@waybill/protocol';
import { GatewayKeyFiles, listGatewayKeys } from '../src/gateway-key-files.ts';

const DEMO = parseNamespace('demo');

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-gateway-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

test('the key of a namespace is made once, readable by its owner only, and read again', async (t) => {
  const folder = await folderOf(t);
  assert.deepEqual(await listGatewayKeys(folder), []);
  const keys = new GatewayKeyFiles(folder);
  const [first, second] = await Promise.all([keys.keyOf(DEMO), keys.keyOf(DEMO)]);
  assert.equal(first.publicKey.id, second.publicKey.id);
  assert.deepEqual(await readdir(path.join(folder, 'gateway')), ['demo.key']);
  assert.equal((await stat(path.join(folder, 'gateway', 'demo.key'))).mode & 0o777, 0o600);
  assert.equal((await new GatewayKeyFiles(folder).keyOf(DEMO)).publicKey.id, first.publicKey.id);
  assert.notEqual((await keys.keyOf(parseNamespace('other'))).publicKey.id, first.publicKey.id);
  const names = (await listGatewayKeys(folder)).map((file) => path.basename(file));
  assert.deepEqual(new Set(names), new Set(['demo.key', 'other.key']));
});

test('a file that holds no key is an error, and is not replaced', async (t) => {
  const folder = await folderOf(t);
  await new GatewayKeyFiles(folder).keyOf(DEMO);
  const file = path.join(folder, 'gateway', 'demo.key');
  await writeFile(file, 'ecdsa-p256:');
  const opened = new GatewayKeyFiles(folder).keyOf(DEMO);
  await assert.rejects(opened, (thrown) => isRegistryError(thrown, 'storage/damaged'));
  assert.equal(await readFile(file, 'utf8'), 'ecdsa-p256:');
});
