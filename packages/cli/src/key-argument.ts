import path from 'node:path';
import { JOSE_ALGORITHM_NAMES, RegistryError, type JoseAlgorithm } from '@waybill/protocol';
import { textFlag } from './flags.ts';
import { visibleLine, visibleText } from './visible-text.ts';

/* What people type to name a key that is not kept here. */

export const algorithmFlag = { alg: textFlag('Algorithm of a key that does not say it, such as RSA', 'name') } as const;

/** The algorithm of `--alg`; `null` without one. Throws `usage/invalid`. */
export function algorithmOf(text: string | undefined): JoseAlgorithm | null {
  if (text === undefined) return null;
  const found = JOSE_ALGORITHM_NAMES.find((name) => name === text);
  if (found !== undefined) return found;
  throw new RegistryError('usage/invalid', `--alg takes one of ${JOSE_ALGORITHM_NAMES.join(', ')}`);
}

const KEY_TEXT = /^\s*(?:\{(?!\s*\})|jwk:|jwk-private:|ecdsa-p256:)|-----BEGIN |[\r\n]/;

/**
 * A key typed where a file, a program or a name belongs is no such thing, and must reach nothing that would print it.
 * Throws `usage/invalid` without the text. `places` is what was given, by what people call it.
 */
export function requireNoKeyText(places: Readonly<Record<string, string | undefined>>): void {
  for (const [place, text] of Object.entries(places)) {
    if (text === undefined || !isKeyText(text)) continue;
    const message = `${place} is the text of a key: write it into a file or keep it with waybill key import`;
    throw new RegistryError('usage/invalid', message);
  }
}

/** True for a key where a file could be named, too: opened as a file it would be printed, secret or not, by the error. */
export function isKeyText(text: string): boolean {
  return KEY_TEXT.test(text);
}

/** `text` without the keys that stand in `args`: the parser quotes what it does not understand, and so do file systems. */
export function withoutKeys(text: string, args: readonly string[]): string {
  const keys = args.flatMap((arg) => [arg, arg.slice(arg.indexOf('=') + 1), arg.replace(/^-+/, '')]).filter(isKeyText);
  const forms = keys.flatMap((key) => [key, path.normalize(key), JSON.stringify(key).slice(1, -1)]);
  const written = forms.flatMap((form) => [form, visibleText(form), visibleLine(form)]);
  return written.reduce((rest, form) => rest.replaceAll(form, '(the text of a key)'), text);
}
