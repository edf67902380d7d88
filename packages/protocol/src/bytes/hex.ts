import { RegistryError } from '../errors.ts';

const HEX = /^(?:[0-9a-f]{2})*$/;
const PAIRS: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Lower-case hex. */
export function encodeHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += PAIRS[byte];
  return text;
}

/** True for text that {@link decodeHex} reads. */
export function isHex(text: string): boolean {
  return HEX.test(text);
}

/** Strict: lower case only, an even number of digits. Throws `text/hex` (SECURITY.md W10: Node stops at junk instead). */
export function decodeHex(text: string): Uint8Array {
  if (!isHex(text)) throw new RegistryError('text/hex', 'not lower-case hexadecimal with an even number of digits');
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(i * 2, i * 2 + 2), 16);
  return bytes;
}
