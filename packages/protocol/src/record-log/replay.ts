import { isRegistryError, RegistryError } from '../errors.ts';
import type { Envelope } from '../wire/envelope.ts';
import type { LogDialect } from './dialect.ts';
import type { LogDraft, LogState } from './log-state.ts';
import { judgeRecord, verifyRecordSignatures } from './machine.ts';
import { decodeSignedRecord, type SignedRecord } from './signed-record.ts';

/** Signatures verified side by side: enough to keep every core busy, few enough to bound memory. */
const SIGNATURES_IN_FLIGHT_MAX = 256;
/** About the bytes of contents under way: each is held twice more, behind its prefix and inside the platform. */
const CONTENT_BYTES_IN_FLIGHT_MAX = 16 * 1024 * 1024;

/** A log on both sides of one record; neither side may be used after the call that is given them. */
export interface ReplayStep<P extends string, B> {
  readonly before: LogState<P, B>;
  readonly after: LogDraft<P, B>;
}

/**
 * Replays records over a state, every rule and every signature. The earliest failing record decides: its error is thrown
 * with `detail.recordIndex`, counted from the first record given. The state given is spent.
 * `onRecord` is told of each record that obeys the rules, in order. Its signatures may still be awaited then, so nothing that
 * it was told counts before the replay has succeeded.
 */
export async function replayLog<E extends { readonly type: string }, P extends string, B>(
  dialect: LogDialect<E, P, B>,
  state: LogState<P, B>,
  envelopes: Iterable<Envelope>,
  onRecord?: (record: SignedRecord<E>, step: ReplayStep<P, B>) => void,
): Promise<LogState<P, B>> {
  const signatures = new SignatureQueue();
  let current = state;
  let recordIndex = 0;
  try {
    for (const envelope of envelopes) {
      const record = decodeSignedRecord(dialect, envelope);
      const { draft, owed } = judgeRecord(dialect, current, record);
      signatures.add(recordIndex, record.envelope.contents.length, verifyRecordSignatures(dialect, record, owed));
      if (signatures.isFull) await signatures.settleOlderHalf();
      onRecord?.(record, { before: current, after: draft });
      current = draft.accept();
      recordIndex++;
    }
  } catch (thrown) {
    // A bad signature before this record came first in the log, so it comes first here.
    await signatures.settleAll();
    throw withRecordIndex(thrown, recordIndex);
  }
  await signatures.settleAll();
  return current;
}

interface PendingSignature {
  readonly recordIndex: number;
  readonly contentBytes: number;
  /** The failure, or `null`; never rejects. */
  readonly outcome: Promise<unknown>;
}

/** Verifications under way, in the order of their records. */
class SignatureQueue {
  #pending: PendingSignature[] = [];
  #contentBytes = 0;

  get isFull(): boolean {
    return this.#pending.length >= SIGNATURES_IN_FLIGHT_MAX || this.#contentBytes >= CONTENT_BYTES_IN_FLIGHT_MAX;
  }

  add(recordIndex: number, contentBytes: number, verification: Promise<void>): void {
    // Caught at once, so that a failure waiting for its turn is not an unhandled rejection.
    const outcome = verification.then(
      () => null,
      (failure: unknown) => failure,
    );
    this.#pending.push({ recordIndex, contentBytes, outcome });
    this.#contentBytes += contentBytes;
  }

  /** As {@link settleAll} for the older half; the newer one keeps the cores busy while more records are read. */
  settleOlderHalf(): Promise<void> {
    return this.#settle(Math.ceil(this.#pending.length / 2));
  }

  /** Throws the failure of the earliest record, and then forgets the others. */
  settleAll(): Promise<void> {
    return this.#settle(this.#pending.length);
  }

  async #settle(count: number): Promise<void> {
    for (const { recordIndex, contentBytes, outcome } of this.#pending.splice(0, count)) {
      const failure = await outcome;
      this.#contentBytes -= contentBytes;
      if (failure === null) continue;
      this.#pending = [];
      throw withRecordIndex(failure, recordIndex);
    }
  }
}

function withRecordIndex(thrown: unknown, recordIndex: number): unknown {
  if (!isRegistryError(thrown) || 'recordIndex' in thrown.detail) return thrown;
  const detail = { ...thrown.detail, recordIndex };
  return new RegistryError(thrown.code, `record ${recordIndex}: ${thrown.message}`, detail, { cause: thrown });
}
