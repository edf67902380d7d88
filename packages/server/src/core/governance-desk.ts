import {
  checkGovernanceStart,
  GOVERNANCE_LOG,
  governanceLogId,
  OPERATOR_LOG_ID,
  RegistryError,
  type Envelope,
  type GovernanceBinding,
  type GovernanceEntry,
  type LogId,
  type Namespace,
  type SignedRecord,
} from '@waybill/protocol';
import { admitGovernanceRecord } from './admission.ts';
import { LogAppending, type AppendableLog, type Appended } from './log-appending.ts';
import { requireDefined } from './namespace-check.ts';
import type { Clock, RegistryReader } from './ports.ts';
import type { Sequencer } from './sequencer.ts';
import type { StateCaches } from './state-caches.ts';

export interface GovernanceDeskParts {
  readonly store: RegistryReader;
  readonly states: StateCaches;
  readonly sequencer: Sequencer;
  readonly clock: Clock;
}

/** Takes records for the governance logs. Whoever holds a log's root signs them; the server has no say. */
export class GovernanceDesk {
  readonly #parts: GovernanceDeskParts;
  readonly #appending: LogAppending;

  constructor(parts: GovernanceDeskParts) {
    this.#parts = parts;
    this.#appending = new LogAppending(parts);
  }

  /**
   * Appends to the log of a namespace; for `null` to the registry's. In the order of checks of spec/admission.md 7. Throws
   * `request/unsupported` without a profile, `namespace/…`, `governance/starter`, and what {@link LogAppending.append} does.
   */
  async append(namespace: Namespace | null, envelope: Envelope): Promise<Appended> {
    const { operator } = this.#parts.states;
    await operator.read(OPERATOR_LOG_ID, ({ origin }) => requireProfile(origin));
    if (namespace !== null) await requireDefined(operator, namespace);
    return this.#appending.append(this.#log(namespace), envelope);
  }

  #log(namespace: Namespace | null): AppendableLog<GovernanceEntry, never, GovernanceBinding> {
    const { states, clock } = this.#parts;
    const logId = governanceLogId(namespace);
    return {
      dialect: GOVERNANCE_LOG,
      logId,
      states: states.governance,
      refuse: (record) => requireOwn(logId, record),
      admit: (record, state, judged) =>
        admitGovernanceRecord(GOVERNANCE_LOG, record, { state, judged, nowMs: clock(), final: false }),
      consult: async (record) => {
        if (record.prev !== null) return;
        await states.operator.read(OPERATOR_LOG_ID, (operator) => checkGovernanceStart(operator, record));
      },
      submission: (record) => ({ kind: 'governance', record, logId, namespace }),
    };
  }
}

/** Clients know by the profile alone that they must ask for governance logs: spec/governance.md 1.6. */
function requireProfile(origin: string | null): void {
  if (origin !== null) return;
  const message =
    'the operator log of this registry has no profile, so there are no governance logs: begin a new registry';
  throw new RegistryError('request/unsupported', message);
}

/** Asked before its id is looked up: the answer must not be a place in another log. */
function requireOwn(logId: LogId, { binding }: SignedRecord<GovernanceEntry>): void {
  if (binding === null || binding.log === logId) return;
  throw new RegistryError('record/log', `the record was made for the log ${binding.log}, not for ${logId}`);
}
