import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  digestOf,
  encodeTimestampedCheckpoint,
  parseSignature,
  utf8,
  verifyBytes,
  type SignedCheckpoint,
} from '@waybill/protocol';
import { CheckpointSigner } from '../../src/core/checkpoint-signer.ts';
import { keyOf } from '../publisher.ts';
import { STARTED_MS } from './registry-core.ts';

const key = keyOf('operator');
const signer = new CheckpointSigner(key, () => STARTED_MS);
/** What somebody would like to have signed: a record, a key, a line of a note, the prefixes of other statements. */
const WISHES = [
  'WARG-PACKAGE-RECORD-SIGNATURE-V0:',
  'WARG-OPERATOR-RECORD-SIGNATURE-V0:',
  'WARG-CHECKPOINT-V0',
  'eyJhbGciOiJFUzI1NiJ9.e30',
  'registry.example/records\n1\n',
  '\0',
  '',
];

/** A head before, of which everything but the time is text of somebody else. */
function headWith(wish: string, timestamp: number): SignedCheckpoint {
  const contents = { logLength: 1, logRoot: digestOf(utf8(wish)), mapRoot: digestOf(utf8(wish)), timestamp };
  return { contents, keyId: wish, signature: wish };
}

test('C13: the signer of checkpoints signs a size and two roots, which it writes itself, and no word of anybody', async () => {
  for (const [i, wish] of WISHES.entries()) {
    const asked = {
      logLength: i + 1,
      logRoot: digestOf(utf8(`log ${wish}`)),
      mapRoot: digestOf(utf8(`map ${wish}`)),
      origin: wish,
      text: wish,
      timestamp: i,
    };
    const { contents, keyId, signature } = await signer.sign(asked, headWith(wish, 1));
    const { logLength, logRoot, mapRoot } = asked;
    assert.deepEqual(contents, { logLength, logRoot, mapRoot, timestamp: STARTED_MS / 1_000 });
    assert.equal(keyId, key.publicKey.id);
    const found = parseSignature(signature);
    const bytes = encodeTimestampedCheckpoint(contents);
    assert.ok(await verifyBytes('checkpoint', bytes, key.publicKey, found));
    for (const context of ['package-record', 'operator-record', 'checkpoint'] as const) {
      assert.ok(!(await verifyBytes(context, utf8(wish), key.publicKey, found)));
      if (context !== 'checkpoint') assert.ok(!(await verifyBytes(context, bytes, key.publicKey, found)));
    }
  }
});
