import { RegistryError } from '../errors.ts';
import { verifyBytes, type PublicKey } from '../names/key.ts';
import { compareTimestamps } from '../names/timestamp.ts';
import { RECORD_VERSION } from '../wire/record.ts';
import type { LogDialect } from './dialect.ts';
import type { RecordContext } from './entry-kind.ts';
import { LogDraft, requirePermission, type LogState } from './log-state.ts';
import { SIGNING_CONTEXT, type SignedRecord } from './signed-record.ts';

/** A record that obeys every rule but the last: its signature is still owed. */
export interface Judged<P extends string, B> {
  readonly draft: LogDraft<P, B>;
  readonly signer: PublicKey;
}

/**
 * Judges one record against a state, which stays untouched: the checks of spec/record-log.md 3 in Rust's order, all but the
 * signature. Throws the first failing check's `record/…` code.
 */
export function judgeRecord<E, P extends string, B>(
  dialect: LogDialect<E, P, B>,
  state: LogState<P, B>,
  record: SignedRecord<E>,
): Judged<P, B> {
  checkPrev(state, record);
  if (record.version !== RECORD_VERSION) {
    throw new RegistryError('record/version', `record version ${record.version} is not ${RECORD_VERSION}`);
  }
  if (state.head !== null && compareTimestamps(record.time, state.head.time) < 0) {
    throw new RegistryError('record/time-backwards', 'the record is dated before the one it follows');
  }
  const draft = new LogDraft(state);
  const context = { signer: record.envelope.keyId, recordId: record.id, time: record.time };
  for (const entry of record.entries) applyEntry(dialect, draft, entry, context);
  if (!draft.initialised) throw new RegistryError('record/no-init', 'the first record does not initialise the log');
  const signer = draft.key(record.envelope.keyId);
  if (signer === undefined) {
    throw new RegistryError('record/key-unknown', `key ${record.envelope.keyId} is not known to the log`);
  }
  draft.setHead({ id: record.id, time: record.time });
  return { draft, signer };
}

function checkPrev<E, P extends string, B>(state: LogState<P, B>, record: SignedRecord<E>): void {
  if (state.head === null) {
    if (record.prev === null) return;
    throw new RegistryError('record/prev-on-first', 'the first record of a log names a previous one');
  }
  if (record.prev === null) throw new RegistryError('record/prev-missing', 'the record names no previous one');
  if (record.prev === state.head.id) return;
  throw new RegistryError('record/prev-mismatch', `the log's head is ${state.head.id}, not ${record.prev}`, {
    head: state.head.id,
  });
}

function applyEntry<E, P extends string, B>(
  dialect: LogDialect<E, P, B>,
  draft: LogDraft<P, B>,
  entry: E,
  context: RecordContext,
): void {
  const needs = dialect.needs(entry);
  if (needs !== null) requirePermission(draft, context.signer, needs);
  if (!draft.initialised && !dialect.isInit(entry)) {
    throw new RegistryError('record/first-not-init', 'an entry stands before init');
  }
  dialect.apply(draft, entry, context);
}

/** The last check. Throws `record/signature`. */
export async function verifyRecordSignature<E, P extends string, B>(
  dialect: LogDialect<E, P, B>,
  record: SignedRecord<E>,
  signer: PublicKey,
): Promise<void> {
  const valid = await verifyBytes(SIGNING_CONTEXT[dialect.kind], record.envelope.contents, signer, record.signature);
  if (!valid) throw new RegistryError('record/signature', `the signature is not by key ${signer.id}`);
}

/** Judges and verifies one record and gives the state after it; the old state is spent. Throws `record/…`. */
export async function applyRecord<E, P extends string, B>(
  dialect: LogDialect<E, P, B>,
  state: LogState<P, B>,
  record: SignedRecord<E>,
): Promise<LogState<P, B>> {
  const { draft, signer } = judgeRecord(dialect, state, record);
  await verifyRecordSignature(dialect, record, signer);
  return draft.accept();
}
