import { RegistryError } from '../../errors.ts';

/** Bytes that are no component by the binary format. */
export function malformed(why: string): RegistryError {
  return new RegistryError('content/malformed', `the component cannot be composed: ${why}`);
}

/** What may be right and is unknown here. */
export function notAnalysed(what: string): RegistryError {
  return new RegistryError('content/not-analysed', `the component cannot be composed: it has ${what}, unknown here`);
}

export function tooLarge(why: string): RegistryError {
  return new RegistryError('content/policy', `the component cannot be composed: ${why}`);
}

/** Two sides that do not fit each other. */
export function mismatch(why: string): RegistryError {
  return new RegistryError('compose/mismatch', why);
}
