import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { after, mock, test } from 'node:test';
import type { JsonValue } from '../../src/index.ts';
import type { TokenAlgorithm } from '../../src/jose/token.ts';
import { PLATFORMS, type Protocol } from './browser-build.ts';

const VECTORS = new URL('../../../../../vectors/jose/', import.meta.url);

/** The members that the kinds of vector files have between them. Bytes are base64url. */
interface Vector {
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

function read(name: string): readonly Vector[] {
  return JSON.parse(readFileSync(new URL(`${name}.json`, VECTORS), 'utf8'));
}

type Check = (protocol: Protocol, vector: Vector) => unknown;

const CHECKS: Readonly<Record<string, Check>> = {
  key: ({ parseJosePublicKey }, { text }) => assert.equal(parseJosePublicKey(text).text, text),
  'private-key': ({ parseJosePrivateKey, formatJosePrivateKey }, { text, keyId }) => {
    const key = parseJosePrivateKey(text);
    assert.equal(formatJosePrivateKey(key), text);
    assert.equal(key.publicKey.id, keyId);
  },
  jwk: ({ publicKeyOfJwk, jwkMembers }, { jwk, algorithm, text, thumbprint }) => {
    const key = publicKeyOfJwk(jwkMembers(jwk), algorithm);
    assert.equal(key.text, text);
    assert.equal(createHash('sha256').update(JSON.stringify(key.members)).digest('base64url'), thumbprint);
  },
  typed: ({ parseJosePublicKey, verifyDetached, decodeBase64url }, { key, payload, jws }) =>
    verifyDetached(jws, {
      key: parseJosePublicKey(key),
      context: 'vnd.waybill.file',
      payload: decodeBase64url(payload ?? ''),
    }),
  jws: ({ parseJosePublicKey, verifyJws, decodeBase64url }, { keys, typ, payload, jws }) =>
    verifyJws(jws, {
      keys: keys.map(parseJosePublicKey),
      typ,
      payload: payload === null ? null : decodeBase64url(payload),
    }),
  token: ({ TokenSecret, verifyToken, decodeBase64url }, { algorithm, secret, token }) =>
    verifyToken(token, new TokenSecret(tokenAlgorithm(algorithm), decodeBase64url(secret))),
};

function tokenAlgorithm(name: string | null): TokenAlgorithm {
  if (name === 'HS256' || name === 'HS384' || name === 'HS512') return name;
  return assert.fail(`${name} is no algorithm of tokens`);
}

async function outcome(protocol: Protocol, check: Check, vector: Vector): Promise<string> {
  try {
    await check(protocol, vector);
    return 'ok';
  } catch (failure) {
    if (protocol.isRegistryError(failure)) return failure.code;
    throw failure;
  }
}

const connecting = mock.method(Socket.prototype, 'connect', () => assert.fail('something was to be fetched'));

after(() => connecting.mock.restore());

for (const [kind, check] of Object.entries(CHECKS)) {
  for (const [platform, protocol] of PLATFORMS) {
    test(`vectors: jose/${kind} (${platform})`, async () => {
      for (const vector of read(kind)) {
        assert.equal(await outcome(protocol, check, vector), vector.expect, `${vector.clause}: ${vector.name}`);
      }
      assert.equal(connecting.mock.callCount(), 0);
    });
  }
}
