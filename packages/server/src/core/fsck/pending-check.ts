import {
  decodeSignedRecord,
  emptyLogState,
  isRegistryError,
  judgeRecord,
  messageOf,
  PACKAGE_LOG,
  packageLogId,
  recordIdOf,
  verifyRecordSignatures,
  type LogId,
  type PackageState,
  type RecordId,
} from '@waybill/protocol';
import { namedContents, type NamedContent } from '../named-content.ts';
import type { PendingRecord, StoreInspection } from '../ports.ts';
import type { Findings } from './findings.ts';
import type { RepairPlan } from './repair-plan.ts';

export interface PendingCheckParts {
  readonly store: Pick<StoreInspection, 'listPending'>;
  readonly findings: Findings;
  readonly repairs: RepairPlan;
  /** Hears of content that may be there for a record that waits for more. */
  readonly onContent: (named: NamedContent) => Promise<void>;
}

/**
 * Records that wait, judged against the log they are meant for. Nothing that was acknowledged as published is among them, so
 * that one which makes no sense may go: its publisher posts it again.
 */
export class PendingCheck {
  readonly #parts: PendingCheckParts;
  readonly #waiting = new Map<LogId, Map<RecordId, { readonly key: string; readonly pending: PendingRecord }>>();

  constructor(parts: PendingCheckParts) {
    this.#parts = parts;
  }

  async load(): Promise<void> {
    for (const row of await this.#parts.store.listPending()) {
      if ('problem' in row) this.#name(row.key, row.problem);
      else await this.#take(row.key, row.value);
    }
  }

  /** It stands in the log: what its row says is past, and the next start removes it. */
  settle(recordId: RecordId): void {
    for (const waiting of this.#waiting.values()) waiting.delete(recordId);
  }

  /** Judges what waits for a log whose records lead to `state`. */
  async judge(logId: LogId, state: PackageState): Promise<void> {
    const waiting = this.#waiting.get(logId);
    this.#waiting.delete(logId);
    for (const { key, pending } of waiting?.values() ?? []) {
      try {
        const record = decodeSignedRecord(PACKAGE_LOG, pending.envelope);
        await verifyRecordSignatures(PACKAGE_LOG, record, judgeRecord(PACKAGE_LOG, state, record).owed);
      } catch (failure) {
        if (!isRegistryError(failure)) throw failure;
        this.#name(key, messageOf(failure));
      }
    }
  }

  /** What waits to start a log. */
  async finish(origin: string | null): Promise<void> {
    for (const logId of this.#waiting.keys()) {
      await this.judge(logId, emptyLogState(origin === null ? null : { log: logId, origin }));
    }
  }

  async #take(key: string, pending: PendingRecord): Promise<void> {
    const { recordId, logId, name, envelope, rejection } = pending;
    if (recordIdOf('package', envelope.contents) !== recordId)
      return this.#name(key, 'its contents do not have its id');
    if (packageLogId(name) !== logId) return this.#name(key, 'its name is not that of its log');
    for (const named of contentsOf(pending)) await this.#parts.onContent(named);
    // One that was rejected may break any rule.
    if (rejection !== null) return undefined;
    const waiting = this.#waiting.get(logId) ?? new Map<RecordId, { key: string; pending: PendingRecord }>();
    this.#waiting.set(logId, waiting.set(recordId, { key, pending }));
    return undefined;
  }

  #name(key: string, problem: string): void {
    this.#parts.findings.add('pending', `pending record ${key}`, problem, true);
    this.#parts.repairs.pending.push(key);
  }
}

/** The content that a pending record names; none for one that does not decode. */
function contentsOf({ envelope }: PendingRecord): readonly NamedContent[] {
  try {
    return namedContents(decodeSignedRecord(PACKAGE_LOG, envelope));
  } catch (failure) {
    if (isRegistryError(failure)) return [];
    throw failure;
  }
}
