import {
  namespaceLogId,
  OPERATOR_LOG_ID,
  parseNamespace,
  recordIdOf,
  REGISTRY_LOG_ID,
  type LogId,
  type LogKind,
  type OperatorEntry,
} from '@waybill/protocol';
import type { StoredRecord } from './ports.ts';

/** Those that a log of an id can be of. By its id alone a namespace's governance log is told from no package's. */
function possibleKinds(logId: LogId): readonly LogKind[] {
  if (logId === OPERATOR_LOG_ID) return ['operator'];
  return logId === REGISTRY_LOG_ID ? ['governance'] : ['package', 'governance'];
}

/** The kind of log that a record was made for, by its id; `null` for one whose contents do not have its id. */
export function recordKindOf({ logId, recordId, envelope }: StoredRecord): LogKind | null {
  return possibleKinds(logId).find((kind) => recordIdOf(kind, envelope.contents) === recordId) ?? null;
}

/** Tells the kinds of logs, also where records are damaged: a namespace that is defined may have a governance log. */
export class LogKinds {
  readonly #governance = new Set<LogId>([REGISTRY_LOG_ID]);

  /** To be called with the operator log's entries as they come. */
  follow(entries: readonly OperatorEntry[]): void {
    for (const entry of entries) {
      if (entry.type === 'defineNamespace') this.#governance.add(namespaceLogId(parseNamespace(entry.namespace)));
    }
  }

  kindOf(logId: LogId): LogKind {
    if (logId === OPERATOR_LOG_ID) return 'operator';
    return this.#governance.has(logId) ? 'governance' : 'package';
  }
}
