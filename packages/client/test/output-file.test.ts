import assert from 'node:assert/strict';
import { lstat, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { isRegistryError } from '@waybill/protocol';
import { fileWriter, replaceFile } from '../src/node/index.ts';

test('a folder, a device or a socket is never replaced by a file', { skip: process.platform === 'win32' }, async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-output-'));
  const socket = path.join(folder, 'socket');
  const linked = path.join(folder, 'link');
  const server = createServer();
  try {
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    await symlink(socket, linked);
    for (const target of [folder, socket, linked]) {
      const before = await lstat(target);
      const refused = (thrown: unknown): boolean => isRegistryError(thrown, 'usage/invalid');
      await assert.rejects(replaceFile(target, 'text'), refused);
      await assert.rejects(fileWriter(target), refused);
      assert.equal((await lstat(target)).ino, before.ino);
    }
    const file = path.join(folder, 'file');
    await replaceFile(file, 'one');
    await replaceFile(file, 'two');
    assert.equal(await readFile(file, 'utf8'), 'two');
  } finally {
    server.close();
    await rm(folder, { recursive: true });
  }
});
