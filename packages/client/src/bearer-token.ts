import { looksLikeAccessToken, parseAccessToken, RegistryError } from '@waybill/protocol';

declare const bearerToken: unique symbol;

/** A secret that a registry has given to its user. */
export type BearerToken = string & { readonly [bearerToken]: true };

const CHARACTERS_MAX = 4_096;

/**
 * A token of a Waybill registry is checked for typos; another registry's is taken as it is, if it can stand in a header.
 * Throws `text/token`, which never quotes the text.
 */
export function parseBearerToken(text: string): BearerToken {
  const trimmed = text.trim();
  if (looksLikeAccessToken(trimmed)) parseAccessToken(trimmed);
  if (trimmed.length <= CHARACTERS_MAX && /^[\x21-\x7e]+$/.test(trimmed)) return trimmed as BearerToken;
  throw new RegistryError(
    'text/token',
    `that is no token: it is one word of at most ${CHARACTERS_MAX} ASCII characters`,
  );
}

/** The header that shows it. */
export function authorizationOf(token: BearerToken): { readonly authorization: string } {
  return { authorization: `Bearer ${token}` };
}
