import {
  decodeSignedRecord,
  emptyLogState,
  GOVERNANCE_LOG,
  isRegistryError,
  judgeRecord,
  messageOf,
  OPERATOR_LOG,
  PACKAGE_LOG,
  packageLogId,
  parsePackageName,
  verifyRecordSignatures,
  utf8Text,
  type LogDialect,
  type LogId,
  type LogState,
  type PackageEntry,
  type PackageName,
  type SignedRecord,
} from '@waybill/protocol';
import type { LogKinds } from '../log-kind.ts';
import type { InspectedRecord, StoreInspection } from '../ports.ts';
import type { CheckQueue } from './check-queue.ts';
import type { Findings } from './findings.ts';
import type { PendingCheck } from './pending-check.ts';
import type { RepairPlan } from './repair-plan.ts';

export interface ChainCheckParts {
  readonly store: Pick<StoreInspection, 'recordsByLog'>;
  readonly findings: Findings;
  readonly queue: CheckQueue;
  readonly repairs: RepairPlan;
  readonly pending: PendingCheck;
  /** Sees each package record that decodes. */
  readonly onPackageRecord: (record: SignedRecord<PackageEntry>, registryIndex: number) => Promise<void>;
  readonly onProgress: (records: number) => void;
  /** Of the registry; `null` when its operator log says nothing. */
  readonly origin: string | null;
  readonly kinds: LogKinds;
}

/** Replays every log on its own, all rules and signatures; one log's state is in memory at a time. Resolves with the records. */
export async function checkChains(parts: ChainCheckParts): Promise<number> {
  let chain: Chain | null = null;
  let records = 0;
  for await (const page of parts.store.recordsByLog()) {
    for (const row of page) {
      records++;
      // What cannot be read was named before; its log is judged up to there.
      if ('problem' in row) continue;
      if (chain?.logId !== row.value.logId) {
        await chain?.end();
        chain = openChain(row.value.logId, parts);
      }
      await chain.add(row.value);
    }
    parts.onProgress(records);
  }
  await chain?.end();
  await parts.queue.drain();
  return records;
}

interface Chain {
  readonly logId: LogId;
  add(record: InspectedRecord): Promise<void>;
  end(): Promise<void>;
}

function openChain(logId: LogId, parts: ChainCheckParts): Chain {
  const kind = parts.kinds.kindOf(logId);
  if (kind === 'operator') return new DialectChain(logId, OPERATOR_LOG, parts, UNWATCHED);
  if (kind === 'governance') return new DialectChain(logId, GOVERNANCE_LOG, parts, UNWATCHED);
  return new DialectChain(logId, PACKAGE_LOG, parts, {
    onRecord: parts.onPackageRecord,
    onEnd: (state) => parts.pending.judge(logId, state),
  });
}

interface ChainEvents<E extends { readonly type: string }, P extends string, B> {
  readonly onRecord: (record: SignedRecord<E>, registryIndex: number) => Promise<void>;
  /** With the state that the whole log leads to; not called for a log that is broken. */
  readonly onEnd: (state: LogState<P, B>) => Promise<void>;
}

const UNWATCHED = { onRecord: async (): Promise<void> => undefined, onEnd: async (): Promise<void> => undefined };

class DialectChain<E extends { readonly type: string }, P extends string, B> implements Chain {
  readonly logId: LogId;
  readonly #dialect: LogDialect<E, P, B>;
  readonly #parts: ChainCheckParts;
  readonly #events: ChainEvents<E, P, B>;
  #state: LogState<P, B>;
  #lastIndex = -1;
  #broken = false;

  constructor(logId: LogId, dialect: LogDialect<E, P, B>, parts: ChainCheckParts, events: ChainEvents<E, P, B>) {
    this.logId = logId;
    this.#dialect = dialect;
    this.#parts = parts;
    this.#events = events;
    const { origin } = parts;
    this.#state = emptyLogState(origin === null ? null : { log: logId, origin });
  }

  async add(stored: InspectedRecord): Promise<void> {
    this.#checkName(stored);
    this.#parts.pending.settle(stored.recordId);
    const at = `record ${stored.registryIndex}`;
    try {
      const record = decodeSignedRecord(this.#dialect, stored.envelope);
      await this.#events.onRecord(record, stored.registryIndex);
      if (!this.#broken) await this.#judge(record, stored, at);
    } catch (failure) {
      if (!isRegistryError(failure)) throw failure;
      this.#break(at, messageOf(failure));
    }
  }

  async end(): Promise<void> {
    if (!this.#broken) await this.#events.onEnd(this.#state);
  }

  async #judge(record: SignedRecord<E>, stored: InspectedRecord, at: string): Promise<void> {
    const { queue, findings } = this.#parts;
    if (stored.logPosition !== this.#state.length || stored.registryIndex <= this.#lastIndex) {
      this.#break(at, `it stands at position ${stored.logPosition} of its log, after ${this.#state.length} records`);
      return;
    }
    this.#lastIndex = stored.registryIndex;
    const { draft, owed } = judgeRecord(this.#dialect, this.#state, record);
    // Which of the two is damaged says the signature; the records after it name the true id.
    if (record.id !== stored.recordId) await verifyRecordSignatures(this.#dialect, record, owed);
    this.#state = draft.accept();
    await queue.add(verifyRecordSignatures(this.#dialect, record, owed), (failure) => {
      findings.add('record', at, messageOf(failure));
    });
  }

  /** The records after one that is wrong would all be, and say nothing new. */
  #break(at: string, problem: string): void {
    if (!this.#broken) this.#parts.findings.add('record', at, `${problem}; its log cannot be judged any further`);
    this.#broken = true;
  }

  #checkName({ registryIndex, logPosition, logId, name }: InspectedRecord): void {
    const { findings, repairs } = this.#parts;
    const at = `record ${registryIndex}`;
    if (logPosition > 0 || this.#dialect.kind !== 'package') {
      if (name === null) return;
      findings.add('name', at, 'it has a name, but does not start the log of a package', true);
      repairs.names.push({ registryIndex, name: null });
      return;
    }
    if (name !== null && nameOf(name, logId) !== null) return;
    const near = name === null ? null : nameOneBitAway(name, logId);
    const problem =
      name === null ? 'the name of its package is missing' : 'the name of its package is not that of its log';
    findings.add('name', at, problem, near !== null);
    if (near !== null) repairs.names.push({ registryIndex, name: near });
  }
}

/** The name, if it is that of the log. */
function nameOf(bytes: Uint8Array, logId: LogId): PackageName | null {
  try {
    const name = parsePackageName(utf8Text(bytes) ?? '');
    return packageLogId(name) === logId ? name : null;
  } catch (failure) {
    if (isRegistryError(failure)) return null;
    throw failure;
  }
}

/** A log's id says whether a name is right, but not what it is: what one flipped bit did can be found by trying. */
function nameOneBitAway(bytes: Uint8Array, logId: LogId): PackageName | null {
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const tried = bytes.slice();
    const at = Math.floor(bit / 8);
    tried[at] = (tried[at] ?? 0) ^ (1 << (bit % 8));
    const name = nameOf(tried, logId);
    if (name !== null) return name;
  }
  return null;
}
