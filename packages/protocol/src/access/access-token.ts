import { utf8 } from '../bytes/byte-array.ts';
import { encodeHex } from '../bytes/hex.ts';
import { sha256 } from '../crypto/hash.ts';
import { RegistryError } from '../errors.ts';

/*
 * A token says who asks (spec/http.md 6). Nothing that decides what is valid knows of tokens: that needs a signature of a key
 * that the log allows.
 */

declare const tokenId: unique symbol;

/** Names a token where it is listed or revoked; no secret. */
export type TokenId = string & { readonly [tokenId]: true };

/** A token of a Waybill registry: whoever has its text has it. */
export interface AccessToken {
  readonly id: TokenId;
  readonly text: string;
}

/** Random bytes that a token is made of: 8 name it, 24 are secret. */
export const ACCESS_TOKEN_RANDOM_BYTES = 32;

const PREFIX = 'wbt_';
const CHECKSUM_BYTES = 4;
const TOKEN = /^wbt_([0-9a-f]{16})[0-9a-f]{48}([0-9a-f]{8})$/;
const TOKEN_ID = /^[0-9a-f]{16}$/;

/** The token that `random` bytes make. */
export function accessTokenOf(random: Uint8Array): AccessToken {
  if (random.length !== ACCESS_TOKEN_RANDOM_BYTES) throw new TypeError('a token is made of 32 random bytes');
  const body = `${PREFIX}${encodeHex(random)}`;
  return parseAccessToken(`${body}${checksumOf(body)}`);
}

/** Throws `text/token`, which never quotes the text: most of it may be a secret. */
export function parseAccessToken(text: string): AccessToken {
  const [, id = '', checksum = ''] = TOKEN.exec(text) ?? [];
  if (id !== '' && checksum === checksumOf(text.slice(0, -checksum.length))) return { id: parseTokenId(id), text };
  throw new RegistryError(
    'text/token',
    `that is no token: it was cut off or mistyped, for its checksum does not match`,
  );
}

/** True for what is meant to be a token of ours, whole or not: such a text must not be shown. */
export function looksLikeAccessToken(text: string): boolean {
  return text.trimStart().startsWith(PREFIX);
}

/** Throws `text/token`. */
export function parseTokenId(text: string): TokenId {
  if (TOKEN_ID.test(text)) return text as TokenId;
  throw new RegistryError(
    'text/token',
    "that is no token's id: it is 16 hexadecimal digits, as 'waybill token list' shows",
  );
}

/** What is kept of a token. One hash is enough: no list of guesses holds 192 random bits. */
export function accessTokenHash({ text }: AccessToken): Uint8Array {
  return sha256(utf8(text));
}

/** True when both have the same bytes, after the same time for all of one length (SECURITY.md W14). */
export function equalSecretBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}

/** Not secret, and tells a typo from a token without asking anybody. */
function checksumOf(body: string): string {
  return encodeHex(sha256(utf8(body)).subarray(0, CHECKSUM_BYTES));
}
