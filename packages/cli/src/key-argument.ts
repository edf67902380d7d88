import { JOSE_ALGORITHM_NAMES, RegistryError, type JoseAlgorithm } from '@waybill/protocol';
import { textFlag } from './flags.ts';

/* What people type to name a key that is not kept here. */

export const algorithmFlag = { alg: textFlag('Algorithm of a key that does not say it, such as RSA', 'name') } as const;

/** The algorithm of `--alg`; `null` without one. Throws `usage/invalid`. */
export function algorithmOf(text: string | undefined): JoseAlgorithm | null {
  if (text === undefined) return null;
  const found = JOSE_ALGORITHM_NAMES.find((name) => name === text);
  if (found !== undefined) return found;
  throw new RegistryError('usage/invalid', `--alg takes one of ${JOSE_ALGORITHM_NAMES.join(', ')}`);
}

const KEY_TEXT = /^\s*(?:\{|jwk:|jwk-private:|ecdsa-p256:)|-----BEGIN |[\r\n]/;

/** True for a key where a file could be named, too: opened as a file it would be printed, secret or not, by the error. */
export function isKeyText(text: string): boolean {
  return KEY_TEXT.test(text);
}
