import type { ProtoMessage } from '../bytes/protobuf.ts';
import type { LogKind } from '../names/log-id.ts';
import type { RecordContext } from './entry-kind.ts';
import type { LogDraft } from './log-state.ts';

/**
 * One of the two logs as the machine sees it: entries `E`, permissions `P`, bindings `B`. Made from a table of entry kinds
 * in package-log.ts and operator-log.ts.
 */
export interface LogDialect<E, P extends string, B> {
  readonly kind: LogKind;
  /** Throws when no known kind stands in the oneof, or a field does not parse. */
  readEntry(message: ProtoMessage): E;
  writeEntry(entry: E): Uint8Array;
  /** The permission checked before everything else about the entry. */
  needs(entry: E): P | null;
  isInit(entry: E): boolean;
  apply(draft: LogDraft<P, B>, entry: E, context: RecordContext): void;
}
