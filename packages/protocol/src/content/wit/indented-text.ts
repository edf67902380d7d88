import { RegistryError } from '../../errors.ts';

/** A type may be drawn small and written long: shapes that share their parts double at every step. */
export const WIT_TEXT_LENGTH_MAX = 64 * 1024 * 1024;

const INDENT = '  ';

/** Text under way, in blocks of braces. */
export class IndentedText {
  readonly #lengthMax: number;
  #text = '';
  #indent = '';
  #isLineStart = true;

  constructor(lengthMax: number = WIT_TEXT_LENGTH_MAX) {
    this.#lengthMax = lengthMax;
  }

  /** `piece` has no end of line. Throws `wire/too-large`. */
  write(piece: string): this {
    this.#text += this.#isLineStart ? this.#indent + piece : piece;
    this.#isLineStart = false;
    if (this.#text.length > this.#lengthMax) throw tooLong(this.#lengthMax);
    return this;
  }

  endLine(): void {
    this.#text += '\n';
    this.#isLineStart = true;
  }

  openBlock(): void {
    this.write(' {').endLine();
    this.#indent += INDENT;
  }

  closeBlock(): void {
    this.#indent = this.#indent.slice(INDENT.length);
    this.write('}').endLine();
  }

  toString(): string {
    return this.#text;
  }
}

function tooLong(lengthMax: number): RegistryError {
  return new RegistryError(
    'wire/too-large',
    `the WIT text is over ${lengthMax} characters: the package is well formed, but it is not printed; read its types instead`,
  );
}
