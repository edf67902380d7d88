import { RegistryError } from '../../errors.ts';

/** One file of WIT text. The path is for messages, and decides the order of the files of a package. */
export interface WitSource {
  readonly path: string;
  readonly text: string;
}

/** All files of one reading together, in UTF-16 units. The whole of WASI's WIT has 0.3 million. */
export const WIT_TEXT_LENGTH_MAX = 8 * 1024 * 1024;
/** Over all files of one reading. */
export const WIT_TOKENS_MAX = 1_000_000;
/** Files of one reading. */
export const WIT_FILES_MAX = 10_000;
/** Types in types, such as `list<list<…>>`; wasm-tools has the same. */
export const WIT_TYPE_DEPTH_MAX = 100;
/** Comments in comments. */
export const WIT_COMMENT_DEPTH_MAX = 100;
/** Interfaces that use from each other, worlds that include each other, in one chain. */
export const WIT_CHAIN_MAX = 1_000;
/** Items of all worlds together: an `include` copies, so that a short text can ask for endlessly many. */
export const WIT_WORLD_ITEMS_MAX = 100_000;
/** What one comparison may look at: members, fields, cases, labels, other names, and pairs of types. */
export const WIT_COMPARISON_STEPS_MAX = 2_000_000;
/** Types in types, those with names among them, that a comparison follows: well below what the stack holds. */
export const WIT_COMPARISON_DEPTH_MAX = 250;

/** A place in a file: what a message points at. */
export interface WitPlace {
  readonly source: WitSource;
  /** In UTF-16 units. */
  readonly offset: number;
}

/** Line and column, from one, in characters as JavaScript counts them. */
export function witPosition({ source, offset }: WitPlace): { readonly line: number; readonly column: number } {
  const before = source.text.slice(0, offset);
  const lineStart = before.lastIndexOf('\n') + 1;
  return { line: before.split('\n').length, column: offset - lineStart + 1 };
}

/** What is wrong with WIT text, with the place in front as compilers write it. */
export function witFailure(place: WitPlace, what: string): RegistryError {
  const { line, column } = witPosition(place);
  const file = place.source.path;
  return new RegistryError('content/wit', `${file}:${line}:${column}: ${what}`, { file, line, column });
}

/** What is wrong with WIT that has no place in a text. */
export function witRefusal(what: string): RegistryError {
  return new RegistryError('content/wit', what);
}
