import { p256 } from '@noble/curves/nist.js';
import { sha256 } from '@noble/hashes/sha2.js';
import type { CryptoPlatform } from './platform.ts';

const ECDSA_P256 = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const ECDSA_SHA256 = { name: 'ECDSA', hash: 'SHA-256' } as const;

/** WebCrypto wants bytes over an ArrayBuffer it may keep; a copy gives exactly that type. */
function owned(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

/** Browsers: WebCrypto verifies, noble hashes (synchronously), uncompresses points and signs (`lowS: false`, as Rust does). */
export const platform: CryptoPlatform = {
  sha256: (message) => sha256(message),
  sha256Stream() {
    const hash = sha256.create();
    return { update: (chunk) => void hash.update(chunk), digest: () => hash.digest() };
  },
  p256Uncompress(point) {
    try {
      return p256.Point.fromBytes(point).toBytes(false);
    } catch {
      return null;
    }
  },
  p256PublicPoint: (scalar) => p256.getPublicKey(scalar, false),
  async p256Verify(point, message, signature) {
    const { subtle } = globalThis.crypto;
    const key = await subtle.importKey('raw', owned(point), ECDSA_P256, false, ['verify']);
    return subtle.verify(ECDSA_SHA256, key, owned(signature), owned(message));
  },
  async p256Sign(scalar, message) {
    return p256.sign(message, scalar, { lowS: false });
  },
};
