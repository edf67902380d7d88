import * as nodeCrypto from 'node:crypto';
import { encodeBase64url } from '../bytes/base64.ts';
import { derFromSignature, signatureFromDer } from './der.ts';
import { KeyCache } from './key-cache.ts';
import type { CryptoPlatform } from './platform.ts';

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

/** Node's OpenSSL. Signatures go through DER: the raw form is up to twice as slow on Node 24. */
export const platform: CryptoPlatform = {
  sha256(message) {
    // A binary string copied into a plain array is three times as fast as asking for a Buffer.
    const binary = nodeCrypto.hash('sha256', message, 'binary');
    const digest = new Uint8Array(32);
    for (let i = 0; i < 32; i++) digest[i] = binary.charCodeAt(i);
    return digest;
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
  p256Sign(scalar, message) {
    const key = { key: privateKeyObject(scalar), dsaEncoding: 'der' } as const;
    return new Promise((resolve, reject) => {
      nodeCrypto.sign('sha256', message, key, (error, der) =>
        error === null ? resolve(signatureFromDer(Uint8Array.from(der))) : reject(error),
      );
    });
  },
};
