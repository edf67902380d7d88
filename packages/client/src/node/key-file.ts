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
  const jwks = jwksOf(text, 'text/private-key');
  if (jwks === null) {
    const key = parseJosePrivateKey(text.trim());
    requireAgreement(key.publicKey, algorithm);
    return [key];
  }
  const keys = jwks.filter(isPrivateJwk).map((jwk) => privateKeyOfJwk(jwk, algorithm));
  if (keys.length === 0) throw new RegistryError('text/private-key', 'there are public keys only');
  return keys;
}

/** The text of a key says its algorithm: another one asked for would be ignored in silence. */
function requireAgreement(key: JosePublicKey, algorithm: string | null): void {
  if (algorithm === null || algorithm === key.algorithm) return;
  throw new RegistryError('text/key', `the key is of ${key.algorithm}, not of ${algorithm}`);
}

/** The public keys of a file in any form; of a private key, its public side. Throws `text/key` or `text/private-key`. */
export function readPublicKeys(text: string, algorithm: string | null): readonly JosePublicKey[] {
  const jwks = jwksOf(text, 'text/key');
  if (jwks !== null) return jwks.map((jwk) => publicKeyOfJwk(jwk, algorithm));
  const key = parseJosePublicKey(text.trim());
  requireAgreement(key, algorithm);
  return [key];
}

type KeyCode = 'text/key' | 'text/private-key';

/** `null` where the text is neither JSON nor PEM. */
function jwksOf(text: string, code: KeyCode): readonly JwkMembers[] | null {
  const trimmed = text.trim();
  if (trimmed.startsWith('{')) return setOf(jsonOf(trimmed, code));
  return trimmed.includes(PEM_BEGIN) ? [jwkMembers(jsonOf(JSON.stringify(jwkOfPem(trimmed, code)), code))] : null;
}

function jsonOf(text: string, code: KeyCode): JsonValue {
  try {
    return parseJson(text);
  } catch {
    // Without the cause: no word about a secret.
    throw new RegistryError(code, 'the JWK is not JSON as it is read here');
  }
}

function setOf(jwk: JsonValue): readonly JwkMembers[] {
  const listed = jwk !== null && typeof jwk === 'object' && 'keys' in jwk ? jwk['keys'] : [jwk];
  if (!Array.isArray(listed) || listed.length === 0) throw new RegistryError('text/key', 'a JWK set lists keys');
  if (listed.length > SET_KEYS_MAX) throw new RegistryError('wire/too-large', `more than ${SET_KEYS_MAX} keys`);
  return listed.map(jwkMembers);
}

function jwkOfPem(pem: string, code: KeyCode): ReturnType<KeyObject['export']> {
  const [first = '', ...others] = pem.split(PEM_BEGIN).slice(1).filter(isKeyBlock);
  // The platform would read the first and drop the rest in silence.
  if (others.length > 0) throw new RegistryError(code, 'there are several blocks in the PEM: keep each key in a file');
  const isPrivate = first.includes('PRIVATE KEY-----');
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

/** OpenSSL writes the name of the curve before a key of it. */
function isKeyBlock(block: string): boolean {
  return !block.startsWith('EC PARAMETERS-----');
}
