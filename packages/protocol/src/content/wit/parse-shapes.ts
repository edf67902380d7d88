import { WIT_PRIMITIVES, type WitPrimitive } from './model.ts';
import type { WitCursor } from './parse-cursor.ts';
import { docsOf } from './parse-notes.ts';
import type { DefinitionSyntax, LabelSyntax, ShapeSyntax } from './parse-syntax.ts';
import { WIT_TYPE_DEPTH_MAX, witFailure } from './parse-source.ts';

const PRIMITIVES: ReadonlyMap<string, WitPrimitive> = new Map(WIT_PRIMITIVES.map((name) => [name, name]));
/** WIT.md "Types", `kt`. */
const MAP_KEYS: ReadonlySet<string> = new Set(
  WIT_PRIMITIVES.filter((name) => !['f32', 'f64', 'error-context'].includes(name)),
);
const LIST_LENGTH_MAX = 0xffff_ffff;
/** The component model's limit; its canonical form is one 32-bit number. */
const FLAGS_MAX = 32;

type ShapeReader = (cursor: WitCursor, depth: number) => ShapeSyntax;

const SHAPES: ReadonlyMap<string, ShapeReader> = new Map<string, ShapeReader>([
  ['list', parseList],
  ['map', parseMap],
  ['option', (cursor, depth) => ({ type: 'option', element: parseArgument(cursor, depth) })],
  ['result', parseResult],
  ['tuple', parseTuple],
  ['future', (cursor, depth) => ({ type: 'future', element: parseOptionalArgument(cursor, depth) })],
  ['stream', (cursor, depth) => ({ type: 'stream', element: parseOptionalArgument(cursor, depth) })],
  ['own', (cursor) => ({ type: 'own', name: parseHandle(cursor) })],
  ['borrow', (cursor) => ({ type: 'borrow', name: parseHandle(cursor) })],
]);

type DefinitionReader = (cursor: WitCursor) => DefinitionSyntax;

/** By the keyword, for those that stand between braces. */
export const BRACED_DEFINITIONS: ReadonlyMap<string, DefinitionReader> = new Map<string, DefinitionReader>([
  ['record', parseRecord],
  ['variant', parseVariant],
  ['enum', (cursor) => ({ type: 'enum', cases: parseLabels(cursor, Infinity) })],
  ['flags', (cursor) => ({ type: 'flags', flags: parseLabels(cursor, FLAGS_MAX) })],
]);

/** What may stand where a type may. Throws `content/wit`. */
export function parseShape(cursor: WitCursor, depth = 0): ShapeSyntax {
  const token = cursor.peek();
  if (depth > WIT_TYPE_DEPTH_MAX) throw witFailure(cursor.placeOf(token), 'types are nested too deep here: name one');
  if (token.kind === 'id') return { type: 'name', name: cursor.name() };
  if (token.kind !== 'keyword') throw cursor.unexpected('a type');
  const primitive = PRIMITIVES.get(token.text);
  const shape = SHAPES.get(token.text);
  if (primitive === undefined && shape === undefined) throw cursor.unexpected('a type');
  cursor.next();
  return primitive === undefined && shape !== undefined
    ? shape(cursor, depth + 1)
    : { type: 'primitive', primitive: primitive ?? 'bool' };
}

function parseArgument(cursor: WitCursor, depth: number): ShapeSyntax {
  cursor.expect('<');
  const element = parseShape(cursor, depth);
  cursor.expect('>');
  return element;
}

function parseOptionalArgument(cursor: WitCursor, depth: number): ShapeSyntax | null {
  return cursor.isAt('<') ? parseArgument(cursor, depth) : null;
}

function parseHandle(cursor: WitCursor) {
  cursor.expect('<');
  const name = cursor.name();
  cursor.expect('>');
  return name;
}

function parseList(cursor: WitCursor, depth: number): ShapeSyntax {
  cursor.expect('<');
  const element = parseShape(cursor, depth);
  if (!cursor.eat(',')) {
    cursor.expect('>');
    return { type: 'list', element };
  }
  const token = cursor.peek();
  const length = Number(token.text);
  if (token.kind !== 'integer' || !(length >= 1 && length <= LIST_LENGTH_MAX)) {
    throw cursor.unexpected(`a length from 1 to ${LIST_LENGTH_MAX}`);
  }
  cursor.next();
  cursor.expect('>');
  return { type: 'fixed-list', element, length };
}

function parseMap(cursor: WitCursor, depth: number): ShapeSyntax {
  cursor.expect('<');
  if (!MAP_KEYS.has(cursor.peek().text)) throw cursor.unexpected('a key: an integer type, char, bool or string');
  const key = parseShape(cursor, depth);
  cursor.expect(',');
  const value = parseShape(cursor, depth);
  cursor.expect('>');
  return { type: 'map', key, value };
}

function parseResult(cursor: WitCursor, depth: number): ShapeSyntax {
  if (!cursor.eat('<')) return { type: 'result', ok: null, error: null };
  const token = cursor.peek();
  const isOmitted = token.kind === 'id' && token.text === '_';
  if (isOmitted) cursor.next();
  const ok = isOmitted ? null : parseShape(cursor, depth);
  if (isOmitted && !cursor.isAt(',')) throw cursor.unexpected("','");
  const error = cursor.eat(',') ? parseShape(cursor, depth) : null;
  cursor.expect('>');
  return { type: 'result', ok, error };
}

function parseTuple(cursor: WitCursor, depth: number): ShapeSyntax {
  const elements = cursor.list('<', '>', () => parseShape(cursor, depth));
  if (elements.length === 0) throw cursor.unexpected('a tuple of at least one type before this');
  return { type: 'tuple', elements };
}

function parseRecord(cursor: WitCursor): DefinitionSyntax {
  const fields = parseCases(cursor, Infinity, () => {
    const label = parseLabel(cursor);
    cursor.expect(':');
    return { ...label, value: parseShape(cursor) };
  });
  return { type: 'record', fields };
}

function parseVariant(cursor: WitCursor): DefinitionSyntax {
  const cases = parseCases(cursor, Infinity, () => {
    const label = parseLabel(cursor);
    if (!cursor.eat('(')) return { ...label, payload: null };
    const payload = parseShape(cursor);
    cursor.expect(')');
    return { ...label, payload };
  });
  return { type: 'variant', cases };
}

function parseLabels(cursor: WitCursor, countMax: number): readonly LabelSyntax[] {
  return parseCases(cursor, countMax, () => parseLabel(cursor));
}

function parseLabel(cursor: WitCursor): LabelSyntax {
  const docs = docsOf(cursor.peek().comments);
  return { docs, name: cursor.name() };
}

/** The labels of one type; those that differ in nothing but case are the same to the component model. */
function parseCases<T extends LabelSyntax>(cursor: WitCursor, countMax: number, item: () => T): readonly T[] {
  const start = cursor.placeOf(cursor.peek());
  const items = cursor.list('{', '}', item);
  if (items.length === 0) throw witFailure(start, 'it is empty: name at least one part');
  if (items.length > countMax) throw witFailure(start, `it has more than ${countMax} parts: split it`);
  const seen = new Set<string>();
  for (const { name } of items) {
    const key = name.text.toLowerCase();
    if (seen.has(key)) throw witFailure(name.place, `there is already a part called '${name.text}' here: rename one`);
    seen.add(key);
  }
  return items;
}
