import {
  formatPrivateKey,
  GOVERNANCE_LOG,
  governanceLogId,
  holderOf,
  localSigner,
  OPERATOR_LOG,
  OPERATOR_LOG_ID,
  parseJosePrivateKey,
  privateKeyFromRandom,
  sha256,
  signRecord,
  signRecordJointly,
  timestampFromMs,
  utf8,
  type GovernanceEntry,
  type JosePrivateKey,
  type Namespace,
  type OperatorEntry,
  type PrivateKey,
  type RecordId,
} from '@waybill/protocol';
import { idOf, type History, type HistoryRecord } from '../registry-history.ts';

export const ORIGIN = 'registry.example/governed';

/** A key that is the same in every run. */
export function keyNamed(name: string): JosePrivateKey {
  const key = privateKeyFromRandom(sha256(utf8(name)));
  if (key === null) throw new TypeError(`no key comes of ${name}`);
  return joseKeyOf(key);
}

export function joseKeyOf(key: PrivateKey): JosePrivateKey {
  return parseJosePrivateKey(formatPrivateKey(key));
}

/** Writes a governance log, record by record. Nothing is judged. */
export class GovernanceWriter {
  readonly namespace: Namespace | null;
  readonly #key: JosePrivateKey;
  #prev: RecordId | null = null;

  /** `key` begins the log and is its root. */
  constructor(namespace: Namespace | null, key: JosePrivateKey) {
    this.namespace = namespace;
    this.#key = key;
  }

  async write(...entries: readonly GovernanceEntry[]): Promise<HistoryRecord> {
    const logId = governanceLogId(this.namespace);
    const root: GovernanceEntry = { type: 'root', holder: holderOf([this.#key.publicKey], 1) };
    const said = this.#prev === null ? [root, ...entries] : entries;
    const draft = { prev: this.#prev, time: timestampFromMs(Date.now(), 0), entries: said };
    const home = { log: logId, origin: ORIGIN };
    const { id, envelope } = await signRecordJointly(GOVERNANCE_LOG, { ...draft, home }, [localSigner(this.#key)]);
    this.#prev = id;
    return { logId, name: null, envelope };
  }
}

/** The next record of the operator log that a history ends with. */
export async function operatorRecord(
  history: History,
  key: PrivateKey,
  ...entries: readonly OperatorEntry[]
): Promise<HistoryRecord> {
  const last = history.findLast(({ logId }) => logId === OPERATOR_LOG_ID);
  const prev = last === undefined ? null : idOf(last);
  const draft = { prev, time: timestampFromMs(Date.now(), 0), entries };
  const { envelope } = await signRecord(OPERATOR_LOG, draft, key);
  return { logId: OPERATOR_LOG_ID, name: null, envelope };
}
