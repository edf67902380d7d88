import { recordIdOf, type LogId } from '../names/log-id.ts';
import type { LogDialect } from '../record-log/dialect.ts';
import { emptyLogState, type LogHome, type LogState } from '../record-log/log-state.ts';
import { judgeRecord } from '../record-log/machine.ts';
import { decodeSignedRecord } from '../record-log/signed-record.ts';
import type { Envelope } from '../wire/envelope.ts';
import type { ClaimedPlace } from './inclusion.ts';

/** A record as a registry serves it: its index is only claimed. */
export interface ServedRecord {
  readonly envelope: Envelope;
  readonly registryIndex: number;
}

/** A log that was replayed from its first record, signatures included, and in which the claimed indexes ascend. */
export interface ServedLog<E extends { readonly type: string }, P extends string, B> {
  readonly dialect: LogDialect<E, P, B>;
  readonly logId: LogId;
  readonly home: LogHome | null;
  readonly records: readonly ServedRecord[];
}

/** A record of a log with its claimed place. */
export function placeOf<E extends { readonly type: string }, P extends string, B>(
  { dialect, logId }: Pick<ServedLog<E, P, B>, 'dialect' | 'logId'>,
  { envelope, registryIndex }: ServedRecord,
): ClaimedPlace {
  return { logId, recordId: recordIdOf(dialect.kind, envelope.contents), registryIndex };
}

/**
 * What it rests on how the log stands before an index: its last record before, and its first one that is not. With both
 * proven, no record that has one leaf can have been moved to the other side. That it has one is not proven: a registry
 * that gives a record a second leaf can claim either (spec/verification.md 2.12).
 */
export function placesAround<E extends { readonly type: string }, P extends string, B>(
  log: ServedLog<E, P, B>,
  index: number,
): ClaimedPlace[] {
  const before = countBefore(log.records, index);
  return log.records.slice(Math.max(before - 1, 0), before + 1).map((record) => placeOf(log, record));
}

/** How a log stands before an index. No signature is verified: the log's replay has done that. */
export function stateBefore<E extends { readonly type: string }, P extends string, B>(
  { dialect, home, records }: ServedLog<E, P, B>,
  index: number,
): LogState<P, B> {
  let state = emptyLogState<P, B>(home);
  for (const { envelope } of records.slice(0, countBefore(records, index))) {
    state = judgeRecord(dialect, state, decodeSignedRecord(dialect, envelope)).draft.accept();
  }
  return state;
}

function countBefore(records: readonly ServedRecord[], index: number): number {
  const next = records.findIndex(({ registryIndex }) => registryIndex >= index);
  return next < 0 ? records.length : next;
}
