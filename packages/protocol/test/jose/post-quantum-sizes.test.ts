import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../../src/bytes/byte-array.ts';
import { isRegistryError } from '../../src/errors.ts';
import { JOSE_ALGORITHM_NAMES, JOSE_ALGORITHMS } from '../../src/jose/algorithms.ts';
import { makePrivateKey } from '../../src/jose/private-key.ts';
import { localSigner } from '../../src/jose/signer.ts';
import { signDetached } from '../../src/jose/typed-jws.ts';
import { formatSignedNote } from '../../src/wire/log-checkpoint.ts';

/** Characters of a detached JWS of the longest signature; a file of somebody's signatures stays one page of a disk or two. */
const JWS_CHARACTERS_MAX = 4_700;
/** Bytes of a checkpoint with a line of each of 16 witnesses that sign with ML-DSA-44: what a client may have to read. */
const NOTE_BYTES_MAX = 56 * 1_024;
const WITNESSES = 16;

test('C14: a detached JWS of the longest signature stays within its budget', async () => {
  const key = await makePrivateKey('Ed25519');
  const jws = await signDetached(localSigner(key), 'vnd.waybill.file', utf8('text'));
  const [header = ''] = jws.split('.');
  for (const name of JOSE_ALGORITHM_NAMES) {
    const { signatureBytes } = JOSE_ALGORITHMS[name];
    const expected = header.length + 2 + Math.ceil((signatureBytes * 4) / 3);
    assert.ok(expected <= JWS_CHARACTERS_MAX - 4, `${name}: ${expected}`);
  }
});

test('C14: what this platform signs with ML-DSA stays within the budget', async () => {
  for (const name of ['ML-DSA-44', 'ML-DSA-65'] as const) {
    const key = await makePrivateKey(name).catch((failure: unknown) => {
      if (isRegistryError(failure, 'jws/unsupported')) return null;
      throw failure;
    });
    if (key === null) continue;
    const jws = await signDetached(localSigner(key), 'vnd.waybill.file', utf8('text'));
    assert.ok(jws.length <= JWS_CHARACTERS_MAX, `${name}: ${jws.length}`);
  }
});

test('C14: a checkpoint with sixteen lines of ML-DSA-44 would stay within its budget', () => {
  const text = `${'registry.example/'.padEnd(200, 'x')}\n9007199254740991\n${'A'.repeat(43)}=\n`;
  const witness = { name: 'witness.example/'.padEnd(100, 'x'), keyId: new Uint8Array(4) };
  // A cosignature begins with its time, in eight bytes.
  const signature = new Uint8Array(8 + JOSE_ALGORITHMS['ML-DSA-44'].signatureBytes);
  const line = utf8(formatSignedNote(text, witness, signature)).length - text.length - 1;
  assert.ok(text.length + 1 + WITNESSES * line <= NOTE_BYTES_MAX, String(line));
});
