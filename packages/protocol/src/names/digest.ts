import { decodeHex, encodeHex, isHex } from '../bytes/hex.ts';
import { HASH_BYTES, sha256 } from '../crypto/hash.ts';
import { RegistryError } from '../errors.ts';

declare const anyHash: unique symbol;
declare const digest: unique symbol;

/** `sha256:` and lower-case hex of any even length: what a record may carry (Warg's AnyHash does not check the length). */
export type AnyHash = string & { readonly [anyHash]: true };

/** `sha256:` and exactly 64 lower-case hex digits. */
export type Digest = AnyHash & { readonly [digest]: true };

const PREFIX = 'sha256:';

/** Grammar of spec/encodings.md "hash". Throws `text/hash`. */
export function parseAnyHash(text: string): AnyHash {
  if (!text.startsWith(PREFIX)) throw new RegistryError('text/hash', "a hash starts with 'sha256:'");
  if (!isHex(text.slice(PREFIX.length))) {
    throw new RegistryError('text/hash', 'a hash is lower-case hex after its algorithm');
  }
  return text as AnyHash;
}

/** A hash of exactly 32 bytes. Throws `text/hash`. */
export function parseDigest(text: string): Digest {
  const hash = parseAnyHash(text);
  if (!isDigest(hash)) throw new RegistryError('text/hash', 'a SHA-256 digest has 64 hex digits');
  return hash;
}

/** True when the hash has the length of a SHA-256. */
export function isDigest(hash: AnyHash): hash is Digest {
  return hash.length === PREFIX.length + HASH_BYTES * 2;
}

/** The text of 32 raw bytes. */
export function formatDigest(bytes: Uint8Array): Digest {
  return parseDigest(PREFIX + encodeHex(bytes));
}

/** The 32 raw bytes. */
export function digestBytes(text: Digest): Uint8Array {
  return decodeHex(text.slice(PREFIX.length));
}

/** The 64 hex digits. */
export function digestHex(text: Digest): string {
  return text.slice(PREFIX.length);
}

/** SHA-256 of `message`, as text. */
export function digestOf(message: Uint8Array): Digest {
  return formatDigest(sha256(message));
}
