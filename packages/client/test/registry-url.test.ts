import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isRegistryError } from '@waybill/protocol';
import { parseRegistryUrl } from '../src/transport.ts';

test('an address with a password is refused, and the refusal does not repeat it (threats W12)', () => {
  for (const text of ['https://user:hunter2@localhost/', 'https://hunter2@localhost/', 'user:hunter2@localhost']) {
    assert.throws(
      () => parseRegistryUrl(text),
      (thrown) => isRegistryError(thrown, 'usage/invalid') && !thrown.message.includes('hunter2'),
    );
  }
  assert.equal(parseRegistryUrl('registry.example/path').href, 'https://registry.example/path/');
});
