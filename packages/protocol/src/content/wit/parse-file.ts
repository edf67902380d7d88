import { WitCursor } from './parse-cursor.ts';
import { parseMembers, parseWorldMembers } from './parse-members.ts';
import { docsOf, parseNotes } from './parse-notes.ts';
import type { FileSyntax, ItemSyntax, NotesSyntax, PackageSyntax } from './parse-syntax.ts';
import { type WitSource, witFailure } from './parse-source.ts';

/** One file, and how many tokens it has. Throws `content/wit`, also where it has more than `tokensMax`. */
export function parseWitFile(
  source: WitSource,
  tokensMax: number,
): { readonly file: FileSyntax; readonly tokenCount: number } {
  const cursor = new WitCursor(source, tokensMax);
  const items: ItemSyntax[] = [];
  const nested: PackageSyntax[] = [];
  const first = cursor.isAt('package') ? parsePackage(cursor, true) : null;
  if (first?.items !== null && first !== null) nested.push({ ...first, items: first.items });
  const header = first === null || first.items !== null ? null : { id: first.id, docs: first.docs };
  while (cursor.peek().kind !== 'end') {
    if (!cursor.isAt('package')) {
      items.push(parseItem(cursor));
      continue;
    }
    const { id, docs, items: inner } = parsePackage(cursor, false);
    nested.push({ id, docs, items: inner ?? [] });
  }
  return { file: { header, items, nested }, tokenCount: cursor.tokenCount };
}

/** `items` is `null` for `package …;`, which only the start of a file may have. */
function parsePackage(
  cursor: WitCursor,
  isStart: boolean,
): Omit<PackageSyntax, 'items'> & { items: ItemSyntax[] | null } {
  const docs = docsOf(cursor.peek().comments);
  cursor.expect('package');
  const id = cursor.packageId();
  if (isStart && cursor.eat(';')) return { id, docs, items: null };
  cursor.expect('{');
  const items: ItemSyntax[] = [];
  while (!cursor.eat('}')) items.push(parseItem(cursor));
  return { id, docs, items };
}

function parseItem(cursor: WitCursor): ItemSyntax {
  const notes = parseNotes(cursor);
  if (cursor.isAt('use')) return parseTopUse(cursor, notes);
  if (cursor.eat('interface')) return { type: 'interface', notes, name: cursor.name(), members: parseMembers(cursor) };
  if (cursor.eat('world')) return { type: 'world', notes, name: cursor.name(), members: parseWorldMembers(cursor) };
  throw cursor.unexpected("'interface', 'world', 'use' or 'package'");
}

function parseTopUse(cursor: WitCursor, notes: NotesSyntax): ItemSyntax {
  if (notes.stability !== null)
    throw witFailure(notes.place, "a 'use' outside of an interface takes no gate: remove it");
  cursor.expect('use');
  const path = cursor.path();
  const alias = cursor.eat('as') ? cursor.name() : path.name;
  cursor.expect(';');
  return { type: 'use', path, alias };
}
