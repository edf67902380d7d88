import type { WitStability } from './model.ts';
import type { WitCursor } from './parse-cursor.ts';
import type { NotesSyntax } from './parse-syntax.ts';
import { witFailure } from './parse-source.ts';

/** What each gate asks for in its parentheses; WIT.md "Feature gate syntax". */
const GATE_WORD: Readonly<Record<string, 'version' | 'feature'>> = {
  since: 'version',
  deprecated: 'version',
  unstable: 'feature',
};

/** The comments and the gates in front of an item. */
export function parseNotes(cursor: WitCursor): NotesSyntax {
  const docs = docsOf(cursor.peek().comments);
  const place = cursor.placeOf(cursor.peek());
  const gates = new Map<string, string>();
  while (cursor.eat('@')) parseGate(cursor, gates);
  const stability = stabilityOf(gates);
  if (stability === undefined) {
    throw witFailure(place, 'write one of @since and @unstable, and @deprecated only beside one of them');
  }
  return { docs, stability, place };
}

/**
 * The text of comments. All of them count, not only those of three strokes: wasm-tools reads them so, and what it publishes
 * would otherwise differ from what we publish of the same text.
 */
export function docsOf(comments: readonly string[]): string | null {
  if (comments.length === 0) return null;
  const texts = comments.map((comment) => commentText(comment).trimEnd());
  const indents = texts.filter((text) => text !== '').map((text) => text.search(/[^ \t\n\r\f]/));
  const indent = ' '.repeat(indents.length === 0 ? 0 : indents.reduce((least, width) => Math.min(least, width)));
  const lines = texts.flatMap((text) => (text.startsWith(indent) ? text.slice(indent.length) : text).split(/\r?\n/));
  while (lines.at(-1) === '') lines.pop();
  return lines.join('\n');
}

function commentText(comment: string): string {
  if (comment.startsWith('/**') && comment.length >= '/***/'.length) return comment.slice(3, -2);
  return comment.replace(/^\/+/, '');
}

function parseGate(cursor: WitCursor, gates: Map<string, string>): void {
  const token = cursor.peek();
  const word = token.kind === 'id' && Object.hasOwn(GATE_WORD, token.text) ? GATE_WORD[token.text] : undefined;
  // WIT.md has `@external-id` behind a feature of its own; the model has no place for it, and dropping it would change
  // what a component imports.
  if (word === undefined) throw cursor.unexpected('since, unstable or deprecated');
  if (gates.has(token.text)) throw cursor.unexpected(`no second @${token.text}`);
  cursor.next();
  cursor.expect('(');
  cursor.word(word);
  cursor.expect('=');
  gates.set(token.text, word === 'version' ? cursor.version() : cursor.name().text);
  cursor.expect(')');
}

/** `undefined` for gates that exclude each other. */
function stabilityOf(gates: ReadonlyMap<string, string>): WitStability | null | undefined {
  const since = gates.get('since');
  const feature = gates.get('unstable');
  const deprecated = gates.get('deprecated') ?? null;
  if (since !== undefined) return feature === undefined ? { type: 'stable', since, deprecated } : undefined;
  if (feature !== undefined) return { type: 'unstable', feature, deprecated };
  return deprecated === null ? null : undefined;
}
