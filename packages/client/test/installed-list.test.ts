import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { isRegistryError } from '@waybill/protocol';
import { readInstalledList, writeInstalledList } from '../src/node/installed-list.ts';

let folder: string;
let list: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'waybill-list-'));
  list = path.join(folder, '.deps.waybill-list');
});
afterEach(() => rm(folder, { recursive: true }));

test('a list is read as it was written, and an empty one is none', async () => {
  const names = ['test-log-1.0.0.wasm', 'a-b-c-0.1.0-rc.1', 'wasi-http-0.2.3+build'];
  assert.deepEqual(await readInstalledList(list), new Set());
  await writeInstalledList(list, names);
  assert.deepEqual(await readInstalledList(list), new Set(names.toSorted()));
  await writeInstalledList(list, []);
  assert.deepEqual(await readdir(folder), []);
});

test('W2: whatever a list names that is no name of an installed package stays', async () => {
  const names = [
    'mine',
    '..',
    '../out',
    '/etc',
    'test-log',
    'log-1.0.0',
    'test-log-1.0.0/x',
    'test-log-1.0',
    '',
    'a\\b-1.0.0',
  ];
  await writeFile(list, names.join('\n'));
  assert.deepEqual(await readInstalledList(list), new Set());
});

test('a list that is too large is refused', async () => {
  await writeFile(list, 'x'.repeat(1024 * 1024 + 1));
  await assert.rejects(readInstalledList(list), (thrown) => isRegistryError(thrown, 'usage/invalid'));
});
