import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { isRegistryError } from '@waybill/protocol';
import { holdDirectory } from '../../src/storage/sqlite/directory-lock.ts';

const isBusy = (thrown: unknown): boolean => isRegistryError(thrown, 'storage/busy');

async function folder(context: TestContext): Promise<string> {
  const created = await mkdtemp(path.join(tmpdir(), 'waybill-lock-'));
  context.after(() => rm(created, { recursive: true }));
  return created;
}

test('a held folder is refused within the process until it is released', async (context) => {
  const data = await folder(context);
  const release = holdDirectory(data);
  assert.throws(() => holdDirectory(data), isBusy);
  assert.throws(() => holdDirectory(data), isBusy);
  holdDirectory(await folder(context))();
  release();
  release();
  holdDirectory(data)();
});

test('a folder that another process holds is free once that process was killed', async (context) => {
  const data = await folder(context);
  const module = new URL('../../src/storage/sqlite/directory-lock.js', import.meta.url).href;
  const program = `
    const { holdDirectory } = await import(${JSON.stringify(module)});
    holdDirectory(${JSON.stringify(data)});
    await new Promise((resolve) => setImmediate(resolve));
    globalThis.gc();
    console.log('held');
    setInterval(() => {}, 1000);`;
  const holder = spawn(process.execPath, ['--expose-gc', '--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  context.after(() => holder.kill('SIGKILL'));
  await once(holder.stdout, 'data');
  assert.throws(() => holdDirectory(data), isBusy);
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  holdDirectory(data)();
});

test('a folder that is not there is not a busy one', async (context) => {
  const missing = path.join(await folder(context), 'missing');
  assert.throws(
    () => holdDirectory(missing),
    (thrown) => isRegistryError(thrown, 'storage/damaged'),
  );
});
