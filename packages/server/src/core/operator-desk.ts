import {
  derivedOrigin,
  OPERATOR_LOG,
  OPERATOR_LOG_ID,
  RegistryError,
  signRecord,
  timeAfter,
  timestampFromMs,
  type Envelope,
  type Namespace,
  type NamespaceBinding,
  type OperatorEntry,
  type OperatorPermission,
  type PrivateKey,
  type PublicKey,
  type SignedRecord,
} from '@waybill/protocol';
import { admitOperatorRecord } from './admission.ts';
import { LogAppending, type AppendableLog, type Appended } from './log-appending.ts';
import type { Clock, RegistryReader } from './ports.ts';
import type { Sequencer } from './sequencer.ts';
import type { OperatorStates } from './state-caches.ts';

export interface OperatorDeskParts {
  readonly store: RegistryReader;
  readonly operator: OperatorStates;
  readonly sequencer: Sequencer;
  readonly commitKeyId: string;
  readonly clock: Clock;
}

/** What a start asks of the operator log. */
export interface OperatorStart {
  readonly namespaces: readonly Namespace[];
  /** Taken at the first start, and for ever; `null` for one made from the key. */
  readonly origin: string | null;
}

/** Takes records for the operator log. Whoever signs them needs the permission in that log; the server has no say. */
export class OperatorDesk {
  readonly #parts: OperatorDeskParts;
  readonly #appending: LogAppending;
  readonly #log: AppendableLog<OperatorEntry, OperatorPermission, NamespaceBinding>;

  constructor(parts: OperatorDeskParts) {
    this.#parts = parts;
    this.#appending = new LogAppending(parts);
    const { operator, clock, commitKeyId } = parts;
    this.#log = {
      dialect: OPERATOR_LOG,
      logId: OPERATOR_LOG_ID,
      states: operator,
      refuse: () => undefined,
      admit: (record, state, judged) =>
        admitOperatorRecord(OPERATOR_LOG, record, { state, judged, nowMs: clock(), final: false }, commitKeyId),
      consult: async () => undefined,
      submission: (record) => ({ kind: 'operator', record }),
    };
  }

  /** Appends a signed record, as {@link LogAppending.append} says. */
  append(envelope: Envelope): Promise<Appended> {
    return this.#appending.append(this.#log, envelope);
  }

  /**
   * What a start owes: the first record of a new registry, and namespaces named at this start that are not bound yet.
   * Throws `operator/changed` when the key is not one this registry's log lets commit.
   */
  async open(key: PrivateKey, { namespaces, origin }: OperatorStart): Promise<void> {
    const state = await this.#parts.operator.load(OPERATOR_LOG_ID);
    if (state.length > 0 && !state.permissions.get(key.publicKey.id)?.has('commit')) {
      throw new RegistryError('operator/changed', `key ${key.publicKey.id} may not sign checkpoints of this registry`);
    }
    const entries: OperatorEntry[] = state.length === 0 ? [initOf(key.publicKey, origin)] : [];
    for (const namespace of new Set(namespaces)) {
      if (!state.bindings.has(namespace)) entries.push({ type: 'defineNamespace', namespace });
    }
    if (entries.length > 0) await this.append((await this.#sign(entries, key)).envelope);
  }

  async #sign(entries: readonly OperatorEntry[], key: PrivateKey): Promise<SignedRecord<OperatorEntry>> {
    const { head } = await this.#parts.operator.load(OPERATOR_LOG_ID);
    const time = timeAfter(head, timestampFromMs(this.#parts.clock()));
    return signRecord(OPERATOR_LOG, { prev: head?.id ?? null, time, entries }, key);
  }
}

/** Every new registry has a profile (spec/operator-profile.md). */
function initOf(key: PublicKey, origin: string | null): OperatorEntry {
  return { type: 'init', key, origin: origin ?? derivedOrigin(key) };
}
