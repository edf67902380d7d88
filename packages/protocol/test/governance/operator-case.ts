import type { OperatorPermission, OperatorState } from '../../src/index.ts';
import { privateKeyText, signCase } from '../version1/record-case.ts';
import { envelopesOf, type Protocol } from '../version1/verdict.ts';

/** One record of an operator log, of one entry. */
interface OperatorStep {
  readonly by: string;
  readonly init?: string;
  readonly grant?: string;
  readonly revoke?: string;
  readonly permissions?: readonly OperatorPermission[];
}

export interface StartCase {
  readonly name: string;
  readonly clause: string;
  /** The operator log before the governance log begins. */
  readonly operator: readonly OperatorStep[];
  /** Of the governance log's first record. */
  readonly signers: readonly string[];
  readonly expect: string;
}

/** `ok` or the code. */
export async function startVerdictOf(protocol: Protocol, { operator, signers }: StartCase): Promise<string> {
  const signed = await signCase([{ signers, entries: [{ root: { keys: signers } }] }], 'test');
  const [first] = envelopesOf(protocol, signed);
  if (first === undefined) throw new Error('a log without a record');
  const before = await replayOperator(protocol, operator);
  try {
    protocol.checkGovernanceStart(before, protocol.decodeSignedRecord(protocol.GOVERNANCE_LOG, first));
    return 'ok';
  } catch (failure) {
    if (protocol.isRegistryError(failure)) return failure.code;
    throw failure;
  }
}

async function replayOperator(protocol: Protocol, steps: readonly OperatorStep[]): Promise<OperatorState> {
  const { OPERATOR_LOG, applyRecord, emptyLogState, parsePrivateKey, signRecord, timestampFromMs } = protocol;
  let state: OperatorState = emptyLogState(null);
  for (const step of steps) {
    const draft = {
      prev: state.head?.id ?? null,
      time: timestampFromMs(1_700_000_000_000),
      entries: [entryOf(protocol, step)],
    };
    const record = await signRecord(OPERATOR_LOG, draft, parsePrivateKey(privateKeyText(step.by)));
    state = await applyRecord(OPERATOR_LOG, state, record);
  }
  return state;
}

function entryOf({ parsePrivateKey }: Protocol, { init, grant, revoke = '', permissions = [] }: OperatorStep) {
  const keyOf = (name: string) => parsePrivateKey(privateKeyText(name)).publicKey;
  if (init !== undefined) return { type: 'init', key: keyOf(init) } as const;
  if (grant !== undefined) return { type: 'grant', key: keyOf(grant), permissions } as const;
  return { type: 'revoke', keyId: keyOf(revoke).id, permissions } as const;
}
