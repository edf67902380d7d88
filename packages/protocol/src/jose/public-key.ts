import { decodeBase64url, encodeBase64, encodeBase64url } from '../bytes/base64.ts';
import { concatBytes, utf8 } from '../bytes/byte-array.ts';
import { parseJson, type JsonValue } from '../bytes/json.ts';
import {
  edwardsCurve,
  isOnCurve,
  isStrongEdwardsPoint,
  P384,
  P521,
  type WeierstrassCurve,
} from '../crypto/curve-point.ts';
import type { KeyMembers } from '../crypto/platform.ts';
import { isRegistryError, RegistryError } from '../errors.ts';
import { digestOf, type Digest } from '../names/digest.ts';
import { parsePublicKey } from '../names/key.ts';
import {
  algorithmsNamed,
  JOSE_ALGORITHM_NAMES,
  JOSE_ALGORITHMS,
  type JoseAlgorithm,
  type JoseRow,
  type KeyType,
} from './algorithms.ts';

const PREFIX = 'jwk:';
const P256_PREFIX = 'ecdsa-p256:';
/** The longest valid text, of ML-DSA-65, has 3,528 characters. */
const TEXT_CHARACTERS_MAX = 4_096;
const RSA_BITS_MIN = 2_048;
const RSA_BITS_MAX = 4_096;

/** A public key of one algorithm, with its one text and fingerprint. */
export interface JosePublicKey {
  readonly text: string;
  /** SHA-256 of the text: the *key id*. */
  readonly id: Digest;
  readonly algorithm: JoseAlgorithm;
  /** The members that RFC 7638 requires. */
  readonly members: KeyMembers;
}

/** The members of a JWK that are text; only those are ever read. */
export type JwkMembers = ReadonlyMap<string, string>;

/** What a kind of key is made of. */
interface KeyShape {
  /** The members that RFC 7638 requires, in the order of their names. */
  readonly required: readonly string[];
  readonly isSound: (members: JwkMembers, row: JoseRow) => boolean;
}

const SHAPES: Readonly<Record<KeyType, KeyShape>> = {
  EC: { required: ['crv', 'kty', 'x', 'y'], isSound: isEcKey },
  RSA: { required: ['e', 'kty', 'n'], isSound: (members) => isModulus(memberBytes(members, 'n')) },
  OKP: { required: ['crv', 'kty', 'x'], isSound: isOkpKey },
  AKP: {
    required: ['alg', 'kty', 'pub'],
    isSound: (members, { publicBytes }) => memberBytes(members, 'pub').length === publicBytes,
  },
};

const WEIERSTRASS: Readonly<Record<string, WeierstrassCurve>> = { 'P-384': P384, 'P-521': P521 };

/** Reads `ecdsa-p256:…` or `jwk:…`. Throws `text/key`. */
export function parseJosePublicKey(text: string): JosePublicKey {
  if (!text.startsWith(PREFIX)) return keyOfP256(text);
  if (text.length > TEXT_CHARACTERS_MAX) throw malformed('longer than any key');
  const jwk = asError('text/key', () => parseJson(decodeBase64url(text.slice(PREFIX.length))));
  const key = publicKeyOfJwk(jwkMembers(jwk), null);
  // Rebuilding ends other orders, white space, further members, retired names and a P-256 key in this form at once.
  if (key.text !== text) throw malformed('not in its one canonical form');
  return key;
}

function keyOfP256(text: string): JosePublicKey {
  const { text: canonical, id, point } = parsePublicKey(text);
  const x = encodeBase64url(point.subarray(1, 33));
  const y = encodeBase64url(point.subarray(33));
  return { text: canonical, id, algorithm: 'ES256', members: { crv: 'P-256', kty: 'EC', x, y } };
}

/** The text members of a JWK. Throws `text/key` for anything but an object. */
export function jwkMembers(jwk: JsonValue): JwkMembers {
  if (jwk === null || typeof jwk !== 'object' || Array.isArray(jwk)) throw malformed('a JWK is a JSON object');
  return new Map(Object.entries(jwk).flatMap(([name, value]) => (typeof value === 'string' ? [[name, value]] : [])));
}

