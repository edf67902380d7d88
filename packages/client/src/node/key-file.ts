import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import {
  isPrivateJwk,
  jwkMembers,
  parseJosePrivateKey,
  parseJosePublicKey,
  parseJson,
  privateKeyOfJwk,
  publicKeyOfJwk,
  RegistryError,
  type JosePrivateKey,
  type JosePublicKey,
  type JsonValue,
  type JwkMembers,
} from '@waybill/protocol';

/** Keys of one JWK set. */
const SET_KEYS_MAX = 64;

const PEM_BEGIN = '-----BEGIN ';

/**
 * The private keys of a file in any form: Warg text, this project's own, PEM, a JWK or a set of them. `algorithm` is for keys
 * that do not say theirs. Throws `text/private-key` or `text/key`; no message quotes a secret.
 */
export function readPrivateKeys(text: string, algorithm: string | null): readonly JosePrivateKey[] {
  const jwks = jwksOf(text);
  if (jwks === null) return [agreeing(parseJosePrivateKey(text.trim()), algorithm)];
  const keys = jwks.filter(isPrivateJwk).map((jwk) => privateKeyOfJwk(jwk, algorithm));
  if (keys.length === 0) throw new RegistryError('text/private-key', 'there are public keys only');
  return keys;
}

/** The text of a key says its algorithm: another one asked for would be ignored in silence. */
function agreeing(key: JosePrivateKey, algorithm: string | null): JosePrivateKey {
  if (algorithm === null || algorithm === key.publicKey.algorithm) return key;
  throw new RegistryError('text/key', `the key is of ${key.publicKey.algorithm}, not of ${algorithm}`);
}

/** The public keys of a file in any form; of a private key, its public side. Throws `text/key`. */
export function readPublicKeys(text: string, algorithm: string | null): readonly JosePublicKey[] {
  const jwks = jwksOf(text);
  return jwks === null ? [parseJosePublicKey(text.trim())] : jwks.map((jwk) => publicKeyOfJwk(jwk, algorithm));
}

/** `null` where the text is neither JSON nor PEM. */
function jwksOf(text: string): readonly JwkMembers[] | null {
  const trimmed = text.trim();
  if (trimmed.startsWith('{')) return setOf(parseJson(trimmed));
  return trimmed.includes(PEM_BEGIN) ? [jwkMembers(parseJson(JSON.stringify(jwkOfPem(trimmed))))] : null;
}

function setOf(jwk: JsonValue): readonly JwkMembers[] {
  const listed = jwk !== null && typeof jwk === 'object' && 'keys' in jwk ? jwk['keys'] : [jwk];
  if (!Array.isArray(listed) || listed.length === 0) throw new RegistryError('text/key', 'a JWK set lists keys');
  if (listed.length > SET_KEYS_MAX) throw new RegistryError('wire/too-large', `more than ${SET_KEYS_MAX} keys`);
  return listed.map(jwkMembers);
}

function jwkOfPem(pem: string): ReturnType<KeyObject['export']> {
  const isPrivate = pem.includes('PRIVATE KEY-----');
  try {
    return (isPrivate ? createPrivateKey(pem) : createPublicKey(pem)).export({ format: 'jwk' });
  } catch {
    // Without the cause: no word about a secret.
    throw new RegistryError(
      isPrivate ? 'text/private-key' : 'text/key',
      'the PEM cannot be read: it is damaged, encrypted, or of an algorithm that is not known here',
    );
  }
}
