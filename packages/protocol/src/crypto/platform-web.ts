import { p256 } from '@noble/curves/nist.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { unsharedBytes } from '../bytes/byte-array.ts';
import { RegistryError } from '../errors.ts';
import { KeyCache } from './key-cache.ts';
import { webCryptoParameters, type CryptoPlatform, type KeyMembers, type SignatureScheme } from './platform.ts';

const ECDSA_P256 = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const ECDSA_SHA256 = { name: 'ECDSA', hash: 'SHA-256' } as const;

/** Imported once each; a point that WebCrypto refuses is refused again from here. */
const publicKeys = new KeyCache((point) =>
  globalThis.crypto.subtle.importKey('raw', unsharedBytes(point), ECDSA_P256, false, ['verify']),
);

const publicHandles = new WeakMap<KeyMembers, Promise<CryptoKey>>();

function publicHandle(scheme: SignatureScheme, key: KeyMembers): Promise<CryptoKey> {
  const known = publicHandles.get(key);
  if (known !== undefined) return known;
  const fresh = importKey(scheme, key, 'verify');
  publicHandles.set(key, fresh);
  return fresh;
}

/** Public members were checked before they came here, so what WebCrypto refuses it does not have. */
async function importKey(scheme: SignatureScheme, key: KeyMembers, use: 'sign' | 'verify'): Promise<CryptoKey> {
  try {
    return await globalThis.crypto.subtle.importKey('jwk', { ...key }, webCryptoParameters(scheme), false, [use]);
  } catch (cause) {
    if (use === 'sign') await publicHandle(scheme, publicMembers(key));
    throw use === 'sign' ? refusedPrivateKey() : unsupported(scheme, cause);
  }
}

const PRIVATE_MEMBERS: ReadonlySet<string> = new Set(['d', 'dp', 'dq', 'p', 'priv', 'q', 'qi']);

function publicMembers(key: KeyMembers): KeyMembers {
  return Object.fromEntries(Object.entries(key).filter(([name]) => !PRIVATE_MEMBERS.has(name)));
}

/** Without a cause: no word about a secret. */
function refusedPrivateKey(): RegistryError {
  return new RegistryError('text/private-key', 'the platform refuses this private key');
}

function unsupported({ webcrypto }: SignatureScheme, cause: unknown): RegistryError {
  return new RegistryError('jws/unsupported', `this platform has no ${webcrypto.name}`, {}, { cause });
}

/** Browsers: WebCrypto verifies, noble hashes (synchronously), uncompresses points and signs (`lowS: false`, as Rust does). */
export const platform: CryptoPlatform = {
  sha256Into: (message, target, offset) => target.set(sha256(message), offset),
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
    return globalThis.crypto.subtle.verify(ECDSA_SHA256, key, unsharedBytes(signature), unsharedBytes(message));
  },
  async p256Sign(scalar, message) {
    return p256.sign(message, scalar, { lowS: false });
  },
  async verifyWith(scheme, key, message, signature) {
    const handle = await publicHandle(scheme, key);
    return globalThis.crypto.subtle.verify(
      webCryptoParameters(scheme),
      handle,
      unsharedBytes(signature),
      unsharedBytes(message),
    );
  },
  async signWith(scheme, key, message) {
    const handle = await importKey(scheme, key, 'sign');
    const signing = globalThis.crypto.subtle.sign(webCryptoParameters(scheme), handle, unsharedBytes(message));
    return new Uint8Array(
      await signing.catch(() => {
        throw refusedPrivateKey();
      }),
    );
  },
  async generateKey(scheme) {
    const { subtle } = globalThis.crypto;
    const pair = await subtle
      .generateKey(webCryptoParameters(scheme), true, ['sign', 'verify'])
      .catch((cause: unknown) => {
        throw unsupported(scheme, cause);
      });
    const key = 'privateKey' in pair ? pair.privateKey : pair;
    const members = Object.entries(await subtle.exportKey('jwk', key));
    return Object.fromEntries(members.flatMap(([name, text]) => (typeof text === 'string' ? [[name, text]] : [])));
  },
  async hmac(hash, secret, message) {
    const { subtle } = globalThis.crypto;
    const key = await subtle.importKey('raw', unsharedBytes(secret), { name: 'HMAC', hash }, false, ['sign']);
    return new Uint8Array(await subtle.sign('HMAC', key, unsharedBytes(message)));
  },
};
