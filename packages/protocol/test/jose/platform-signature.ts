import assert from 'node:assert/strict';
import { utf8 } from '../../src/bytes/byte-array.ts';
import { isRegistryError } from '../../src/errors.ts';
import { JOSE_ALGORITHMS, type JoseAlgorithm } from '../../src/jose/algorithms.ts';
import { PLATFORMS } from './browser-build.ts';
import { PAYLOAD, type PlatformSigned } from './webcrypto-checks.ts';

/** Every platform that has the algorithm takes the signature; only what is not everywhere may be missing. */
export async function requireSigned(algorithm: JoseAlgorithm, signed: PlatformSigned): Promise<void> {
  if (signed === null) return assert.ok(!JOSE_ALGORITHMS[algorithm].isEverywhere, `${algorithm} is missing`);
  for (const [platform, { parseJosePublicKey, verifyDetached }] of PLATFORMS) {
    const expected = {
      key: parseJosePublicKey(signed.publicKey),
      context: 'vnd.waybill.file',
      payload: utf8(PAYLOAD),
    } as const;
    await verifyDetached(signed.jws, expected).catch((failure: unknown) => {
      const isMissing = isRegistryError(failure, 'jws/unsupported') || String(failure).includes('this platform has no');
      assert.ok(
        isMissing && !JOSE_ALGORITHMS[algorithm].isEverywhere,
        `${algorithm} on ${platform}: ${String(failure)}`,
      );
    });
  }
}
