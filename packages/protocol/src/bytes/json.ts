import { RegistryError } from '../errors.ts';
import { utf8Text } from './byte-array.ts';

/** Deeper JSON is refused before it is built (SECURITY.md W8). */
export const JSON_DEPTH_MAX = 32;

/** What strict JSON can hold. Objects have no prototype, so no key of an attacker reaches one (SECURITY.md W7). */
export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const LONE_SURROGATE = /\p{Surrogate}/u;
/**
 * Parses JSON without the leniency that makes two readers disagree: duplicate keys, a BOM, lone surrogates, integers that
 * a double cannot hold, bad UTF-8, the key `__proto__` and depth over {@link JSON_DEPTH_MAX} are refused with `wire/json`.
 */
export function parseJson(source: Uint8Array | string): JsonValue {
  const text = typeof source === 'string' ? source : utf8Text(source);
  if (text === null) throw new RegistryError('wire/json', 'JSON is not UTF-8');
  return new JsonReader(text).document();
}

class JsonReader {
  readonly #text: string;
  #offset = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): JsonValue {
    const value = this.#value(0);
    this.#space();
    if (this.#offset < this.#text.length) throw this.#error('text after the end of the value');
    return value;
  }

  /** `depth` is the number of arrays and objects around the value. */
  #value(depth: number): JsonValue {
    this.#space();
    switch (this.#text[this.#offset]) {
      case '{':
        return this.#object(depth + 1);
      case '[':
        return this.#array(depth + 1);
      case '"':
        return this.#string();
      case 't':
        return this.#word('true', true);
      case 'f':
        return this.#word('false', false);
      case 'n':
        return this.#word('null', null);
      default:
        return this.#number();
    }
  }

  #object(depth: number): JsonValue {
    this.#open(depth);
    const object: { [key: string]: JsonValue } = { __proto__: null };
    if (this.#next('}')) return object;
    do {
      this.#space();
      const key = this.#string();
      // Readers of maps, zod's among them, drop this key silently (SECURITY.md W7).
      if (key === '__proto__') throw this.#error('the key __proto__ is not allowed');
      if (Object.hasOwn(object, key)) throw this.#error(`duplicate key ${JSON.stringify(key)}`);
      if (!this.#next(':')) throw this.#error("':' expected");
      object[key] = this.#value(depth);
    } while (this.#next(','));
    if (!this.#next('}')) throw this.#error("',' or '}' expected");
    return object;
  }

  #array(depth: number): JsonValue {
    this.#open(depth);
    const array: JsonValue[] = [];
    if (this.#next(']')) return array;
    do array.push(this.#value(depth));
    while (this.#next(','));
    if (!this.#next(']')) throw this.#error("',' or ']' expected");
    return array;
  }

  #open(depth: number): void {
    if (depth > JSON_DEPTH_MAX) throw this.#error(`nested more than ${JSON_DEPTH_MAX} deep`);
    this.#offset++;
  }

  #string(): string {
    if (this.#text[this.#offset] !== '"') throw this.#error('string expected');
    const start = this.#offset;
    const end = this.#endOfString(start + 1);
    this.#offset = end;
    const value = this.#unescaped(this.#text.slice(start, end));
    if (LONE_SURROGATE.test(value)) throw this.#error('lone surrogate');
    return value;
  }

  /** Just after the next quotation mark that no backslash escapes. */
  #endOfString(from: number): number {
    for (let quote = this.#text.indexOf('"', from); quote >= 0; quote = this.#text.indexOf('"', quote + 1)) {
      let backslashes = 0;
      while (this.#text[quote - 1 - backslashes] === '\\') backslashes++;
      if (backslashes % 2 === 0) return quote + 1;
    }
    throw this.#error('unterminated string');
  }

  /** A string literal by itself is the one thing on which all JSON readers agree. */
  #unescaped(literal: string): string {
    try {
      const value: unknown = JSON.parse(literal);
      if (typeof value === 'string') return value;
    } catch {
      // Control characters and unknown escapes: told below, without the parser's own words.
    }
    throw this.#error('a character or an escape that no string may have');
  }

  #number(): number {
    const digits = this.#match(NUMBER);
    if (digits === null) throw this.#error('value expected');
    const value = Number(digits);
    if (!Number.isFinite(value) || Math.abs(value) > Number.MAX_SAFE_INTEGER) {
      throw this.#error(`number ${digits.slice(0, 24)} is out of range`);
    }
    return value;
  }

  #word<T extends JsonValue>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#offset)) throw this.#error('value expected');
    this.#offset += word.length;
    return value;
  }

  #next(character: string): boolean {
    this.#space();
    if (this.#text[this.#offset] !== character) return false;
    this.#offset++;
    return true;
  }

  #space(): void {
    while (' \t\n\r'.includes(this.#text[this.#offset] ?? 'x')) this.#offset++;
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#offset;
    const found = pattern.exec(this.#text);
    if (found === null) return null;
    this.#offset += found[0].length;
    return found[0];
  }

  #error(why: string): RegistryError {
    return new RegistryError('wire/json', `malformed JSON at character ${this.#offset}: ${why}`);
  }
}