/**
 * The public key of a JWK, whatever else it holds. `algorithm` is asked for by name where the JWK does not state one and
 * several could be meant, as with RSA. Throws `text/key`.
 */
export function publicKeyOfJwk(jwk: JwkMembers, algorithm: string | null): JosePublicKey {
  const name = algorithmOf(jwk, algorithm);
  const row = JOSE_ALGORITHMS[name];
  const { required, isSound } = SHAPES[row.kty];
  if (!asError('text/key', () => isSound(jwk, row))) throw malformed(`not a sound key of ${name}`);
  if (row.hasWargText) return keyOfP256(`${P256_PREFIX}${encodeBase64(sec1Point(jwk))}`);
  const members = Object.fromEntries(required.map((member) => [member, jwk.get(member) ?? '']));
  const text = `${PREFIX}${canonicalJwk({ ...members, alg: name })}`;
  return { text, id: digestOf(utf8(text)), algorithm: name, members };
}

function algorithmOf(jwk: JwkMembers, asked: string | null): JoseAlgorithm {
  if ((jwk.get('use') ?? 'sig') !== 'sig') throw malformed('the JWK is not for signatures');
  const [stated, wanted] = [jwk.get('alg'), asked ?? undefined].map((name) =>
    name === undefined ? JOSE_ALGORITHM_NAMES : algorithmsNamed(name),
  );
  const meant = JOSE_ALGORITHM_NAMES.filter((name) => stated?.includes(name) && wanted?.includes(name));
  const [only, ...others] = meant.filter((name) => isOfRow(jwk, JOSE_ALGORITHMS[name]));
  if (only === undefined) throw malformed('no algorithm that is known here, or not that of the key');
  if (others.length > 0) throw malformed('the key does not say its algorithm: name one');
  return only;
}

function isOfRow(jwk: JwkMembers, { kty, fixed }: JoseRow): boolean {
  return jwk.get('kty') === kty && Object.entries(fixed).every(([name, value]) => jwk.get(name) === value);
}

function isEcKey(members: JwkMembers, { fixed, publicBytes }: JoseRow): boolean {
  const [x, y] = [memberBytes(members, 'x'), memberBytes(members, 'y')];
  if (x.length !== publicBytes || y.length !== publicBytes) return false;
  const curve = WEIERSTRASS[fixed['crv'] ?? ''];
  // P-256 has no row there: its text form, which every such key goes through, checks the point.
  return curve === undefined || isOnCurve(curve, x, y);
}

function isOkpKey(members: JwkMembers, { fixed, publicBytes }: JoseRow): boolean {
  const x = memberBytes(members, 'x');
  const curve = edwardsCurve(fixed['crv'] ?? '');
  return x.length === publicBytes && curve !== null && isStrongEdwardsPoint(curve, x);
}

function isModulus(n: Uint8Array): boolean {
  const [first = 0] = n;
  const bits = 8 * n.length - Math.clz32(first) + 24;
  const isOdd = ((n.at(-1) ?? 0) & 1) === 1;
  return first !== 0 && isOdd && bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX;
}

function sec1Point(jwk: JwkMembers): Uint8Array {
  return concatBytes(Uint8Array.of(4), memberBytes(jwk, 'x'), memberBytes(jwk, 'y'));
}

/** The bytes of a member; none where there is no such member. Throws `text/base64`. */
export function memberBytes(members: JwkMembers, name: string): Uint8Array {
  return decodeBase64url(members.get(name) ?? '');
}

/** base64url of the members as JSON, sorted by name, without white space. */
export function canonicalJwk(members: KeyMembers): string {
  const sorted = Object.entries(members).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return encodeBase64url(utf8(JSON.stringify(Object.fromEntries(sorted))));
}

/** A failure of an encoding below is one of the form that holds it. */
export function asError<T>(code: 'text/key' | 'text/private-key' | 'jws/malformed', read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!isRegistryError(cause, 'text/base64', 'wire/json')) throw cause;
    throw new RegistryError(code, cause.message);
  }
}

function malformed(why: string): RegistryError {
  return new RegistryError('text/key', `not a public key: ${why}`);
}
