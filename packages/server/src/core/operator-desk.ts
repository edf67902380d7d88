import {
  compareTimestamps,
  decodeSignedRecord,
  derivedOrigin,
  isRegistryError,
  judgeRecord,
  OPERATOR_LOG,
  OPERATOR_LOG_ID,
  RegistryError,
  signRecord,
  timestampFromMs,
  verifyRecordSignatures,
  type Envelope,
  type Namespace,
  type OperatorEntry,
  type PrivateKey,
  type PublicKey,
  type RecordId,
  type SignedRecord,
} from '@waybill/protocol';
import { admitOperatorRecord, refuseManyParts } from './admission.ts';
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

/** A record and its place. */
interface Appended {
  readonly recordId: RecordId;
  readonly registryIndex: number;
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
  /** Whoever posts the same bytes meanwhile shares the answer. */
  readonly #underWay = new Map<string, Promise<Appended>>();

  constructor(parts: OperatorDeskParts) {
    this.#parts = parts;
  }

  /**
   * Appends a signed record; posting the same bytes again gives the same answer.
   * Throws `record/…`, `admission/…`, `publish/conflict` when another record came first.
   */
  async append(envelope: Envelope): Promise<Appended> {
    refuseManyParts(OPERATOR_LOG, envelope.contents);
    const record = decodeSignedRecord(OPERATOR_LOG, envelope);
    // The id says nothing of the signature, which may be wrong in one of two.
    const sameBytes = `${record.id} ${envelope.keyId} ${envelope.signature}`;
    const underWay = this.#underWay.get(sameBytes) ?? this.#append(record);
    this.#underWay.set(sameBytes, underWay);
    try {
      return await underWay;
    } finally {
      this.#underWay.delete(sameBytes);
    }
  }

  async #append(record: SignedRecord<OperatorEntry>): Promise<Appended> {
    const { operator, store, sequencer, clock, commitKeyId } = this.#parts;
    const known = await store.readRecord(record.id);
    if (known !== null) return { recordId: record.id, registryIndex: known.registryIndex };
    const owed = await operator.read(OPERATOR_LOG_ID, (state) => {
      if (state.head !== null && record.prev !== state.head.id) {
        throw new RegistryError('publish/conflict', `another record came first: ${state.head.id}`, {
          recordId: state.head.id,
        });
      }
      const judged = judgeRecord(OPERATOR_LOG, state, record);
      admitOperatorRecord(OPERATOR_LOG, record, { state, judged, nowMs: clock(), final: false }, commitKeyId);
      return judged.owed;
    });
    await verifyRecordSignatures(OPERATOR_LOG, record, owed);
    try {
      return { recordId: record.id, registryIndex: await sequencer.sequence({ kind: 'operator', record }) };
    } catch (failure) {
      if (isRegistryError(failure, 'record/prev-mismatch')) return this.#afterLostRace(record.id, failure);
      throw failure;
    }
  }

  /** Another record took the place meanwhile; it may be this very one, posted twice at once. */
  async #afterLostRace(recordId: RecordId, cause: unknown): Promise<Appended> {
    const known = await this.#parts.store.readRecord(recordId);
    if (known !== null) return { recordId, registryIndex: known.registryIndex };
    const { head } = await this.#parts.operator.load(OPERATOR_LOG_ID);
    const first = head?.id ?? recordId;
    throw new RegistryError('publish/conflict', `another record came first: ${first}`, { recordId: first }, { cause });
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
    const now = timestampFromMs(this.#parts.clock());
    const time = head !== null && compareTimestamps(head.time, now) > 0 ? head.time : now;
    return signRecord(OPERATOR_LOG, { prev: head?.id ?? null, time, entries }, key);
  }
}

/** Every new registry has a profile (spec/operator-profile.md). */
function initOf(key: PublicKey, origin: string | null): OperatorEntry {
  return { type: 'init', key, origin: origin ?? derivedOrigin(key) };
}
