import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeBase64 } from '../../src/bytes/base64.ts';
import { OPERATOR_LOG } from '../../src/record-log/operator-log.ts';
import { PACKAGE_LOG, type PackageEntry } from '../../src/record-log/package-log.ts';
import { decodeSignedRecord, keyCountOf } from '../../src/record-log/signed-record.ts';
import { decodeEnvelope, type Envelope } from '../../src/wire/envelope.ts';
import { isRegistryError } from '../../src/errors.ts';
import { readCases, signCase } from './record-case.ts';

/* What is counted before keys are looked at is what is looked at then: else a bound on the count bounds nothing. */

const KINDS = ['authority', 'encoding', 'envelope', 'log'] as const;

test('the keys counted in each record of the vectors are those that it decodes to', async () => {
  const seen = new Set<number>();
  for (const { records, name } of KINDS.flatMap(readCases)) {
    for (const text of (await signCase(records)).envelopes) {
      const envelope = decodeEnvelope(decodeBase64(text));
      const entries = entriesIn(envelope);
      if (entries === null) continue;
      const count = entries.reduce((sum, entry) => sum + keysIn(entry), 0);
      assert.equal(keyCountOf(PACKAGE_LOG, envelope.contents), count, name);
      seen.add(count);
    }
  }
  for (const count of [0, 1, 2, 16]) assert.ok(seen.has(count), `${count}`);
});

/** `null` where the record does not decode. */
function entriesIn(envelope: Envelope): readonly PackageEntry[] | null {
  try {
    return decodeSignedRecord(PACKAGE_LOG, envelope).entries;
  } catch (thrown) {
    if (isRegistryError(thrown, 'record/decode')) return null;
    throw thrown;
  }
}

function keysIn(entry: PackageEntry): number {
  if ('holder' in entry) return entry.holder.keys.length;
  return 'key' in entry ? 1 : 0;
}

test('keys are counted where an entry says a member twice, and where it says none', () => {
  const bytes = (...parts: readonly number[]): Uint8Array => Uint8Array.of(0x10, 0x01, ...parts);
  const root = [0x82, 0x01, 0x04, 0x0a, 0x00, 0x0a, 0x00];
  // Two roots in one entry are merged; a revoke after them overrules both.
  assert.equal(keyCountOf(PACKAGE_LOG, bytes(0x22, 7, ...root)), 2);
  assert.equal(keyCountOf(PACKAGE_LOG, bytes(0x22, 14, ...root, ...root)), 4);
  assert.equal(keyCountOf(PACKAGE_LOG, bytes(0x22, 10, ...root, 0x92, 0x01, 0x00)), 0);
  assert.equal(keyCountOf(PACKAGE_LOG, bytes(0x22, 0)), 0);
  assert.equal(keyCountOf(PACKAGE_LOG, bytes(0x22, 3, 0x8a, 0x01, 0x00)), 0);
  // The operator log has no version 1: 16 is an unknown field there, and 1 is init.
  assert.equal(keyCountOf(OPERATOR_LOG, bytes(0x22, 7, ...root, 0x22, 2, 0x0a, 0x00)), 1);
});
