import { ProtoWriter, type ProtoMessage, type ProtoShape } from '../bytes/protobuf.ts';
import { RegistryError } from '../errors.ts';
import { parseGrantId, type GrantId } from './authority/grant.ts';
import { requireMay } from './authority/verdict.ts';
import type { EntrySet } from './dialect.ts';
import type { EntryKind, RecordContext } from './entry-kind.ts';
import { requirePermission, type LogDraft } from './log-state.ts';

/** Entry type name → the entry's fields. */
type EntryFields = Record<string, { readonly type: string }>;

/** The union of a log's entries, kept in correlation with its table. */
export type EntryOf<M extends EntryFields, T extends keyof M = keyof M> = { [N in T]: M[N] & { readonly type: N } }[T];

/** One row for each entry type; leaving one out does not compile. */
export type EntryTable<M extends EntryFields, P extends string, B> = {
  readonly [T in keyof M]: EntryKind<EntryOf<M, T>, P, B>;
};

/** The field of an entry that names its grant: spec/version1.md 2.3. */
const UNDER_FIELD = 31;

/** Makes the entries of version 0 from the table of their kinds. */
export function wargEntries<M extends EntryFields, P extends string, B>(
  table: EntryTable<M, P, B>,
): EntrySet<EntryOf<M>, P, B> {
  return entrySetOf(table, {
    underOf: () => null,
    writeUnder: (writer) => writer,
    check(draft, entry, { needs }, { signer }) {
      if (needs !== null) requirePermission(draft, signer, needs);
      if (!draft.initialised && entry.type !== 'init') {
        throw new RegistryError('record/first-not-init', 'an entry stands before init');
      }
    },
  });
}

/** Makes the entries of version 1: each is done under a grant or the root, and asks for what it needs by itself. */
export function grantedEntries<M extends EntryFields, P extends string, B>(
  table: EntryTable<M, P, B>,
): EntrySet<EntryOf<M>, P, B> {
  return entrySetOf(table, {
    underOf(message) {
      const under = message.string(UNDER_FIELD);
      return under === '' ? null : parseGrantId(under);
    },
    writeUnder: (writer, entry) =>
      'under' in entry && typeof entry.under === 'string' ? writer.string(UNDER_FIELD, entry.under) : writer,
    check: () => undefined,
  });
}

/** Makes the entries of version 1 where nothing is granted: the root's holder does all that follows root. */
export function rootOnlyEntries<M extends EntryFields, P extends string, B>(
  table: EntryTable<M, P, B>,
): EntrySet<EntryOf<M>, P, B> {
  return entrySetOf(table, {
    underOf: () => null,
    writeUnder: (writer) => writer,
    check(draft, _entry, _row, { signers, time }) {
      if (draft.root !== null) requireMay(draft, { signers, under: null }, { permission: null, time });
    },
  });
}

interface SetVariant<P extends string, B> {
  underOf(message: ProtoMessage): GrantId | null;
  writeUnder(writer: ProtoWriter, entry: object): ProtoWriter;
  check(
    draft: LogDraft<P, B>,
    entry: { readonly type: string },
    row: { readonly needs: P | null },
    context: RecordContext,
  ): void;
}

function entrySetOf<M extends EntryFields, P extends string, B>(
  table: EntryTable<M, P, B>,
  variant: SetVariant<P, B>,
): EntrySet<EntryOf<M>, P, B> {
  const rows: EntryKind<EntryOf<M>, P, B>[] = [];
  for (const type in table) rows.push(table[type]);
  const readers = new Map(rows.map((row) => [row.number, row]));
  const shapes = new Map<number, ProtoShape>(rows.map((row) => [row.number, row.shape]));

  function isOfTable(entry: { readonly type: string }): entry is EntryOf<M> {
    return Object.hasOwn(table, entry.type);
  }

  function own(entry: { readonly type: string }): EntryOf<M> {
    if (isOfTable(entry)) return entry;
    throw new TypeError(`no entry ${entry.type} in this version of the log`);
  }

  function rowOf<T extends keyof M>(entry: EntryOf<M, T>): EntryTable<M, P, B>[T] {
    return table[entry.type];
  }

  function writeOwn<T extends keyof M>(entry: EntryOf<M, T>): Uint8Array {
    const row = rowOf(entry);
    return variant.writeUnder(new ProtoWriter().message(row.number, row.write(entry)), entry).finish();
  }

  function applyOwn<T extends keyof M>(draft: LogDraft<P, B>, entry: EntryOf<M, T>, context: RecordContext): void {
    const row = rowOf(entry);
    variant.check(draft, entry, row, context);
    row.apply(draft, entry, context);
  }

  return {
    read(message) {
      const member = message.oneof(shapes);
      const row = member && readers.get(member.number);
      if (!row) throw new RegistryError('wire/shape', 'an entry of no known kind');
      return row.read(member.message, variant.underOf(message));
    },
    keyCount(message) {
      const member = message.oneof(shapes);
      return member === null ? 0 : (readers.get(member.number)?.keyCount(member.message) ?? 0);
    },
    write: (entry) => writeOwn(own(entry)),
    apply: (draft, entry, context) => applyOwn(draft, own(entry), context),
  };
}
