import {
  emptyLogState,
  isRegistryError,
  messageOf,
  RegistryError,
  replayLog,
  type LogDialect,
  type LogHome,
  type LogId,
  type LogState,
  type ReplayStep,
  type SignedRecord,
  type wargApi,
} from '@waybill/protocol';

/** Which log it is, and where it must have been made for; the operator log has no home. */
export interface LogIdentity {
  readonly logId: LogId;
  readonly home: LogHome | null;
}

/** Replays every rule and signature, also of what came from the cache. Throws `log/invalid`. */
export async function replayServed<E extends { readonly type: string }, P extends string, B>(
  dialect: LogDialect<E, P, B>,
  { logId, home }: LogIdentity,
  records: readonly wargApi.PublishedRecord[],
  onRecord?: (record: SignedRecord<E>, step: ReplayStep<P, B>) => void,
): Promise<LogState<P, B>> {
  try {
    const envelopes = records.map(({ envelope }) => envelope);
    return await replayLog(dialect, emptyLogState<P, B>(home), envelopes, onRecord);
  } catch (cause) {
    if (!isRegistryError(cause)) throw cause;
    throw new RegistryError(
      'log/invalid',
      `log ${logId} breaks the rules: ${messageOf(cause)}`,
      { ...cause.detail, rule: cause.code },
      { cause },
    );
  }
}
