import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../../src/bytes/byte-array.ts';
import { isRegistryError, type ErrorCode } from '../../src/errors.ts';
import { JOSE_ALGORITHM_NAMES, type JoseAlgorithm } from '../../src/jose/algorithms.ts';
import { signDetached } from '../../src/jose/typed-jws.ts';
import { webCryptoSigner, type WebCryptoKeyPair } from '../../src/jose/webcrypto-signer.ts';
import { PLATFORMS } from './browser-build.ts';
import { requireSigned } from './platform-signature.ts';
import { platformKeyPair, signWithPlatformKey } from './webcrypto-checks.ts';

const { subtle } = crypto;

async function pairOf(algorithm: JoseAlgorithm) {
  return (await platformKeyPair(algorithm)) ?? assert.fail(`${algorithm} is missing`);
}

for (const [platform, protocol] of PLATFORMS) {
  test(`jose 3.5: keys that cannot be exported sign (${platform})`, async () => {
    for (const name of JOSE_ALGORITHM_NAMES) await requireSigned(name, await signWithPlatformKey(protocol, name));
  });
}

async function refused(code: ErrorCode, pair: WebCryptoKeyPair): Promise<void> {
  await assert.rejects(webCryptoSigner(pair), (failure) => isRegistryError(failure, code), code);
}

test('jose 1.1: a key of WebCrypto for something else signs nothing', async () => {
  const { privateKey, publicKey } = await pairOf('ES256');
  const { publicKey: longer } = await pairOf('ES384');
  const spki = await subtle.exportKey('spki', publicKey);
  const closed = await subtle.importKey('spki', spki, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['verify']);
  const secret = await subtle.generateKey({ name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify']);
  const agreeing = await subtle.generateKey({ name: 'ECDH', namedCurve: 'P-256' }, false, ['deriveBits']);
  const rsa = { modulusLength: 2_048, publicExponent: Uint8Array.of(1, 0, 1), hash: 'SHA-1' } as const;
  const old = await subtle.generateKey({ name: 'RSASSA-PKCS1-v1_5', ...rsa }, false, ['sign', 'verify']);
  await refused('text/private-key', { privateKey: {}, publicKey });
  await refused('text/private-key', { privateKey: publicKey, publicKey });
  await refused('text/private-key', { privateKey: secret, publicKey });
  await refused('text/private-key', agreeing);
  await refused('text/key', { privateKey, publicKey: privateKey });
  await refused('text/key', { privateKey, publicKey: closed });
  await refused('text/key', { privateKey, publicKey: longer });
  await refused('jws/unsupported', old);
});

test('jose 1.5: the hash and the padding of an RSA key are part of it', async () => {
  const { privateKey } = await pairOf('PS256');
  for (const other of ['PS384', 'RS256'] as const) {
    await refused('text/key', { privateKey, publicKey: (await pairOf(other)).publicKey });
  }
});

test('jose 3.5: halves that do not belong together sign nothing', async () => {
  for (const algorithm of ['ES256', 'Ed25519', 'PS256'] as const) {
    const [{ privateKey }, { publicKey }] = [await pairOf(algorithm), await pairOf(algorithm)];
    const signer = await webCryptoSigner({ privateKey, publicKey });
    await assert.rejects(signDetached(signer, 'vnd.waybill.file', utf8('text')), (failure) =>
      isRegistryError(failure, 'signer/failed'),
    );
  }
});
