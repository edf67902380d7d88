import {
  decodeSignedRecord,
  emptyLogState,
  GOVERNANCE_LOG,
  isRegistryError,
  judgeRecord,
  REGISTRY_LOG_ID,
  takedownOf,
  type Digest,
  type GovernanceState,
} from '@waybill/protocol';
import type { StoredRecord } from './ports.ts';

/** What the registry's governance log takes down, for whoever goes through all records anyway: such content may be gone. */
export class RegistryTakedowns {
  /** `null` before the log begins. */
  #state: GovernanceState | null = null;

  /** Of all records, in their order. What is wrong with one is named elsewhere. */
  follow({ logId, envelope }: StoredRecord): void {
    if (logId !== REGISTRY_LOG_ID) return;
    try {
      const record = decodeSignedRecord(GOVERNANCE_LOG, envelope);
      const home = record.binding && { log: REGISTRY_LOG_ID, origin: record.binding.origin };
      this.#state = judgeRecord(GOVERNANCE_LOG, this.#state ?? emptyLogState(home), record).draft.accept();
    } catch (failure) {
      if (!isRegistryError(failure)) throw failure;
    }
  }

  has(digest: Digest): boolean {
    return this.#state !== null && takedownOf(this.#state, digest) !== null;
  }
}
