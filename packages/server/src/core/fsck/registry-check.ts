import {
  isRegistryError,
  messageOf,
  registryOrigin,
  type OperatorState,
  type PackageEntry,
  type SignedRecord,
} from '@waybill/protocol';
import { LogKinds } from '../log-kind.ts';
import { noteStates } from '../log-note.ts';
import { namedContents } from '../named-content.ts';
import type { LogName, LogNotes, LogSigner, StoredHead, StoreInspection } from '../ports.ts';
import { checkChains } from './chain-check.ts';
import { CheckQueue } from './check-queue.ts';
import type { ContentCheck } from './content-check.ts';
import { MISSING, type Findings } from './findings.ts';
import { HoldingCheck } from './holding-check.ts';
import { PendingCheck } from './pending-check.ts';
import { replayRegistry, type Replayed } from './registry-replay.ts';
import type { RepairPlan } from './repair-plan.ts';
import { checkTokens } from './token-check.ts';

export interface RegistryCheckParts {
  readonly store: StoreInspection;
  readonly content: ContentCheck;
  /** `null` when the keys are not there: notes can then be neither verified nor made. */
  readonly logSigners: Readonly<Record<LogName, LogSigner>> | null;
  readonly findings: Findings;
  readonly repairs: RepairPlan;
  readonly onProgress: (step: string) => void;
}

/** What was looked at. */
export interface RegistryChecked {
  readonly records: number;
  readonly newest: StoredHead | null;
  /** Where the operator's log leads to; `null` when it could not be followed. */
  readonly operator: OperatorState | null;
}

/**
 * Recomputes everything that the store holds from its records alone and tells what is otherwise, without stopping at the
 * first flaw. Nothing is written.
 */
export async function checkRegistry(parts: RegistryCheckParts): Promise<RegistryChecked> {
  const { store, content, findings, repairs, onProgress } = parts;
  onProgress('checking the file of the store');
  await guard(findings, async () => {
    for (const problem of await store.checkFile()) nameFileProblem(problem, findings, repairs);
  });
  const queue = new CheckQueue();
  const pending = new PendingCheck({ store, findings, repairs, onContent: (named) => content.expect(named) });
  await guard(findings, () => pending.load());
  await guard(findings, () => checkTokens(store, findings));
  const holdings = new HoldingCheck({ store, findings, repairs });
  await guard(findings, () => holdings.load());
  const replayed = await guard(findings, () => replay(parts, queue));
  if (replayed !== null) await guard(findings, () => checkNotes(parts, replayed));
  content.excuse(replayed?.takedowns ?? null);
  const origin = replayed === null || replayed.operator.length === 0 ? null : registryOrigin(replayed.operator);
  const records = await guard(findings, () =>
    checkChains({
      store,
      findings,
      queue,
      repairs,
      pending,
      onPackageRecord: async (record, registryIndex) => {
        await holdings.expect(record, registryIndex);
        await requireContents(record, content);
      },
      onProgress: (done) => onProgress(`replaying the logs: ${done} records`),
      origin,
      kinds: replayed?.kinds ?? new LogKinds(),
    }),
  );
  await pending.finish(origin);
  if (replayed !== null && records !== null) holdings.finish(replayed.rows);
  if (replayed !== null && records !== null && records !== replayed.rows) {
    findings.add('store', 'index of the logs', `it has ${records} records, the registry log ${replayed.rows}`, true);
    repairs.reindex = true;
  }
  return { records: replayed?.rows ?? 0, newest: replayed?.newest ?? null, operator: replayed?.operator ?? null };
}

/** What cannot be read at all is a flaw like others, and the rest goes on. */
async function guard<T>(findings: Findings, step: () => Promise<T>): Promise<T | null> {
  try {
    return await step();
  } catch (failure) {
    if (!isRegistryError(failure)) throw failure;
    findings.add('store', 'store', messageOf(failure));
    return null;
  }
}

/** Indexes can be made anew from their tables. */
function nameFileProblem(problem: string, findings: Findings, repairs: RepairPlan): void {
  const isIndex = /\bindex\b/.test(problem);
  findings.add('store', 'file of the store', problem, isIndex);
  if (isIndex) repairs.reindex = true;
}

async function replay(parts: RegistryCheckParts, queue: CheckQueue): Promise<Replayed> {
  const { store, findings, repairs, onProgress } = parts;
  const mapFloor = await guard(findings, () => store.readMapFloor());
  return replayRegistry({
    store,
    findings,
    queue,
    repairs,
    mapFloor: mapFloor ?? 0,
    onProgress: (done) => onProgress(`recomputing log, map and heads: ${done} records`),
  });
}

/** Ed25519 signatures are deterministic: what is stored must be, byte for byte, what the keys sign. */
async function checkNotes(
  { store, logSigners, findings, repairs }: RegistryCheckParts,
  replayed: Replayed,
): Promise<void> {
  const notes = await store.readNotes().catch((failure: unknown) => {
    if (!isRegistryError(failure, 'storage/damaged')) throw failure;
    return null;
  });
  if (replayed.newest === null) {
    if (notes !== null) findings.add('note', 'notes', 'there is no head for them');
    return;
  }
  const right = logSigners && {
    records: signed(logSigners, replayed, 'records'),
    heads: signed(logSigners, replayed, 'heads'),
  };
  if (right === null) findings.remark('the keys of the logs are not here: the notes were compared, but not verified');
  const wrong = (['records', 'heads'] as const).filter((log) => !isRight(notes, right, replayed, log));
  for (const log of wrong) {
    findings.add(
      'note',
      `note of the log of ${log}`,
      notes === null ? MISSING : 'it is not that of the newest head',
      right !== null,
    );
  }
  if (wrong.length > 0) repairs.notes = right;
}

function signed(signers: Readonly<Record<LogName, LogSigner>>, replayed: Replayed, log: LogName): string {
  return signers[log].sign(replayed[log].size, replayed[log].root);
}

function isRight(notes: LogNotes | null, right: LogNotes | null, replayed: Replayed, log: LogName): boolean {
  return right === null ? noteStates(notes?.[log] ?? '', replayed[log]) : notes?.[log] === right[log];
}

async function requireContents(record: SignedRecord<PackageEntry>, content: ContentCheck): Promise<void> {
  for (const named of namedContents(record)) await content.require(named);
}
