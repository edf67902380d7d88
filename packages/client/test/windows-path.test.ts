import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isRegistryError } from '@waybill/protocol';
import { requireWindowsPath } from '../src/node/windows-path.ts';

const TAKEN = ['a', 'a/b.txt', '.hidden', 'console', 'com', 'com10', 'nulls.txt', 'a b/c.d', 'auxiliary/x'];
const REFUSED = [
  'nul',
  'a/NUL.txt',
  'Aux/b',
  'con .txt',
  'com1',
  'lpt\u00b9.log',
  'CONIN$',
  'a:b',
  'c:/x',
  'a/b.',
  'a /b',
  '.. /x',
  'a?',
  'a"b',
];

test('W3: names that Windows takes for a device, a stream or another file are refused there', () => {
  for (const name of TAKEN) requireWindowsPath(name);
  for (const name of REFUSED) {
    assert.throws(
      () => requireWindowsPath(name),
      (thrown) => isRegistryError(thrown, 'usage/invalid'),
      name,
    );
  }
});
