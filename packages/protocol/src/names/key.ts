import { decodeBase64, encodeBase64 } from '../bytes/base64.ts';
import { concatBytes, utf8 } from '../bytes/byte-array.ts';
import { derFromSignature, signatureFromDerOrNull } from '../crypto/der.ts';
import {
  compressP256Point,
  isP256Scalar,
  p256PublicPoint,
  readP256Point,
  readP256Scalar,
  signP256,
  verifyP256,
} from '../crypto/p256.ts';
import { RegistryError } from '../errors.ts';
import { digestOf, type Digest } from './digest.ts';

const PREFIX = 'ecdsa-p256:';

/** A verified point with its canonical (compressed) text and fingerprint. */
export interface PublicKey {
  readonly text: string;
  /** SHA-256 of the canonical text: the *key id*. */
  readonly id: Digest;
  readonly point: Uint8Array;
}

/** A signing key. Never printed, logged or put in an error. */
export interface PrivateKey {
  readonly scalar: Uint8Array;
  readonly publicKey: PublicKey;
}

/** Signature text whose DER was read strictly, with its 64 raw bytes. */
export interface Signature {
  readonly text: string;
  readonly raw: Uint8Array;
}

/** What a signature is for; the prefix is all that separates the three (spec/encodings.md "signing"). */
export type SigningContext = 'package-record' | 'operator-record' | 'checkpoint';

const SIGNING_PREFIX: Readonly<Record<SigningContext, Uint8Array>> = {
  'package-record': utf8('WARG-PACKAGE-RECORD-SIGNATURE-V0:'),
  'operator-record': utf8('WARG-OPERATOR-RECORD-SIGNATURE-V0:'),
  checkpoint: utf8('WARG-CHECKPOINT-SIGNATURE-V0:'),
};

/** Reads any accepted point form and rewrites it compressed. Throws `text/key`. */
export function parsePublicKey(text: string): PublicKey {
  const point = readP256Point(algorithmBytes(text, 'text/key'));
  if (point === null) throw new RegistryError('text/key', 'not a point of P-256');
  return publicKeyOfPoint(point);
}

function publicKeyOfPoint(point: Uint8Array): PublicKey {
  const text = `${PREFIX}${encodeBase64(compressP256Point(point))}`;
  return { text, id: digestOf(utf8(text)), point };
}

/** Throws `text/private-key`; the message never quotes the text. */
export function parsePrivateKey(text: string): PrivateKey {
  const scalar = readP256Scalar(algorithmBytes(text, 'text/private-key'));
  if (scalar === null) throw new RegistryError('text/private-key', 'not a private key of P-256');
  return { scalar, publicKey: publicKeyOfPoint(p256PublicPoint(scalar)) };
}

/** The private key text for a key file. */
export function formatPrivateKey(key: PrivateKey): string {
  return `${PREFIX}${encodeBase64(key.scalar)}`;
}

/** A private key from 32 random bytes; `null` for the few strings that are no scalar: draw again. */
export function privateKeyFromRandom(random: Uint8Array): PrivateKey | null {
  const scalar = random.length === 32 ? readP256Scalar(random) : null;
  return scalar && { scalar, publicKey: publicKeyOfPoint(p256PublicPoint(scalar)) };
}

/** Strict DER in strict base64, r and s in 1..n-1. Throws `text/signature`. */
export function parseSignature(text: string): Signature {
  const raw = signatureFromDerOrNull(algorithmBytes(text, 'text/signature'));
  if (raw === null || !isP256Scalar(raw.subarray(0, 32)) || !isP256Scalar(raw.subarray(32))) {
    throw new RegistryError('text/signature', 'not a strict DER signature of P-256');
  }
  return { text, raw };
}

/** Signs `bytes` for one context. */
export async function signBytes(context: SigningContext, bytes: Uint8Array, key: PrivateKey): Promise<Signature> {
  const raw = await signP256(key.scalar, concatBytes(SIGNING_PREFIX[context], bytes));
  return { text: `${PREFIX}${encodeBase64(derFromSignature(raw))}`, raw };
}

/** True when `signature` over `bytes` in `context` is by `key`. */
export function verifyBytes(
  context: SigningContext,
  bytes: Uint8Array,
  key: PublicKey,
  signature: Signature,
): Promise<boolean> {
  return verifyP256(key.point, concatBytes(SIGNING_PREFIX[context], bytes), signature.raw);
}

function algorithmBytes(text: string, code: 'text/key' | 'text/private-key' | 'text/signature'): Uint8Array {
  if (!text.startsWith(PREFIX)) throw new RegistryError(code, `must be '${PREFIX}' and base64`);
  try {
    return decodeBase64(text.slice(PREFIX.length));
  } catch (cause) {
    throw new RegistryError(code, `must be '${PREFIX}' and padded standard base64`, {}, { cause });
  }
}
