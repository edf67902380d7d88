import type * as protocolIndex from '../../src/index.ts';

/* Runs in Node and in the page of a browser: no module of Node here. */

type Protocol = typeof protocolIndex;

/** The records of one case, as every platform is given them. */
export interface SignedCase {
  readonly log: string;
  readonly origin: string;
  /** Base64 of protobuf. */
  readonly envelopes: readonly string[];
}

/** `ok`, or the number of the first record that fails, its code, and the reason where there is one. */
export async function verdictOf(protocol: Protocol, { log, origin, envelopes }: SignedCase): Promise<string> {
  const { PACKAGE_LOG, decodeBase64, decodeEnvelope, emptyLogState, isRegistryError, parseLogId, replayLog } = protocol;
  const records = envelopes.map((text) => decodeEnvelope(decodeBase64(text)));
  try {
    await replayLog(PACKAGE_LOG, emptyLogState({ log: parseLogId(log), origin }), records);
    return 'ok';
  } catch (failure) {
    if (!isRegistryError(failure)) throw failure;
    const { recordIndex, reason } = failure.detail;
    return [recordIndex, failure.code, ...(reason === undefined ? [] : [reason])].join(' ');
  }
}
