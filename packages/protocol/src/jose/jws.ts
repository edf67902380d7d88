import { decodeBase64url, encodeBase64url } from '../bytes/base64.ts';
import { parseJson, type JsonValue } from '../bytes/json.ts';
import { RegistryError } from '../errors.ts';
import { algorithmsNamed } from './algorithms.ts';
import { asError, type JosePublicKey } from './public-key.ts';
import { verifySignature } from './signer.ts';
import { signingInput } from './typed-jws.ts';

/** The longest JWS that is read, in characters: some 48 MiB of payload. */
export const JWS_CHARACTERS_MAX: number = 64 * 1024 * 1024;
const HEADER_CHARACTERS_MAX = 8_192;
const SIGNATURES_MAX = 8;
/** Keys that one verification tries. */
const KEYS_MAX = 64;

/** One signature of a JWS, read and not yet believed. */
export interface JwsSignatureUnverified {
  readonly algorithm: string;
  readonly kid: string | null;
  readonly typ: string | null;
  readonly protectedText: string;
  readonly signature: Uint8Array;
}

/** A JWS in any of its three forms, read and not yet believed. */
export interface JwsUnverified {
  /** base64url; `null` when the payload is detached. */
  readonly payloadText: string | null;
  readonly signatures: readonly JwsSignatureUnverified[];
}

/** Who must have signed what, and for what. */
export interface JwsExpectation {
  readonly keys: readonly JosePublicKey[];
  /** `null` accepts every `typ`, and none. */
  readonly typ: string | null;
  /** The payload of a detached JWS; `null` when the JWS has its own. */
  readonly payload: Uint8Array | null;
}

export interface VerifiedJws {
  readonly payload: Uint8Array;
  /** The keys that signed, in the order of the signatures. */
  readonly keys: readonly JosePublicKey[];
}

type Members = Readonly<Record<string, JsonValue>>;

/**
 * Verifies a JWS in compact, flattened or general form (RFC 7515): *every* signature in it must be by one of the given keys.
 * Nothing in it says which key to believe, and nothing is fetched. Throws a code of `jws/…` or `wire/too-large`.
 */
export async function verifyJws(text: string, { keys, typ, payload }: JwsExpectation): Promise<VerifiedJws> {
  const jws = readJwsUnverified(text);
  if (keys.length > KEYS_MAX) throw new RegistryError('wire/too-large', `more than ${KEYS_MAX} keys to try`);
  if ((jws.payloadText === null) !== (payload !== null)) {
    throw malformed(payload === null ? 'the payload is not in it' : 'the payload is in it, and given as well');
  }
  const payloadText = jws.payloadText ?? encodeBase64url(payload ?? new Uint8Array());
  const signers: JosePublicKey[] = [];
  for (const signature of jws.signatures) {
    if (typ !== null && signature.typ !== typ) throw new RegistryError('jws/header', `typ is not ${typ}`);
    signers.push(await signerOf(signature, payloadText, keys));
  }
  return { payload: payload ?? asError('jws/malformed', () => decodeBase64url(payloadText)), keys: signers };
}

async function signerOf(
  { algorithm, kid, protectedText, signature }: JwsSignatureUnverified,
  payloadText: string,
  keys: readonly JosePublicKey[],
): Promise<JosePublicKey> {
  const meant = algorithmsNamed(algorithm);
  if (meant.length === 0) throw new RegistryError('jws/algorithm', 'alg is none of the known signature algorithms');
  const candidates = keys.filter((key) => kid === null || key.id === kid);
  if (candidates.length === 0) throw new RegistryError('jws/key', 'kid is the key id of none of the given keys');
  // The key states its algorithm; the header may only agree.
  const able = candidates.filter((key) => meant.includes(key.algorithm));
  if (able.length === 0) throw new RegistryError('jws/algorithm', 'alg is not the algorithm of the key');
  const input = signingInput(protectedText, payloadText);
  for (const key of able) if (await verifySignature(key, input, signature)) return key;
  throw new RegistryError('jws/signature', 'a signature is not by a given key over these bytes');
}

