import type { WitCursor } from './parse-cursor.ts';
import { parseNotes } from './parse-notes.ts';
import { BRACED_DEFINITIONS, parseShape } from './parse-shapes.ts';
import type {
  ExternSyntax,
  FunctionSyntax,
  IncludeSyntax,
  MemberSyntax,
  NameSyntax,
  NotesSyntax,
  SignatureSyntax,
  TypeSyntax,
  UseSyntax,
  WorldMemberSyntax,
} from './parse-syntax.ts';
import { witFailure } from './parse-source.ts';

/** What stands between the braces of an interface. Throws `content/wit`. */
export function parseMembers(cursor: WitCursor): readonly MemberSyntax[] {
  return parseBody(cursor, (notes) => {
    const shared = parseShared(cursor, notes);
    if (shared !== null) return shared;
    if (cursor.peek().kind !== 'id') throw cursor.unexpected("a type, a function, 'use' or '}'");
    return parseFunction(cursor, notes, 'freestanding');
  });
}

/** What stands between the braces of a world. Throws `content/wit`. */
export function parseWorldMembers(cursor: WitCursor): readonly WorldMemberSyntax[] {
  return parseBody(cursor, (notes) => {
    const shared = parseShared(cursor, notes);
    if (shared !== null) return shared;
    if (cursor.isAt('include')) return parseInclude(cursor, notes);
    const direction = cursor.isAt('import') ? 'import' : cursor.isAt('export') ? 'export' : null;
    if (direction === null) throw cursor.unexpected("'import', 'export', 'include', 'use', a type or '}'");
    cursor.next();
    return parseExtern(cursor, notes, direction);
  });
}

function parseBody<T>(cursor: WitCursor, item: (notes: NotesSyntax) => T): readonly T[] {
  cursor.expect('{');
  const items: T[] = [];
  while (!cursor.eat('}')) items.push(item(parseNotes(cursor)));
  return items;
}

/** What interfaces and worlds both have. */
function parseShared(cursor: WitCursor, notes: NotesSyntax): UseSyntax | TypeSyntax | null {
  if (cursor.isAt('use')) return parseUse(cursor, notes);
  if (cursor.eat('type')) {
    const name = cursor.name();
    cursor.expect('=');
    const target = parseShape(cursor);
    cursor.expect(';');
    return { type: 'type', notes, name, definition: { type: 'alias', target } };
  }
  if (cursor.isAt('resource')) return parseResource(cursor, notes);
  const token = cursor.peek();
  const definition = token.kind === 'keyword' ? BRACED_DEFINITIONS.get(token.text) : undefined;
  if (definition === undefined) return null;
  cursor.next();
  return { type: 'type', notes, name: cursor.name(), definition: definition(cursor) };
}

function parseUse(cursor: WitCursor, notes: NotesSyntax): UseSyntax {
  cursor.expect('use');
  const path = cursor.path();
  cursor.expect('.');
  const names = cursor.list('{', '}', () => {
    const name = cursor.name();
    return { name, alias: cursor.eat('as') ? cursor.name() : name };
  });
  cursor.expect(';');
  return { type: 'use', notes, path, names };
}

function parseInclude(cursor: WitCursor, notes: NotesSyntax): IncludeSyntax {
  cursor.expect('include');
  const path = cursor.path();
  if (!cursor.eat('with')) {
    cursor.expect(';');
    return { type: 'include', notes, path, renames: [] };
  }
  const renames = cursor.list('{', '}', () => {
    const from = cursor.name();
    cursor.expect('as');
    return { from, to: cursor.name() };
  });
  // WIT.md shows both with and without.
  cursor.eat(';');
  return { type: 'include', notes, path, renames };
}

function parseExtern(cursor: WitCursor, notes: NotesSyntax, direction: 'import' | 'export'): ExternSyntax {
  const place = cursor.placeOf(cursor.peek());
  const base = { type: 'extern', direction, notes, place } as const;
  if (!isNamed(cursor)) {
    const path = cursor.path();
    cursor.expect(';');
    return { ...base, name: null, value: { type: 'path', path } };
  }
  const name = cursor.name();
  cursor.expect(':');
  if (cursor.eat('interface')) return { ...base, name, value: { type: 'interface', members: parseMembers(cursor) } };
  const value = isSignature(cursor)
    ? ({ type: 'function', signature: parseSignature(cursor) } as const)
    : ({ type: 'path', path: cursor.path() } as const);
  cursor.expect(';');
  return { ...base, name, value };
}

/** `a:b/c` is a path; `a: b` gives the interface `b` the name `a`, and so does `a: b:c/d`. */
function isNamed(cursor: WitCursor): boolean {
  return cursor.isAt(':', 1) && !cursor.isAt('/', 3);
}

function isSignature(cursor: WitCursor): boolean {
  return cursor.isAt('func') || cursor.isAt('async');
}

function parseResource(cursor: WitCursor, notes: NotesSyntax): TypeSyntax {
  cursor.expect('resource');
  const name = cursor.name();
  const functions = cursor.isAt('{')
    ? parseBody(cursor, (functionNotes) => parseResourceFunction(cursor, functionNotes, name))
    : (cursor.expect(';'), []);
  const seen = new Set<string>();
  for (const { kind, name: own } of functions) {
    const key = kind === 'constructor' ? kind : own.text.toLowerCase();
    if (seen.has(key)) throw witFailure(own.place, `'${name.text}' has '${key}' twice: rename one`);
    seen.add(key);
  }
  return { type: 'type', notes, name, definition: { type: 'resource', functions } };
}

function parseResourceFunction(cursor: WitCursor, notes: NotesSyntax, resource: NameSyntax): FunctionSyntax {
  if (!cursor.isAt('constructor')) return parseFunction(cursor, notes, cursor.isAt('static', 2) ? 'static' : 'method');
  const place = cursor.placeOf(cursor.next());
  const name = { text: resource.text, place };
  const signature = parseParameters(cursor, false);
  cursor.expect(';');
  return { type: 'function', notes, name, kind: 'constructor', signature };
}

function parseFunction(cursor: WitCursor, notes: NotesSyntax, kind: FunctionSyntax['kind']): FunctionSyntax {
  const name = cursor.name();
  cursor.expect(':');
  if (kind === 'static') cursor.expect('static');
  const signature = parseSignature(cursor);
  cursor.expect(';');
  return { type: 'function', notes, name, kind, signature };
}

function parseSignature(cursor: WitCursor): SignatureSyntax {
  const isAsync = cursor.eat('async');
  cursor.expect('func');
  return parseParameters(cursor, isAsync);
}

function parseParameters(cursor: WitCursor, isAsync: boolean): SignatureSyntax {
  const seen = new Set<string>();
  const parameters = cursor.list('(', ')', () => {
    const name = cursor.name();
    const key = name.text.toLowerCase();
    if (seen.has(key)) throw witFailure(name.place, `there is already a parameter '${name.text}': rename one`);
    seen.add(key);
    cursor.expect(':');
    return { name, value: parseShape(cursor) };
  });
  const result = cursor.eat('->') ? parseShape(cursor) : null;
  return { isAsync, parameters, result };
}
