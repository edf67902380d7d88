import { RegistryError } from '../errors.ts';

const HEX = /^(?:[0-9a-f]{2})*$/;
/** By character code; -1 for what is no digit. */
const DIGIT_VALUES = Int8Array.from({ length: 128 }, (_, code) =>
  '0123456789abcdef'.indexOf(String.fromCharCode(code)),
);
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
  const bytes = new Uint8Array(Math.ceil(text.length / 2));
  let isStrict = text.length % 2 === 0;
  for (let i = 0; i < text.length; i++) {
    // What is no digit, also beyond the table, has all bits set.
    const value = DIGIT_VALUES[text.charCodeAt(i)] ?? -1;
    if (value < 0) isStrict = false;
    bytes[i >> 1] = ((bytes[i >> 1] ?? 0) << 4) | value;
  }
  if (!isStrict) throw new RegistryError('text/hex', 'not lower-case hexadecimal with an even number of digits');
  return bytes;
}
