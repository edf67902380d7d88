import {
  formatPrivateKey,
  GOVERNANCE_LOG,
  governanceLogId,
  holderOf,
  localSigner,
  parseJosePrivateKey,
  parseNamespace,
  signRecordJointly,
  startersOf,
  timestampFromMs,
  wargApi,
  type GovernanceEntry,
  type Holder,
  type JosePrivateKey,
  type LogHome,
  type Namespace,
  type PolicyEntry,
  type RecordId,
  type SignedRecord,
  type Timestamp,
} from '@waybill/protocol';
import { joseKeyOf } from './joint-record.ts';
import { operatorKey } from './operator.ts';
import type { Answer, RunningRegistry } from './running-registry.ts';

/** The operator's key as one that signs records of version 1. */
export async function governingKey(registry: RunningRegistry): Promise<JosePrivateKey> {
  return parseJosePrivateKey(formatPrivateKey(await operatorKey(registry)));
}

/** All of these keys together. */
export function holderOfKeys(keys: readonly JosePrivateKey[]): Holder {
  return holderOf(
    keys.map(({ publicKey }) => publicKey),
    keys.length,
  );
}

/** Only the keys of these people may start packages. */
export function listing(...names: readonly string[]): PolicyEntry {
  const starters = startersOf(names.map((name) => joseKeyOf(name).publicKey));
  return { type: 'policy', starters, gateway: 'refused', interfaceSteps: 'free' };
}

export const OPEN_POLICY: PolicyEntry = {
  type: 'policy',
  starters: 'open',
  gateway: 'allowed',
  interfaceSteps: 'free',
};

/** How a record is other than a right one. */
export interface Deviation {
  readonly prev?: RecordId | null;
  readonly by?: readonly JosePrivateKey[];
  readonly home?: Partial<LogHome>;
  readonly time?: Timestamp;
  readonly annotations?: readonly Uint8Array[];
}

/** Appends to one governance log, and keeps to nobody's rules but its own. */
export class Governor {
  readonly registry: RunningRegistry;
  readonly namespace: Namespace | null;
  readonly home: LogHome;
  readonly keys: readonly JosePrivateKey[];
  /** What the next record follows. */
  head: RecordId | null = null;

  /** `text` is the namespace; `null` for the log of the registry. */
  constructor(
    registry: RunningRegistry,
    text: string | null,
    given: { origin: string; keys: readonly JosePrivateKey[] },
  ) {
    this.registry = registry;
    this.namespace = text === null ? null : parseNamespace(text);
    this.home = { log: governanceLogId(this.namespace), origin: given.origin };
    this.keys = given.keys;
  }

  get path(): string {
    return this.namespace === null ? 'api/v1/governance/records' : `api/v1/governance/${this.namespace}/records`;
  }

  sign(entries: readonly GovernanceEntry[], deviation: Deviation = {}): Promise<SignedRecord<GovernanceEntry>> {
    const { prev = this.head, by = this.keys, time = timestampFromMs(Date.now()), annotations = [] } = deviation;
    const home = { ...this.home, ...deviation.home };
    return signRecordJointly(GOVERNANCE_LOG, { prev, time, entries, annotations, home }, by.map(localSigner));
  }

  post({ envelope }: SignedRecord<GovernanceEntry>): Promise<Answer> {
    return this.registry.post(this.path, { json: wargApi.envelopeBody(envelope) });
  }

  /** Signs and posts; what was accepted is the head. */
  async append(entries: readonly GovernanceEntry[], deviation: Deviation = {}): Promise<Answer> {
    const record = await this.sign(entries, deviation);
    const answer = await this.post(record);
    if (answer.status === 201) this.head = record.id;
    return answer;
  }

  /** The first record, with more to say. */
  begin(...more: readonly GovernanceEntry[]): Promise<Answer> {
    return this.append([{ type: 'root', holder: holderOfKeys(this.keys) }, ...more]);
  }
}
