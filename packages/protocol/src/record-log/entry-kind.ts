import type { ProtoMessage, ProtoShape } from '../bytes/protobuf.ts';
import type { RecordId } from '../names/log-id.ts';
import type { Timestamp } from '../names/timestamp.ts';
import type { LogDraft } from './log-state.ts';

/** What a rule may know of the record an entry stands in. */
export interface RecordContext {
  readonly signer: string;
  readonly recordId: RecordId;
  readonly time: Timestamp;
}

/** Everything about one kind of entry: its wire form and its rule. One row in its log's table. */
export interface EntryKind<E, P extends string, B> {
  /** The member of the entry oneof. */
  readonly number: number;
  readonly shape: ProtoShape;
  /** Checked before anything else about the entry, even before "the first entry is init" (spec/record-log.md 3.4). */
  readonly needs: P | null;
  /** Throws when a field does not parse. */
  read(message: ProtoMessage): E;
  write(entry: E): Uint8Array;
  /** Throws the rule's `record/…` code. */
  apply(draft: LogDraft<P, B>, entry: E, context: RecordContext): void;
}
