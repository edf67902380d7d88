import { envelopesOf, replayGovernance, type Protocol, type SignedCase } from '../version1/verdict.ts';

/* Runs in Node and in the page of a browser: no module of Node here. */

/** The logs of one case, as every platform is given them; `null` for one that is not there. */
export interface RootednessCase {
  readonly namespace: SignedCase | null;
  readonly registry: SignedCase | null;
  readonly package: SignedCase;
}

/** `ok` where the package is rooted, else the verdict and its reason. */
export async function rootednessVerdictOf(protocol: Protocol, logs: RootednessCase): Promise<string> {
  const before = {
    namespace: logs.namespace && (await replayGovernance(protocol, logs.namespace)),
    registry: logs.registry && (await replayGovernance(protocol, logs.registry)),
  };
  const [first] = envelopesOf(protocol, logs.package);
  if (first === undefined) throw new Error('a package without a record');
  const rootedness = protocol.rootednessOf(before, protocol.decodeSignedRecord(protocol.PACKAGE_LOG, first));
  return rootedness.verdict === 'rooted' ? 'ok' : `${rootedness.verdict} ${rootedness.reason}`;
}
