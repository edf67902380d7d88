import type * as protocolIndex from '../../src/index.ts';
import type { Envelope, GovernanceState } from '../../src/index.ts';

/* Runs in Node and in the page of a browser: no module of Node here. */

export type Protocol = typeof protocolIndex;

/** The records of one case, as every platform is given them. */
export interface SignedCase {
  readonly kind: 'package' | 'governance';
  readonly log: string;
  readonly origin: string;
  /** Base64 of protobuf. */
  readonly envelopes: readonly string[];
}

/** `ok`, or the number of the first record that fails, its code, and the reason where there is one. */
export async function verdictOf(protocol: Protocol, signed: SignedCase): Promise<string> {
  const { PACKAGE_LOG, emptyLogState, isRegistryError, parseLogId, replayLog } = protocol;
  try {
    if (signed.kind === 'governance') await replayGovernance(protocol, signed);
    else {
      const home = { log: parseLogId(signed.log), origin: signed.origin };
      await replayLog(PACKAGE_LOG, emptyLogState(home), envelopesOf(protocol, signed));
    }
    return 'ok';
  } catch (failure) {
    if (!isRegistryError(failure)) throw failure;
    const { recordIndex, reason } = failure.detail;
    return [recordIndex, failure.code, ...(reason === undefined ? [] : [reason])].join(' ');
  }
}

export function envelopesOf({ decodeBase64, decodeEnvelope }: Protocol, { envelopes }: SignedCase): Envelope[] {
  return envelopes.map((text) => decodeEnvelope(decodeBase64(text)));
}

/** The state of a governance log. Throws what the replay does. */
export function replayGovernance(protocol: Protocol, signed: SignedCase): Promise<GovernanceState> {
  const { GOVERNANCE_LOG, emptyLogState, parseLogId, replayLog } = protocol;
  const home = { log: parseLogId(signed.log), origin: signed.origin };
  return replayLog(GOVERNANCE_LOG, emptyLogState(home), envelopesOf(protocol, signed));
}
