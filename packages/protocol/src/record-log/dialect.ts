import type { ProtoMessage } from '../bytes/protobuf.ts';
import type { LogKind } from '../names/log-id.ts';
import type { RecordContext } from './entry-kind.ts';
import type { LogDraft } from './log-state.ts';

/** The entries that records of one version of a log may hold. Made from a table of entry kinds by entry-table.ts. */
export interface EntrySet<E, P extends string, B> {
  /** Throws when no known kind stands in the oneof, or a field does not parse. */
  read(message: ProtoMessage): E;
  /** How many keys {@link EntrySet.read} would look at; none where no known kind stands. Throws `wire/protobuf`. */
  keyCount(message: ProtoMessage): number;
  /** Throws TypeError for an entry of another version. */
  write(entry: EntryWithType): Uint8Array;
  /** The rules for one entry. Throws `record/…`. */
  apply(draft: LogDraft<P, B>, entry: EntryWithType, context: RecordContext): void;
}

interface EntryWithType {
  readonly type: string;
}

/** One of the logs as the machine sees it: entries `E`, permissions of version 0 `P`, bindings `B`. */
export interface LogDialect<E extends EntryWithType, P extends string, B> {
  readonly kind: LogKind;
  /** By record version; `null` where the log has no records of version 0. */
  readonly entries: readonly [EntrySet<E, P, B> | null, ...EntrySet<E, P, B>[]];
}

/** Whether the log may hold records of a version. */
export function hasVersion<E extends EntryWithType, P extends string, B>(
  { entries }: LogDialect<E, P, B>,
  version: number,
): boolean {
  return (entries[version] ?? null) !== null;
}

/** The entries of a version that the log has. Throws TypeError for another. */
export function entriesOf<E extends EntryWithType, P extends string, B>(
  { entries }: LogDialect<E, P, B>,
  version: number,
): EntrySet<E, P, B> {
  const set = entries[version] ?? null;
  if (set === null) throw new TypeError(`the log has no records of version ${version}`);
  return set;
}

/**
 * What reads the entries of a record: those of version 0 where the log does not have the record's version; `null`, for not
 * at all, where it does not have version 0 either.
 */
export function readerOf<E extends EntryWithType, P extends string, B>(
  { entries }: LogDialect<E, P, B>,
  version: number,
): EntrySet<E, P, B> | null {
  return entries[version] ?? entries[0];
}
