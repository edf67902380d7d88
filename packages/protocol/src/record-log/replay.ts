import { isRegistryError, RegistryError } from '../errors.ts';
import type { Envelope } from '../wire/envelope.ts';
import type { LogDialect } from './dialect.ts';
import type { LogState } from './log-state.ts';
import { judgeRecord, verifyRecordSignature } from './machine.ts';
import { decodeSignedRecord, type SignedRecord } from './signed-record.ts';

/** Signatures verified side by side: enough to keep every core busy, few enough to bound memory. */
const SIGNATURES_IN_FLIGHT_MAX = 256;

/**
 * Replays records over a state, every rule and every signature. The earliest failing record decides: its error is thrown
 * with `detail.recordIndex`, counted from the first record given. The state given is spent.
 */
export async function replayLog<E, P extends string, B>(
  dialect: LogDialect<E, P, B>,
  state: LogState<P, B>,
  envelopes: Iterable<Envelope>,
  onRecord?: (record: SignedRecord<E>) => void,
): Promise<LogState<P, B>> {
  const signatures = new SignatureBatch();
  let current = state;
  let recordIndex = 0;
  try {
    for (const envelope of envelopes) {
      const record = decodeSignedRecord(dialect, envelope);
      const { draft, signer } = judgeRecord(dialect, current, record);
      await signatures.add(recordIndex, verifyRecordSignature(dialect, record, signer));
      current = draft.accept();
      onRecord?.(record);
      recordIndex++;
    }
  } catch (thrown) {
    // A bad signature before this record came first in the log, so it comes first here.
    await signatures.settle();
    throw withRecordIndex(thrown, recordIndex);
  }
  await signatures.settle();
  return current;
}

/** Verifications under way, in the order of their records. */
class SignatureBatch {
  #pending: { recordIndex: number; outcome: Promise<unknown> }[] = [];

  async add(recordIndex: number, verification: Promise<void>): Promise<void> {
    // Caught at once, so that a failure waiting for its turn is not an unhandled rejection.
    const outcome = verification.then(
      () => null,
      (failure: unknown) => failure,
    );
    this.#pending.push({ recordIndex, outcome });
    if (this.#pending.length >= SIGNATURES_IN_FLIGHT_MAX) await this.settle();
  }

  /** Throws the failure of the earliest record. */
  async settle(): Promise<void> {
    const pending = this.#pending;
    this.#pending = [];
    for (const { recordIndex, outcome } of pending) {
      const failure = await outcome;
      if (failure !== null) throw withRecordIndex(failure, recordIndex);
    }
  }
}

function withRecordIndex(thrown: unknown, recordIndex: number): unknown {
  if (!isRegistryError(thrown) || 'recordIndex' in thrown.detail) return thrown;
  const detail = { ...thrown.detail, recordIndex };
  return new RegistryError(thrown.code, `record ${recordIndex}: ${thrown.message}`, detail, { cause: thrown });
}
