import { utf8 } from '../../../bytes/byte-array.ts';
import { RegistryError } from '../../../errors.ts';

/** spec/version1.md 2.3. */
export const REASON_FIELD = 16;
/** Enough for a sentence: longer texts are annotations, which can be taken down. */
const REASON_BYTES_MAX = 256;
const CONTROL = /\p{Cc}/u;

/** spec/version1.md 2.7. Throws `wire/shape`. */
export function checkReason(text: string): string {
  if (CONTROL.test(text)) throw new RegistryError('wire/shape', 'a reason has control characters');
  if (utf8(text).length <= REASON_BYTES_MAX) return text;
  throw new RegistryError('wire/shape', `a reason is longer than ${REASON_BYTES_MAX} bytes`);
}
