import { messageOf, RegistryError, type ErrorCode } from '@waybill/protocol';
import { parse, type TomlTable, type TomlValue } from 'smol-toml';

/** Files of a project are written by people and small programs; a lock of the most packages is a tenth of it. */
export const TOML_LENGTH_MAX = 8 * 1024 * 1024;

/** A file of TOML, and the code of what is wrong with it. */
export interface TomlFile {
  readonly file: string;
  readonly text: string;
  readonly code: ErrorCode;
}

/** Reads TOML one value at a time; every mistake names the file and the key. */
export class TomlReader {
  readonly #file: TomlFile;
  readonly #table: TomlTable;
  readonly #path: string;

  private constructor(file: TomlFile, table: TomlTable, path: string) {
    this.#file = file;
    this.#table = table;
    this.#path = path;
  }

  /** Throws the file's code. */
  static open(file: TomlFile): TomlReader {
    if (file.text.length > TOML_LENGTH_MAX) throw mistake(file, `it is over ${TOML_LENGTH_MAX} characters long`);
    try {
      return new TomlReader(file, parse(file.text), '');
    } catch (cause) {
      throw mistake(file, messageOf(cause).split('\n')[0] ?? '', cause);
    }
  }

  keys(): string[] {
    return Object.keys(this.#table);
  }

  /** Throws for a key that is not among these: a word with a mistake in it must not mean nothing. */
  requireOnly(...allowed: readonly string[]): void {
    const other = this.keys().find((key) => !allowed.includes(key));
    if (other !== undefined) throw this.wrong(other, `is not known; there are ${allowed.join(', ')}`);
  }

  has(key: string): boolean {
    return Object.hasOwn(this.#table, key);
  }

  text(key: string): string {
    const value = this.#value(key);
    if (typeof value !== 'string') throw this.wrong(key, 'is not a text');
    return value;
  }

  /** A whole number that is not negative. */
  count(key: string): number {
    const value = this.#value(key);
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw this.wrong(key, 'is not a count');
    return value;
  }

  texts(key: string): string[] {
    const value = this.#value(key);
    if (!Array.isArray(value)) throw this.wrong(key, 'is not a list');
    return value.map((item) => {
      if (typeof item !== 'string') throw this.wrong(key, 'has something in it that is not a text');
      return item;
    });
  }

  table(key: string): TomlReader {
    return this.#reader(key, this.#value(key));
  }

  /** Empty where the key is missing. */
  tables(key: string): TomlReader[] {
    const value = this.has(key) ? this.#value(key) : [];
    if (!Array.isArray(value)) throw this.wrong(key, 'is not a list of tables');
    return value.map((item) => this.#reader(key, item));
  }

  /** Runs a parser of this package's over a value, so that its mistake names the place. */
  parsed<T>(key: string, parser: (text: string) => T): T {
    return this.#parse(key, this.text(key), parser);
  }

  parsedList<T>(key: string, parser: (text: string) => T): T[] {
    return this.texts(key).map((text) => this.#parse(key, text, parser));
  }

  #parse<T>(key: string, text: string, parser: (text: string) => T): T {
    try {
      return parser(text);
    } catch (cause) {
      throw this.wrong(key, `is wrong: ${messageOf(cause)}`, cause);
    }
  }

  wrong(key: string, what: string, cause?: unknown): RegistryError {
    return mistake(this.#file, `${this.#path}${key} ${what}`, cause);
  }

  #value(key: string): TomlValue {
    const value = this.has(key) ? this.#table[key] : undefined;
    if (value === undefined) throw this.wrong(key, 'is missing');
    return value;
  }

  #reader(key: string, value: TomlValue): TomlReader {
    if (typeof value !== 'object' || Array.isArray(value) || value instanceof Date)
      throw this.wrong(key, 'is not a table');
    return new TomlReader(this.#file, value, `${this.#path}${key}.`);
  }
}

function mistake({ file, code }: TomlFile, what: string, cause?: unknown): RegistryError {
  return new RegistryError(code, `${file}: ${what}`, { file }, { cause });
}

/** A basic string of TOML: what JSON escapes, TOML reads the same. */
export function tomlText(text: string): string {
  return JSON.stringify(text);
}
