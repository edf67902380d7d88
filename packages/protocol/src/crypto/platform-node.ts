import * as nodeCrypto from 'node:crypto';
import { encodeBase64url } from '../bytes/base64.ts';
import { RegistryError } from '../errors.ts';
import { derFromSignature, signatureFromDer } from './der.ts';
import { ecdsaDer } from './ecdsa-der.ts';
import { KeyCache } from './key-cache.ts';
import { RSA_BITS, type CryptoPlatform, type KeyMembers, type SignatureScheme } from './platform.ts';

const publicKeys = new KeyCache<nodeCrypto.SigningKey>((point) => ({
  key: nodeCrypto.createPublicKey({ key: jwkOf(point), format: 'jwk' }),
  dsaEncoding: 'der',
}));

function jwkOf(point: Uint8Array): nodeCrypto.JsonWebKey {
  return {
    kty: 'EC',
    crv: 'P-256',
    x: encodeBase64url(point.subarray(1, 33)),
    y: encodeBase64url(point.subarray(33, 65)),
  };
}

/** By the array that holds the scalar, and for as long as somebody holds it: a server signs with one key for ever. */
const privateKeyObjects = new WeakMap<Uint8Array, nodeCrypto.KeyObject>();

function privateKeyObject(scalar: Uint8Array): nodeCrypto.KeyObject {
  const known = privateKeyObjects.get(scalar);
  if (known !== undefined) return known;
  const jwk = { ...jwkOf(platform.p256PublicPoint(scalar)), d: encodeBase64url(scalar) };
  const fresh = nodeCrypto.createPrivateKey({ key: jwk, format: 'jwk' });
  privateKeyObjects.set(scalar, fresh);
  return fresh;
}

const publicObjects = new WeakMap<KeyMembers, nodeCrypto.KeyObject>();
const privateObjects = new WeakMap<KeyMembers, nodeCrypto.KeyObject>();

/** Public members were checked before they came here, so what OpenSSL refuses it does not have. */
function publicObject(scheme: SignatureScheme, key: KeyMembers): nodeCrypto.KeyObject {
  const known = publicObjects.get(key);
  if (known !== undefined) return known;
  try {
    const fresh = nodeCrypto.createPublicKey({ key, format: 'jwk' });
    publicObjects.set(key, fresh);
    return fresh;
  } catch (cause) {
    throw unsupported(scheme, cause);
  }
}

function privateObject(scheme: SignatureScheme, key: KeyMembers): nodeCrypto.KeyObject {
  const known = privateObjects.get(key);
  if (known !== undefined) return known;
  // Asked first, as it alone tells a missing algorithm from a bad key.
  publicObject(scheme, key);
  try {
    const fresh = nodeCrypto.createPrivateKey({ key, format: 'jwk' });
    privateObjects.set(key, fresh);
    return fresh;
  } catch {
    throw refusedPrivateKey();
  }
}

/** Without a cause: no word about a secret. */
function refusedPrivateKey(): RegistryError {
  return new RegistryError('text/private-key', 'the platform refuses this private key');
}

function unsupported({ webcrypto }: SignatureScheme, cause: unknown): RegistryError {
  return new RegistryError('jws/unsupported', `this platform has no ${webcrypto.name}`, {}, { cause });
}

/** `SHA-256` → `sha256`; `null` for an algorithm that hashes by itself. */
function digestOf({ webcrypto }: SignatureScheme): string | null {
  return webcrypto.hash === undefined ? null : digestName(webcrypto.hash);
}

function digestName(hash: string): string {
  return hash.replace('-', '').toLowerCase();
}

/** What is not longer is signed at once: that takes 40 µs, and to have a thread do it costs this one more. */
const AT_ONCE_BYTES_MAX = 16 * 1024;

/** Node's OpenSSL. Signatures go through DER: the raw form is up to twice as slow on Node 24. */
export const platform: CryptoPlatform = {
  sha256Into(message, target, offset) {
    // A binary string copied byte by byte is three times as fast as asking for a Buffer.
    const binary = nodeCrypto.hash('sha256', message, 'binary');
    for (let i = 0; i < 32; i++) target[offset + i] = binary.charCodeAt(i);
  },
  sha256Stream() {
    const hash = nodeCrypto.createHash('sha256');
    return {
      update: (chunk) => void hash.update(chunk),
      digest: () => Uint8Array.from(hash.digest()),
    };
  },
  p256Uncompress(point) {
    try {
      return Uint8Array.from(nodeCrypto.ECDH.convertKey(point, 'prime256v1', undefined, undefined, 'uncompressed'));
    } catch {
      return null;
    }
  },
  p256PublicPoint(scalar) {
    const ecdh = nodeCrypto.createECDH('prime256v1');
    ecdh.setPrivateKey(scalar);
    return Uint8Array.from(ecdh.getPublicKey());
  },
  p256Verify(point, message, signature) {
    return new Promise((resolve, reject) => {
      nodeCrypto.verify('sha256', message, publicKeys.get(point), derFromSignature(signature), (error, valid) =>
        error === null ? resolve(valid) : reject(error),
      );
    });
  },
  async p256Sign(scalar, message) {
    const key = { key: privateKeyObject(scalar), dsaEncoding: 'der' } as const;
    if (message.length <= AT_ONCE_BYTES_MAX) {
      return signatureFromDer(Uint8Array.from(nodeCrypto.sign('sha256', message, key)));
    }
    return new Promise((resolve, reject) => {
      nodeCrypto.sign('sha256', message, key, (error, der) =>
        error === null ? resolve(signatureFromDer(Uint8Array.from(der))) : reject(error),
      );
    });
  },
  async verifyWith(scheme, key, message, signature) {
    const { rsa, scalarBytes } = scheme.openssl;
    const options = { key: publicObject(scheme, key), dsaEncoding: 'der', ...rsa } as const;
    const encoded = scalarBytes === 0 ? signature : ecdsaDer(signature);
    return new Promise((resolve, reject) => {
      nodeCrypto.verify(digestOf(scheme), message, options, encoded, (error, valid) =>
        error === null ? resolve(valid) : reject(error),
      );
    });
  },
  async signWith(scheme, key, message) {
    const { rsa } = scheme.openssl;
    const options = { key: privateObject(scheme, key), dsaEncoding: 'ieee-p1363', ...rsa } as const;
    return new Promise((resolve, reject) => {
      nodeCrypto.sign(digestOf(scheme), message, options, (error, signature) =>
        error === null ? resolve(Uint8Array.from(signature)) : reject(refusedPrivateKey()),
      );
    });
  },
  async generateKey(scheme) {
    const options = { namedCurve: scheme.webcrypto.namedCurve ?? '', modulusLength: RSA_BITS };
    const made = await new Promise<nodeCrypto.KeyObject>((resolve, reject) => {
      try {
        nodeCrypto.generateKeyPair(scheme.openssl.keyType, options, (error, _public, key) =>
          error === null ? resolve(key) : reject(error),
        );
      } catch (cause) {
        reject(unsupported(scheme, cause));
      }
    });
    try {
      return made.export({ format: 'jwk' });
    } catch (cause) {
      throw unsupported(scheme, cause);
    }
  },
  async hmac(hash, secret, message) {
    return Uint8Array.from(nodeCrypto.createHmac(digestName(hash), secret).update(message).digest());
  },
};
