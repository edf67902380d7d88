import { concatBytes, utf8 } from './byte-array.ts';
import { encodeUleb128 } from './uleb128.ts';

/** `uleb(byte length) || UTF-8`: the "string" of Warg's prefix encoding (spec/encodings.md). */
export function prefixedString(text: string): Uint8Array {
  const bytes = utf8(text);
  return concatBytes(encodeUleb128(bytes.length), bytes);
}
