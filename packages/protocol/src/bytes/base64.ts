import { RegistryError } from '../errors.ts';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const SHAPE = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
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
  if (!SHAPE.test(text)) throw new RegistryError('text/base64', 'not standard base64 with padding');
  if (strayBits(text) !== 0) throw new RegistryError('text/base64', 'base64 has stray bits before its padding');
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

function strayBits(text: string): number {
  if (text.endsWith('==')) return ALPHABET.indexOf(text.charAt(text.length - 3)) & 0x0f;
  if (text.endsWith('=')) return ALPHABET.indexOf(text.charAt(text.length - 2)) & 0x03;
  return 0;
}

/** URL-safe base64 without padding (RFC 4648 section 5), as JWK members are written. */
export function encodeBase64url(bytes: Uint8Array): string {
  return encodeBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