/** Reads the form alone. Throws `jws/malformed`, `jws/header`, `jws/algorithm` or `wire/too-large`. */
export function readJwsUnverified(text: string): JwsUnverified {
  return /^\s*\{/.test(text) ? readJson(text) : readCompactUnverified(text);
}

/** The same where no other form is a JWS: there is one signature. */
export function readCompactUnverified(text: string): JwsUnverified {
  requireLength(text);
  const [header, payload, signature, ...rest] = text.split('.', 4);
  if (header === undefined || payload === undefined || signature === undefined || rest.length > 0) {
    throw malformed('a compact JWS has three parts');
  }
  return { payloadText: payload === '' ? null : payload, signatures: [readSignature(header, signature)] };
}

function requireLength(text: string): void {
  if (text.length > JWS_CHARACTERS_MAX) throw new RegistryError('wire/too-large', 'the JWS is too long');
}

function readJson(text: string): JwsUnverified {
  requireLength(text);
  const jws = objectOf(asError('jws/malformed', () => parseJson(text)));
  const payload = jws['payload'];
  const general = jws['signatures'];
  const isGeneral = general !== undefined;
  if (isGeneral && ['signature', 'protected', 'header'].some((name) => Object.hasOwn(jws, name))) {
    throw malformed('flattened and general at once');
  }
  const listed = isGeneral ? general : [jws];
  if (!Array.isArray(listed) || listed.length === 0) throw malformed('no signatures');
  if (listed.length > SIGNATURES_MAX) throw new RegistryError('wire/too-large', `over ${SIGNATURES_MAX} signatures`);
  return {
    payloadText: payload === undefined ? null : textOf(payload),
    signatures: listed.map((signature) => readJsonSignature(objectOf(signature))),
  };
}

function readJsonSignature(members: Members): JwsSignatureUnverified {
  if (members['protected'] === undefined) throw new RegistryError('jws/algorithm', 'alg is not in a protected header');
  const signature = readSignature(textOf(members['protected']), textOf(members['signature']));
  const unprotected = members['header'];
  if (unprotected !== undefined) requireHarmless(objectOf(unprotected));
  return signature;
}

/** Nobody signed the unprotected header, so nothing in it is believed; a label of the key is all it may be. */
function requireHarmless(unprotected: Members): void {
  if (Object.keys(unprotected).every((name) => name === 'kid')) return;
  throw new RegistryError('jws/header', 'only kid may be unprotected');
}

/** `crit` and `b64` change how a JWS is read; the others offer a key. There is no extension and no key to be had here. */
const REFUSED_MEMBERS = ['crit', 'b64', 'jwk', 'jku', 'x5u', 'x5c', 'x5t', 'x5t#S256'] as const;

function readSignature(protectedText: string, signatureText: string): JwsSignatureUnverified {
  if (protectedText.length > HEADER_CHARACTERS_MAX) throw new RegistryError('wire/too-large', 'the header is too long');
  const header = objectOf(asError('jws/malformed', () => parseJson(decodeBase64url(protectedText))));
  const refused = REFUSED_MEMBERS.find((name) => Object.hasOwn(header, name));
  if (refused !== undefined) throw new RegistryError('jws/header', `the header must not hold ${refused}`);
  const { alg, kid, typ } = header;
  if (typeof alg !== 'string') throw new RegistryError('jws/algorithm', 'the protected header names no alg');
  const signature = asError('jws/malformed', () => decodeBase64url(signatureText));
  return { algorithm: alg, kid: optionalText(kid), typ: optionalText(typ), protectedText, signature };
}

function optionalText(value: JsonValue | undefined): string | null {
  return value === undefined ? null : textOf(value);
}

function textOf(value: JsonValue | undefined): string {
  if (typeof value === 'string') return value;
  throw malformed('a member is missing or is no text');
}

function objectOf(value: JsonValue | undefined): Members {
  if (value != null && typeof value === 'object' && !Array.isArray(value)) return value;
  throw malformed('an object is expected');
}

function malformed(why: string): RegistryError {
  return new RegistryError('jws/malformed', `not a JWS: ${why}`);
}
