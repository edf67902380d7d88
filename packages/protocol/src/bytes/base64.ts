import { RegistryError } from '../errors.ts';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const PADDING = '=';
const NO_SEXTET = 0xff;
/** Character code → its six bits. */
const SEXTETS: Uint8Array = new Uint8Array(128).fill(NO_SEXTET);
for (let sextet = 0; sextet < ALPHABET.length; sextet++) SEXTETS[ALPHABET.charCodeAt(sextet)] = sextet;
const BINARY_CHUNK = 0x2000;

/** Standard base64 with padding. */
export function encodeBase64(bytes: Uint8Array): string {
  let binary = '';
  for (let i = 0; i < bytes.length; i += BINARY_CHUNK) {
    binary += String.fromCharCode(...bytes.subarray(i, i + BINARY_CHUNK));
  }
  return btoa(binary);
}

/**
 * Strict standard base64: padding required, no white space, unused bits zero, so that each byte string has one spelling.
 * Throws `text/base64` (SECURITY.md W10: `Buffer.from` skips junk and reads the URL alphabet).
 */
export function decodeBase64(text: string): Uint8Array {
  if (text.length % 4 !== 0) throw malformed();
  const padding = text.endsWith(PADDING + PADDING) ? 2 : text.endsWith(PADDING) ? 1 : 0;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  let offset = 0;
  for (let i = 0; i < text.length - 4; i += 4) {
    const group = quartet(text, i, 4);
    bytes[offset++] = group >> 16;
    bytes[offset++] = group >> 8;
    bytes[offset++] = group;
  }
  if (text.length > 0) {
    const group = quartet(text, text.length - 4, 4 - padding);
    const unused = group & (2 ** (8 * padding) - 1);
    if (unused !== 0) throw malformed();
    for (let shift = 16; offset < bytes.length; shift -= 8) bytes[offset++] = group >> shift;
  }
  return bytes;
}

/** The 24 bits of four characters of which only the first `present` are digits; the rest, padding, count as 0. */
function quartet(text: string, start: number, present: number): number {
  let group = 0;
  for (let i = 0; i < 4; i++) {
    const sextet = i < present ? (SEXTETS[text.charCodeAt(start + i)] ?? NO_SEXTET) : 0;
    if (sextet === NO_SEXTET) throw malformed();
    group = (group << 6) | sextet;
  }
  return group;
}

function malformed(): RegistryError {
  return new RegistryError('text/base64', 'not standard base64 with padding and without stray bits');
}

/** URL-safe base64 without padding (RFC 4648 section 5), as JWK members are written. */
export function encodeBase64url(bytes: Uint8Array): string {
  return encodeBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/**
 * Strict URL-safe base64 without padding: each byte string has one spelling, and every other is refused with `text/base64`.
 */
export function decodeBase64url(text: string): Uint8Array {
  if (/[+/=]/.test(text)) throw malformed();
  const standard = text.replaceAll('-', '+').replaceAll('_', '/');
  return decodeBase64(standard + PADDING.repeat(-text.length & 3));
}
