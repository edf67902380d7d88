import { concatBytes, decodeBase64, encodeBase64, parseJson, utf8, type JsonValue } from '@waybill/protocol';
import type { Dice } from '@waybill/tools/test-scale';

/** An answer of a registry, as a proxy sees it. */
export interface ProxiedAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: Uint8Array;
}

/** What a liar knows besides the answer that it is about to change. */
export interface LiarsKnowledge {
  readonly dice: Dice;
  /** Other answers to requests of this kind: of other packages, of an earlier head, of another registry. */
  readonly donors: readonly ProxiedAnswer[];
}

/** Changes an answer; `null` when there is nothing in it that could be changed in this way. */
export type Mutator = (answer: ProxiedAnswer, knowledge: LiarsKnowledge) => ProxiedAnswer | null;

/** Every way to change one answer. */
export const MUTATORS: Readonly<Record<string, Mutator>> = {
  'a value removed': onJson((root, { dice }) => edit(root, dice, (_, parent, key) => remove(parent, key))),
  'a value of another type': onJson((root, { dice }) =>
    edit(root, dice, (value, parent, key) => put(parent, key, otherType(value, dice))),
  ),
  'another number': onJson((root, { dice }) =>
    edit(root, dice, (value, parent, key) =>
      typeof value === 'number' ? put(parent, key, otherNumber(value, dice)) : false,
    ),
  ),
  'another text': onJson((root, { dice }) =>
    edit(root, dice, (value, parent, key) =>
      typeof value === 'string' ? put(parent, key, otherText(value, dice)) : false,
    ),
  ),
  'other bytes': onJson((root, { dice }) =>
    edit(root, dice, (value, parent, key) => {
      const bytes = typeof value === 'string' ? bytesOf(value) : null;
      return bytes === null ? false : put(parent, key, encodeBase64(otherBytes(bytes, dice)));
    }),
  ),
  'a value from elsewhere in the answer': onJson((root, { dice }) => {
    const donor = dice.of(placesOf(root));
    return edit(root, dice, (value, parent, key) =>
      typeof value === typeof donor.value ? put(parent, key, structuredClone(donor.value)) : false,
    );
  }),
  'a value from another answer': onJson((root, { dice, donors }) => {
    const other = donors.length === 0 ? null : jsonOf(dice.of(donors));
    if (other === null) return false;
    const places = placesOf(other);
    return edit(root, dice, (_, parent, key) => {
      const same = places.filter((place) => place.key === key);
      return same.length === 0 ? false : put(parent, key, structuredClone(dice.of(same).value));
    });
  }),
  'a list in disorder': onJson((root, { dice }) =>
    edit(root, dice, (value) => (Array.isArray(value) && value.length > 0 ? disorder(value, dice) : false)),
  ),
  'a key renamed': onJson((root, { dice }) =>
    edit(root, dice, (value, parent, key) => {
      if (Array.isArray(parent) || typeof key !== 'string') return false;
      remove(parent, key);
      return put(parent, otherText(key, dice), value);
    }),
  ),
  'another answer': (_, { dice, donors }) => (donors.length === 0 ? null : dice.of(donors)),
  'an empty answer': (answer) => ({ ...answer, body: new Uint8Array() }),
  'an answer cut short': (answer, { dice }) =>
    answer.body.length === 0 ? null : { ...answer, body: answer.body.subarray(0, dice.below(answer.body.length)) },
  'an answer with more behind it': (answer, { dice }) => ({
    ...answer,
    body: concatBytes(answer.body, utf8(dice.of(['x', '{}', '\u0000', ',']))),
  }),
  'a flipped bit': (answer, { dice }) =>
    answer.body.length === 0 ? null : { ...answer, body: flipped(answer.body, dice) },
  'another status': (answer, { dice }) => {
    const status = dice.of([200, 204, 206, 301, 304, 404, 404, 409, 410, 429, 500, 502, 503]);
    return status === answer.status ? null : { ...answer, status };
  },
  'an error in place of the answer': (answer, { dice }) => ({ ...answer, ...dice.of(ERRORS) }),
};

const ERRORS: readonly Pick<ProxiedAnswer, 'status' | 'body'>[] = [
  { status: 404, body: utf8('{"status":404,"type":"log","id":"sha256:00"}') },
  { status: 404, body: utf8('{"status":404,"type":"fetchToken","id":"x"}') },
  { status: 404, body: utf8('{"status":404,"type":"namespace","id":"test"}') },
  { status: 409, body: utf8('{"status":409,"type":"namespaceImport","id":"test"}') },
  { status: 404, body: utf8('{"status":404,"message":"no"}') },
  { status: 500, body: utf8('oops') },
];

