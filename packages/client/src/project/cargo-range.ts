/*
 * Ranges as Cargo writes them, which wkg does: conditions apart by commas, and a bare version means what is compatible with it.
 * Decision 7 has npm's, in which a bare version means itself.
 */

const BARE = /^[0-9]/;
/** In the place of a number. */
const WILDCARD = /(?<![^.])[xX](?![^.])/g;
const EXACT = /^= *([0-9]+\.[0-9]+\.[0-9]+.*)$/;

/** The same range as npm writes it; whoever reads it next says whether it is one. */
export function rangeOfCargo(text: string): string {
  return text
    .split(',')
    .map((part) => part.trim())
    .map((part) => EXACT.exec(part)?.[1] ?? (BARE.test(part) && !/[*xX]/.test(part) ? `^${part}` : part))
    .join(' ');
}

/** The same range in the one text that Cargo's own library writes for it: files of wkg have it so. */
export function plainCargoRange(text: string): string {
  return text
    .split(',')
    .map((part) => {
      const plain = part
        .trim()
        .replace(/^([<>=^~]+) +/, '$1')
        .replace(/\+.*$/, '')
        .replaceAll(WILDCARD, '*');
      return BARE.test(plain) && !plain.includes('*') ? `^${plain}` : plain;
    })
    .join(', ');
}

/** Exactly a version, as Cargo writes it: builds are not told apart. */
export function exactForCargo(version: string): string {
  return plainCargoRange(`=${version}`);
}
