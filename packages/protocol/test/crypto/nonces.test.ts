import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FULL } from '@waybill/tools/test-scale';
import { encodeHex } from '../../src/bytes/hex.ts';
import { utf8 } from '../../src/bytes/byte-array.ts';
import { PLATFORMS } from '../jose/browser-build.ts';

/** In the browser build a signature takes some milliseconds. */
const SIGNATURES = FULL ? 100_000 : 500;

for (const [platform, protocol] of PLATFORMS) {
  test(`C9: ${SIGNATURES} signatures by one key have ${SIGNATURES} different r (${platform})`, async () => {
    const key = protocol.parsePrivateKey(protocol.formatJosePrivateKey(await protocol.makePrivateKey('ES256')));
    const seen = new Set<string>();
    for (let i = 0; i < SIGNATURES; i++) {
      const { raw } = await protocol.signBytes('checkpoint', utf8(`message ${i}`), key);
      seen.add(encodeHex(raw.subarray(0, 32)));
    }
    assert.equal(seen.size, SIGNATURES);
  });
}
