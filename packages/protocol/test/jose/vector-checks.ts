import type * as protocolIndex from '../../src/index.ts';
import type { JsonValue, TokenAlgorithm } from '../../src/index.ts';

/* Runs in Node and in the page of a browser: no module of Node here. */

export type Protocol = typeof protocolIndex;

/** The members that the kinds of vector files have between them. Bytes are base64url. */
export interface Vector {
  readonly name: string;
  readonly clause: string;
  readonly expect: string;
  readonly text: string;
  readonly keyId: string;
  readonly jwk: JsonValue;
  readonly thumbprint: string;
  readonly algorithm: string | null;
  readonly key: string;
  readonly keys: readonly string[];
  readonly typ: string | null;
  readonly payload: string | null;
  readonly jws: string;
  readonly secret: string;
  readonly token: string;
}

type Check = (protocol: Protocol, vector: Vector) => unknown;

const CHECKS: ReadonlyMap<string, Check> = new Map<string, Check>([
  ['key', ({ parseJosePublicKey }, { text }) => same(parseJosePublicKey(text).text, text)],
  [
    'private-key',
    ({ parseJosePrivateKey, formatJosePrivateKey }, { text, keyId }) => {
      const key = parseJosePrivateKey(text);
      same(formatJosePrivateKey(key), text);
      same(key.publicKey.id, keyId);
    },
  ],
  [
    'jwk',
    (protocol, { jwk, algorithm, text, thumbprint }) => {
      const key = protocol.publicKeyOfJwk(protocol.jwkMembers(jwk), algorithm);
      same(key.text, text);
      const digest = protocol.sha256(protocol.utf8(JSON.stringify(key.members)));
      same(protocol.encodeBase64url(digest), thumbprint);
    },
  ],
  [
    'typed',
    ({ parseJosePublicKey, verifyDetached, decodeBase64url }, { key, payload, jws }) =>
      verifyDetached(jws, {
        key: parseJosePublicKey(key),
        context: 'vnd.waybill.file',
        payload: decodeBase64url(payload ?? ''),
      }),
  ],
  [
    'jws',
    ({ parseJosePublicKey, verifyJws, decodeBase64url }, { keys, typ, payload, jws }) =>
      verifyJws(jws, {
        keys: keys.map(parseJosePublicKey),
        typ,
        payload: payload === null ? null : decodeBase64url(payload),
      }),
  ],
  [
    'token',
    ({ TokenSecret, verifyToken, decodeBase64url }, { algorithm, secret, token }) =>
      verifyToken(token, new TokenSecret(tokenAlgorithm(algorithm), decodeBase64url(secret))),
  ],
]);

/** The files of `vectors/jose`. */
export const KINDS: readonly string[] = [...CHECKS.keys()];

/** `ok` or an error code. Throws for whatever is no verdict. */
export async function outcomeOf(protocol: Protocol, kind: string, vector: Vector): Promise<string> {
  try {
    await CHECKS.get(kind)?.(protocol, vector);
    return 'ok';
  } catch (failure) {
    if (protocol.isRegistryError(failure)) return failure.code;
    throw failure;
  }
}

function same(found: string, expected: string): void {
  if (found !== expected) throw new Error(`${found} instead of ${expected}`);
}

function tokenAlgorithm(name: string | null): TokenAlgorithm {
  if (name === 'HS256' || name === 'HS384' || name === 'HS512') return name;
  throw new Error(`${name} is no algorithm of tokens`);
}
