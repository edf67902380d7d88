import { utf8 } from '../bytes/byte-array.ts';

/** What {@link canonicalJson} writes; members that are `undefined` are left out. */
export type PlainJson =
  | string
  | number
  | null
  | readonly PlainJson[]
  | { readonly [name: string]: PlainJson | undefined };

/**
 * JSON with members in the order of their names' UTF-16 code units and without white space: spec/oci.md 5.2. Numbers are
 * integers that a double holds.
 */
export function canonicalJson(value: PlainJson): Uint8Array {
  return utf8(textOf(value));
}

/** By hand: an object of JavaScript has members such as `10` first, whenever they were added. */
function textOf(value: PlainJson): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (isList(value)) return `[${value.map(textOf).join(',')}]`;
  const members: string[] = [];
  for (const name of Object.keys(value).toSorted()) {
    const member = value[name];
    if (member !== undefined) members.push(`${JSON.stringify(name)}:${textOf(member)}`);
  }
  return `{${members.join(',')}}`;
}

function isList(value: PlainJson): value is readonly PlainJson[] {
  return Array.isArray(value);
}
