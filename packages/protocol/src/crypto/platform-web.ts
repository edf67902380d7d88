import { p256 } from '@noble/curves/nist.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { KeyCache } from './key-cache.ts';
import type { CryptoPlatform } from './platform.ts';

const ECDSA_P256 = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const ECDSA_SHA256 = { name: 'ECDSA', hash: 'SHA-256' } as const;

/** Imported once each; a point that WebCrypto refuses is refused again from here. */
const publicKeys = new KeyCache((point) =>
  globalThis.crypto.subtle.importKey('raw', unshared(point), ECDSA_P256, false, ['verify']),
);

/** WebCrypto takes no bytes of shared memory, and copies what it takes. */
function unshared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return isUnshared(bytes) ? bytes : new Uint8Array(bytes);
}

function isUnshared(bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer;
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
    const key = await publicKeys.get(point);
    return globalThis.crypto.subtle.verify(ECDSA_SHA256, key, unshared(signature), unshared(message));
  },
  async p256Sign(scalar, message) {
    return p256.sign(message, scalar, { lowS: false });
  },
};
