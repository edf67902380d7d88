/*
 * Ranges as Cargo writes them, which wkg does: conditions apart by commas, and a bare version means what is compatible with it.
 * Decision 7 has npm's, in which a bare version means itself.
 */

const BARE = /^[0-9]/;
const EXACT = /^= *([0-9]+\.[0-9]+\.[0-9]+.*)$/;

/** The same range as npm writes it; whoever reads it next says whether it is one. */
export function rangeOfCargo(text: string): string {
  return text
    .split(',')
    .map((part) => part.trim())
    .map((part) => EXACT.exec(part)?.[1] ?? (BARE.test(part) && !/[*xX]/.test(part) ? `^${part}` : part))
    .join(' ');
}

/** Exactly a version, as Cargo writes it. */
export function exactForCargo(version: string): string {
  return `=${version}`;
}
