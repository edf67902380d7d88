import { platform } from '#crypto';
import { decodeBase64url, encodeBase64url } from '../bytes/base64.ts';
import { utf8 } from '../bytes/byte-array.ts';
import { RegistryError } from '../errors.ts';
import { readCompactUnverified } from './jws.ts';
import { asError } from './public-key.ts';
import { signingInput } from './typed-jws.ts';

/*
 * Tokens of a service for itself. A module of its own, with a type of its own for its secrets: no path leads here from a
 * public key, and none from here to one, so a header cannot turn a public key into a secret (SECURITY.md C2).
 */

export type TokenAlgorithm = 'HS256' | 'HS384' | 'HS512';

interface TokenRow {
  readonly hash: string;
  /** RFC 7518 3.2: a secret is at least as long as the hash; the signature is exactly that long. */
  readonly hashBytes: number;
}

const TOKEN_ALGORITHMS: Readonly<Record<TokenAlgorithm, TokenRow>> = {
  HS256: { hash: 'SHA-256', hashBytes: 32 },
  HS384: { hash: 'SHA-384', hashBytes: 48 },
  HS512: { hash: 'SHA-512', hashBytes: 64 },
};

/** Texts that are no secret: keys that others hold. A PEM may follow the text of its certificate. */
const PUBLIC_TEXT = /^\s*(?:\{|jwk:|ecdsa-p256:|(?:sk-)?(?:ssh-|ecdsa-sha2-))|---- ?BEGIN /;

/** A secret for one algorithm. */
export class TokenSecret {
  readonly algorithm: TokenAlgorithm;
  readonly #bytes: Uint8Array;

  /** Throws `text/private-key` for a short secret, and for one that reads like a public key. */
  constructor(algorithm: TokenAlgorithm, bytes: Uint8Array) {
    if (bytes.length < TOKEN_ALGORITHMS[algorithm].hashBytes) {
      throw new RegistryError('text/private-key', `a secret of ${algorithm} must be at least as long as its hash`);
    }
    // Lenient: one byte that is no UTF-8 must not hide what others read as a key.
    if (PUBLIC_TEXT.test(new TextDecoder().decode(bytes))) {
      throw new RegistryError('text/private-key', 'a key in text form is no secret');
    }
    this.algorithm = algorithm;
    this.#bytes = bytes.slice();
  }

  /** The authentication code over `message`. */
  authenticate(message: Uint8Array): Promise<Uint8Array> {
    return platform.hmac(TOKEN_ALGORITHMS[this.algorithm].hash, this.#bytes, message);
  }
}

/** A compact JWS over `payload`. */
export async function signToken(secret: TokenSecret, payload: Uint8Array): Promise<string> {
  const header = encodeBase64url(utf8(JSON.stringify({ alg: secret.algorithm })));
  const body = encodeBase64url(payload);
  return `${header}.${body}.${encodeBase64url(await secret.authenticate(signingInput(header, body)))}`;
}

/** The payload of a compact JWS by `secret`. Throws a code of `jws/…`. */
export async function verifyToken(text: string, secret: TokenSecret): Promise<Uint8Array> {
  const { payloadText, signatures } = readCompactUnverified(text);
  const [token] = signatures;
  if (token?.algorithm !== secret.algorithm) {
    throw new RegistryError('jws/algorithm', 'alg is not the algorithm of the secret');
  }
  const body = payloadText ?? '';
  const expected = await secret.authenticate(signingInput(token.protectedText, body));
  if (!equalInConstantTime(expected, token.signature)) {
    throw new RegistryError('jws/signature', 'the token is not by this secret');
  }
  return asError('jws/malformed', () => decodeBase64url(body));
}

/** Where the first difference is must not show in the time. */
function equalInConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}