function onJson(change: (root: JsonValue[], knowledge: LiarsKnowledge) => boolean): Mutator {
  return (answer, knowledge) => {
    const value = jsonOf(answer);
    if (value === null) return null;
    // In a list of one, so that the value itself has a parent.
    const root: JsonValue[] = [value];
    return change(root, knowledge) ? { ...answer, body: utf8(JSON.stringify(root[0] ?? null)) } : null;
  };
}

function jsonOf({ contentType, body }: ProxiedAnswer): Parent | null {
  if (!contentType.startsWith('application/json') || body.length === 0) return null;
  const value = parseJson(body);
  return typeof value === 'object' ? value : null;
}

type Parent = JsonValue[] | { [key: string]: JsonValue };
interface Place {
  readonly value: JsonValue;
  readonly parent: Parent;
  readonly key: string | number;
}

function placesOf(parent: Parent): Place[] {
  const entries: readonly (readonly [string | number, JsonValue])[] = Array.isArray(parent)
    ? [...parent.entries()]
    : Object.entries(parent);
  return entries.flatMap(([key, value]) => [
    { value, parent, key },
    ...(typeof value === 'object' && value !== null ? placesOf(value) : []),
  ]);
}

const ATTEMPTS = 20;

/** Tries places until one can be changed. */
function edit(
  root: JsonValue[],
  dice: Dice,
  change: (value: JsonValue, parent: Parent, key: string | number) => boolean,
): boolean {
  const before = JSON.stringify(root);
  const places = placesOf(root);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const { value, parent, key } = dice.of(places);
    if (change(value, parent, key) && JSON.stringify(root) !== before) return true;
  }
  return false;
}

function put(parent: Parent, key: string | number, value: JsonValue): boolean {
  if (Array.isArray(parent)) parent[Number(key)] = value;
  else parent[String(key)] = value;
  return true;
}

function remove(parent: Parent, key: string | number): boolean {
  if (Array.isArray(parent)) parent.splice(Number(key), 1);
  else delete parent[String(key)];
  return true;
}

function otherType(value: JsonValue, dice: Dice): JsonValue {
  const others: JsonValue[] = [null, true, 0, 1, '', 'x', [], {}, [value], { value }];
  return dice.of(others);
}

function otherNumber(value: number, dice: Dice): number {
  return dice.of([
    value + 1,
    value - 1,
    0,
    -1,
    1,
    value + 0.5,
    2 ** 31,
    2 ** 32,
    2 ** 53 - 1,
    value * 2,
    value - 100_000,
  ]);
}

function otherText(text: string, dice: Dice): string {
  const at = dice.below(text.length + 1);
  const digit = dice.below(16).toString(16);
  return dice.of([
    '',
    text.slice(0, at),
    text.slice(at),
    text.slice(0, at) + digit + text.slice(at + 1),
    text.slice(0, at) + digit + text.slice(at),
    text.toUpperCase(),
    `${text} `,
    `${text}\u0000`,
  ]);
}

function bytesOf(text: string): Uint8Array | null {
  if (text.length < 4) return null;
  try {
    return decodeBase64(text.replace(/^[a-z0-9-]+:/, ''));
  } catch {
    return null;
  }
}

function otherBytes(bytes: Uint8Array, dice: Dice): Uint8Array {
  const cut = dice.below(bytes.length);
  return dice.of([
    flipped(bytes, dice),
    flipped(bytes, dice),
    flipped(bytes, dice),
    bytes.subarray(0, cut),
    concatBytes(bytes.subarray(0, cut), bytes.subarray(cut + 1)),
    concatBytes(bytes, bytes),
    concatBytes(bytes, Uint8Array.of(0)),
    concatBytes(bytes.subarray(cut), bytes.subarray(0, cut)),
  ]);
}

function flipped(bytes: Uint8Array, dice: Dice): Uint8Array {
  const copy = bytes.slice();
  const bit = dice.below(copy.length * 8);
  const at = Math.floor(bit / 8);
  copy[at] = (copy[at] ?? 0) ^ (1 << (bit % 8));
  return copy;
}

function disorder(list: JsonValue[], dice: Dice): boolean {
  const at = dice.below(list.length);
  const one = list[at] ?? null;
  const change = dice.of([
    () => list.splice(at, 1),
    () => list.splice(at, 0, structuredClone(one)),
    () => list.splice(0, list.length, ...list.toReversed()),
    () => list.push(structuredClone(one)),
    () => list.splice(at),
    () => list.unshift(...list.splice(at, 1)),
  ]);
  change();
  return true;
}
