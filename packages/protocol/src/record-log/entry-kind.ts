import type { ProtoMessage, ProtoShape } from '../bytes/protobuf.ts';
import type { RecordId } from '../names/log-id.ts';
import type { Timestamp } from '../names/timestamp.ts';
import type { GrantId } from './authority/grant.ts';
import type { LogDraft } from './log-state.ts';

/** What a rule may know of the record an entry stands in. */
export interface RecordContext {
  /** The first signer; in version 0 the only one. */
  readonly signer: string;
  readonly signers: ReadonlySet<string>;
  readonly recordId: RecordId;
  readonly time: Timestamp;
  /** The entry's place in its record. */
  readonly entryIndex: number;
}

/** Under which grant an entry of version 1 is done: the root where none is named, as in version 0. */
export interface UnderGrant {
  readonly under?: GrantId | null;
}

/** Of a kind without keys. */
export const noKeys = (): number => 0;

/** Everything about one kind of entry: its wire form and its rule. One row in the table of its log and version. */
export interface EntryKind<E, P extends string, B> {
  /** The member of the entry oneof. */
  readonly number: number;
  readonly shape: ProtoShape;
  /**
   * In version 0, checked before anything else about the entry, even before "the first entry is init" (spec/record-log.md
   * 3.4). In version 1 `null`: each kind asks for what its act needs.
   */
  readonly needs: P | null;
  /**
   * How many keys {@link EntryKind.read} would look at: each is a point on a curve, so they are counted before. Required, so
   * that no new kind is forgotten. Throws `wire/protobuf`.
   */
  keyCount(message: ProtoMessage): number;
  /** Throws when a field does not parse. */
  read(message: ProtoMessage, under: GrantId | null): E;
  write(entry: E): Uint8Array;
  /** Throws the rule's `record/…` code. */
  apply(draft: LogDraft<P, B>, entry: E, context: RecordContext): void;
}
