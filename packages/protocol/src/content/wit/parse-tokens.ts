import { KEYWORDS } from './keywords.ts';
import { WIT_COMMENT_DEPTH_MAX, type WitPlace, type WitSource, witFailure } from './parse-source.ts';

export type WitTokenKind = 'id' | 'keyword' | 'integer' | 'string' | 'sign' | 'end';

export interface WitToken {
  readonly kind: WitTokenKind;
  /** Of an id without its `%`. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
  /** The comments in front of it, with their marks. */
  readonly comments: readonly string[];
}

const SPACE = /[ \t\r\n]+/y;
const WORD = /%?[A-Za-z_][A-Za-z0-9_-]*/y;
const INTEGER = /[0-9]+/y;
const SIGN = /->|[=,:;(){}<>*/.@+-]/y;
const COMMENT_MARK = /\/\*|\*\//g;

/**
 * WIT.md "Lexical structure": no control codes and no characters that turn the direction of a text, which make it look like
 * another (CVE-2021-42574); nor those that Unicode discourages, nor halves of a surrogate pair, which have no UTF-8.
 */
const FORBIDDEN_RANGES = [
  [0x00, 0x08],
  [0x0b, 0x0c],
  [0x0e, 0x1f],
  [0x7f, 0x9f],
  [0x149, 0x149],
  [0x673, 0x673],
  [0xf77, 0xf77],
  [0xf79, 0xf79],
  [0x17a3, 0x17a4],
  [0x17b4, 0x17b5],
  [0x202a, 0x202e],
  [0x2066, 0x2069],
  [0xd800, 0xdfff],
] as const;
const FORBIDDEN = new RegExp(
  `[${FORBIDDEN_RANGES.map(([first, last]) => `\\u{${first.toString(16)}}-\\u{${last.toString(16)}}`).join('')}]`,
  'u',
);

/**
 * Words of lower-case or of upper-case letters and digits, joined by single hyphens; the first starts with a letter. No word
 * matches in two ways: each that did would double the time for a name that is none (threats W4).
 */
const LABEL = /^(?:[a-z][a-z0-9]*|[A-Z][A-Z0-9]*)(?:-(?:[a-z0-9]+|[0-9]*[A-Z][A-Z0-9]*))*$/;

/** The tokens of a file, the last of kind `end`. Throws `content/wit`, also where there would be more than `tokensMax`. */
export function witTokens(source: WitSource, tokensMax: number): readonly WitToken[] {
  const forbidden = FORBIDDEN.exec(source.text);
  if (forbidden !== null) {
    const code = (forbidden[0].codePointAt(0) ?? 0).toString(16).padStart(4, '0');
    throw witFailure({ source, offset: forbidden.index }, `the character U+${code} is not allowed in WIT: remove it`);
  }
  const tokens: WitToken[] = [];
  let offset = source.text.startsWith('\uFEFF') ? 1 : 0;
  for (;;) {
    const gap = readGap(source, offset);
    const token = readToken(source, gap.end, gap.comments);
    tokens.push(token);
    if (token.kind === 'end') return tokens;
    if (tokens.length >= tokensMax)
      throw witFailure({ source, offset }, 'the text has too many tokens: split the package');
    offset = token.end;
  }
}

/** True for text without characters that WIT text must not have, wherever they stand in it. */
export function isWitText(text: string): boolean {
  return !FORBIDDEN.test(text);
}

/** True for a name as the component model has them. */
export function isWitLabel(text: string): boolean {
  return LABEL.test(text);
}

/** How a message names a token. */
export function describeToken(token: WitToken): string {
  if (token.kind === 'end') return 'the end of the file';
  return token.kind === 'keyword' ? `the keyword '${token.text}'` : `'${token.text.slice(0, 80)}'`;
}

function readGap(source: WitSource, start: number): { readonly comments: readonly string[]; readonly end: number } {
  const { text } = source;
  const comments: string[] = [];
  let end = start;
  for (;;) {
    const space = matchAt(SPACE, text, end);
    if (space !== null) {
      end += space.length;
    } else if (text.startsWith('//', end)) {
      const newline = text.indexOf('\n', end);
      const comment = text.slice(end, newline < 0 ? text.length : newline);
      comments.push(comment);
      end += comment.length;
    } else if (text.startsWith('/*', end)) {
      const comment = text.slice(end, blockEnd({ source, offset: end }));
      comments.push(comment);
      end += comment.length;
    } else {
      return { comments, end };
    }
  }
}

/** Block comments nest. */
function blockEnd({ source, offset }: WitPlace): number {
  let depth = 0;
  COMMENT_MARK.lastIndex = offset;
  for (;;) {
    const mark = COMMENT_MARK.exec(source.text);
    if (mark === null) throw witFailure({ source, offset }, "this comment has no end: add '*/'");
    depth += mark[0] === '/*' ? 1 : -1;
    if (depth === 0) return mark.index + mark[0].length;
    if (depth > WIT_COMMENT_DEPTH_MAX) throw witFailure({ source, offset }, 'comments are nested too deep here');
  }
}

function readToken(source: WitSource, start: number, comments: readonly string[]): WitToken {
  const { text } = source;
  if (start === text.length) return { kind: 'end', text: '', start, end: start, comments };
  const word = matchAt(WORD, text, start);
  if (word !== null) {
    const isKeyword = KEYWORDS.has(word);
    const name = word.startsWith('%') ? word.slice(1) : word;
    return { kind: isKeyword ? 'keyword' : 'id', text: name, start, end: start + word.length, comments };
  }
  if (text[start] === '"') {
    const end = stringEnd({ source, offset: start });
    return { kind: 'string', text: text.slice(start, end), start, end, comments };
  }
  const forms = [
    { kind: 'integer', pattern: INTEGER },
    { kind: 'sign', pattern: SIGN },
  ] as const;
  for (const { kind, pattern } of forms) {
    const found = matchAt(pattern, text, start);
    if (found !== null) return { kind, text: found, start, end: start + found.length, comments };
  }
  const character = String.fromCodePoint(text.codePointAt(start) ?? 0);
  throw witFailure({ source, offset: start }, `'${character}' does not belong in WIT text`);
}

/** Strings only stand in gates that are not read: this finds their end, so that the message can name the gate. */
function stringEnd(place: WitPlace): number {
  const { text } = place.source;
  for (let end = place.offset + 1; end < text.length; end++) {
    if (text[end] === '"') return end + 1;
    if (text[end] === '\\') end++;
  }
  throw witFailure(place, "this string has no end: add '\"'");
}

function matchAt(pattern: RegExp, text: string, offset: number): string | null {
  pattern.lastIndex = offset;
  return pattern.exec(text)?.[0] ?? null;
}
