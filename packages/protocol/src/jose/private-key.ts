import { platform } from '#crypto';
import { decodeBase64url, encodeBase64, encodeBase64url } from '../bytes/base64.ts';
import { parseJson } from '../bytes/json.ts';
import type { KeyMembers } from '../crypto/platform.ts';
import { RegistryError } from '../errors.ts';
import { parsePrivateKey } from '../names/key.ts';
import { JOSE_ALGORITHMS, type JoseAlgorithm, type KeyType } from './algorithms.ts';
import {
  asError,
  canonicalJwk,
  jwkMembers,
  memberBytes,
  parseJosePublicKey,
  publicKeyOfJwk,
  type JosePublicKey,
  type JwkMembers,
} from './public-key.ts';

/** Another prefix than a public key's, so that nobody publishes a private key for one. */
const PREFIX = 'jwk-private:';
const P256_PREFIX = 'ecdsa-p256:';

/** A signing key of one algorithm. Never printed, logged or put in an error. */
export interface JosePrivateKey {
  readonly publicKey: JosePublicKey;
  /** Public and private members of the JWK. */
  readonly members: KeyMembers;
}

/** Private members by the kind of key; the first of them alone makes a JWK private. */
const PRIVATE_MEMBERS: Readonly<Record<KeyType, readonly [string, ...string[]]>> = {
  EC: ['d'],
  RSA: ['d', 'dp', 'dq', 'p', 'q', 'qi'],
  OKP: ['d'],
  AKP: ['priv'],
};

/** Reads `ecdsa-p256:…` or `jwk-private:…`. Throws `text/private-key`; the message never quotes the text. */
export function parseJosePrivateKey(text: string): JosePrivateKey {
  if (!text.startsWith(PREFIX)) return keyOfP256(text);
  const jwk = asError('text/private-key', () => parseJson(decodeBase64url(text.slice(PREFIX.length))));
  const key = privateKeyOfJwk(jwkMembers(jwk), null);
  if (formatJosePrivateKey(key) !== text) throw malformed('not in its one canonical form');
  return key;
}

function keyOfP256(text: string): JosePrivateKey {
  const { scalar, publicKey } = parsePrivateKey(text);
  const known = parseJosePublicKey(publicKey.text);
  return { publicKey: known, members: { ...known.members, d: encodeBase64url(scalar) } };
}

/** The text of a private key for a key file. */
export function formatJosePrivateKey({ publicKey, members }: JosePrivateKey): string {
  if (JOSE_ALGORITHMS[publicKey.algorithm].hasWargText) {
    return `${P256_PREFIX}${encodeBase64(decodeBase64url(members['d'] ?? ''))}`;
  }
  return `${PREFIX}${canonicalJwk({ ...members, alg: publicKey.algorithm })}`;
}

/** True when the JWK holds a private key, or says it does. */
export function isPrivateJwk(jwk: JwkMembers): boolean {
  return jwk.has('d') || jwk.has('priv');
}

/** The private key of a JWK; `algorithm` as for {@link publicKeyOfJwk}. Throws `text/key` or `text/private-key`. */
export function privateKeyOfJwk(jwk: JwkMembers, algorithm: string | null): JosePrivateKey {
  const publicKey = publicKeyOfJwk(jwk, algorithm);
  const { kty, privateBytes, hasWargText } = JOSE_ALGORITHMS[publicKey.algorithm];
  const names = PRIVATE_MEMBERS[kty];
  const secrets = names.map((name) => asError('text/private-key', () => memberBytes(jwk, name)));
  const isSized = secrets.every((bytes) =>
    privateBytes === 0 ? (bytes[0] ?? 0) !== 0 : bytes.length === privateBytes,
  );
  if (!isSized) throw malformed('a private member is missing or has another length');
  const members = Object.fromEntries(names.map((name) => [name, jwk.get(name) ?? '']));
  const key = { publicKey, members: { ...publicKey.members, ...members } };
  return hasWargText ? ofOnePair(key) : key;
}

/** The scalar alone is kept of a P-256 key, so a JWK whose halves do not belong together would become another key. */
function ofOnePair(key: JosePrivateKey): JosePrivateKey {
  const fresh = keyOfP256(formatJosePrivateKey(key));
  if (fresh.publicKey.text !== key.publicKey.text) throw malformed('its public key is of another one');
  return fresh;
}

/** A new key. Throws `jws/unsupported` where the platform lacks the algorithm. */
export async function makePrivateKey(algorithm: JoseAlgorithm): Promise<JosePrivateKey> {
  const made = await platform.generateKey(JOSE_ALGORITHMS[algorithm].scheme);
  const { alg: _alg, ...members } = made;
  return privateKeyOfJwk(jwkMembers({ ...members, alg: algorithm }), null);
}

function malformed(why: string): RegistryError {
  return new RegistryError('text/private-key', `not a private key: ${why}`);
}
