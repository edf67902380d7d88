import { ProtoWriter, type ProtoMessage, type ProtoShape } from '../bytes/protobuf.ts';
import { RegistryError } from '../errors.ts';
import type { LogKind } from '../names/log-id.ts';
import type { LogDialect } from './dialect.ts';
import type { EntryKind } from './entry-kind.ts';

/** Entry type name → the entry's fields. */
type EntryFields = Record<string, { readonly type: string }>;

/** The union of a log's entries, kept in correlation with its table. */
export type EntryOf<M extends EntryFields, T extends keyof M = keyof M> = { [N in T]: M[N] & { readonly type: N } }[T];

/** One row for each entry type; leaving one out does not compile. */
export type EntryTable<M extends EntryFields, P extends string, B> = {
  readonly [T in keyof M]: EntryKind<EntryOf<M, T>, P, B>;
};

/** Makes the dialect of a log from its table of kinds. */
export function dialectOf<M extends EntryFields, P extends string, B>(
  kind: LogKind,
  table: EntryTable<M, P, B>,
): LogDialect<EntryOf<M>, P, B> {
  const rows: EntryKind<EntryOf<M>, P, B>[] = [];
  for (const type in table) rows.push(table[type]);
  const readers = new Map(rows.map((row) => [row.number, row]));
  const shapes = new Map<number, ProtoShape>(rows.map((row) => [row.number, row.shape]));

  function rowOf<T extends keyof M>(entry: EntryOf<M, T>): EntryTable<M, P, B>[T] {
    return table[entry.type];
  }

  return {
    kind,
    readEntry(message: ProtoMessage) {
      const member = message.oneof(shapes);
      const row = member && readers.get(member.number);
      if (!row) throw new RegistryError('wire/shape', 'an entry of no known kind');
      return row.read(member.message);
    },
    writeEntry<T extends keyof M>(entry: EntryOf<M, T>) {
      const row = rowOf(entry);
      return new ProtoWriter().message(row.number, row.write(entry)).finish();
    },
    needs: (entry) => rowOf(entry).needs,
    isInit: (entry) => entry.type === 'init',
    apply<T extends keyof M>(
      draft: Parameters<EntryKind<EntryOf<M, T>, P, B>['apply']>[0],
      entry: EntryOf<M, T>,
      context: Parameters<EntryKind<EntryOf<M, T>, P, B>['apply']>[2],
    ) {
      rowOf(entry).apply(draft, entry, context);
    },
  };
}
