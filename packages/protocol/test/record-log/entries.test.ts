import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { decodeHex } from '../../src/bytes/hex.ts';
import { isRegistryError } from '../../src/errors.ts';
import { OPERATOR_LOG } from '../../src/record-log/operator-log.ts';
import { PACKAGE_LOG } from '../../src/record-log/package-log.ts';
import { decodeSignedRecord } from '../../src/record-log/signed-record.ts';

interface EntryVector {
  readonly name: string;
  readonly clause: string;
  readonly log: 'package' | 'operator';
  /** The contents of a record of the epoch with one entry. */
  readonly hex: string;
  readonly expect: string;
}

const FILE = new URL('../../../../../vectors/record-log/entries.json', import.meta.url);
const VECTORS: readonly EntryVector[] = JSON.parse(readFileSync(FILE, 'utf8'));
/** Decoding reads the signature's text and judges nothing of it: r and s are 1. */
const SIGNATURE = 'ecdsa-p256:MAYCAQECAQE=';

function verdictOf({ log, hex }: EntryVector): string {
  const envelope = { contents: decodeHex(hex), keyId: '', signature: SIGNATURE, cosignatures: [] };
  try {
    if (log === 'package') decodeSignedRecord(PACKAGE_LOG, envelope);
    else decodeSignedRecord(OPERATOR_LOG, envelope);
    return 'ok';
  } catch (thrown) {
    if (isRegistryError(thrown)) return thrown.code;
    throw thrown;
  }
}

for (const vector of VECTORS) {
  const { clause, log, name, expect } = vector;
  test(`${clause} (${log} log): ${name} → ${expect}`, () => assert.equal(verdictOf(vector), expect));
}

test('warg.md 3: parts of one member are merged, and of two members the last one counts', () => {
  const entryOf = (name: string): unknown => {
    const { hex } = VECTORS.find((vector) => vector.log === 'package' && vector.name === name) ?? assert.fail(name);
    return decodeSignedRecord(PACKAGE_LOG, {
      contents: decodeHex(hex),
      keyId: '',
      signature: SIGNATURE,
      cosignatures: [],
    }).entries;
  };
  const init = entryOf('init');
  assert.deepEqual(entryOf('init, its key in one part and its algorithm in another'), init);
  assert.deepEqual(entryOf('two members: the last one counts'), init);
  assert.deepEqual(entryOf('an unknown member beside a known one'), init);
  assert.deepEqual(entryOf('grant, not packed'), entryOf('grant, packed'));
  assert.deepEqual(entryOf('grant, partly packed'), entryOf('grant, packed'));
});
