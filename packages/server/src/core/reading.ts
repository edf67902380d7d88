import {
  namespaceOf,
  OPERATOR_LOG_ID,
  openCheckpoint,
  parseRecordId,
  RegistryError,
  type LogId,
  type PackageName,
  type RecordId,
  type SignedCheckpoint,
  type wargApi,
} from '@waybill/protocol';
import type { Access } from './access.ts';
import { FETCH_LOGS_BYTES_MAX, FETCH_LOGS_MAX, FETCH_PAGE_RECORDS, LEDGER_PAGE_LEAVES } from './limits.ts';
import type { RegistryReader, StoredHead, StoredRecord } from './ports.ts';
import type { PrivateNamespaces } from './private-namespaces.ts';
import type { Sequencer } from './sequencer.ts';
import type { OperatorStates } from './state-caches.ts';

export interface ReadingParts {
  readonly store: RegistryReader;
  readonly sequencer: Sequencer;
  readonly operator: OperatorStates;
  readonly privates: PrivateNamespaces;
}

/** What becomes of logs that were asked for and are not there. */
export type AbsentLogs = 'refuse' | 'omit';

/** One page of the ledger: the leaves it describes, both ends included. */
export interface LedgerSource {
  readonly firstRegistryIndex: number;
  readonly lastRegistryIndex: number;
}

/** The read side of the log. Everything it gives is under the head that is served. */
export class Reading {
  readonly #parts: ReadingParts;

  constructor(parts: ReadingParts) {
    this.#parts = parts;
  }

  /** The newest head. A started server always has one: the operator's first record. */
  head(): StoredHead {
    const { head } = this.#parts.sequencer;
    if (head === null) throw new RegistryError('storage/damaged', 'the registry has no head');
    return head;
  }

  /** Throws `request/log-length` for a length at which no head was signed. */
  async headAt(logLength: number): Promise<StoredHead> {
    const newest = this.head();
    if (newest.checkpoint.contents.logLength === logLength) return newest;
    const head = await this.#parts.store.readHeadAt(logLength);
    if (head !== null) return head;
    throw new RegistryError('request/log-length', `no checkpoint was made at ${logLength} records`, { logLength });
  }

  /**
   * Records of logs after the given tokens, each log at most `limit`, none at or beyond the length. Where absent logs are to be
   * omitted, the answer leaves out those that do not exist, or do not begin before the length. One that the access may not read
   * is as one that does not exist.
   * Throws `request/log-length`, `log/not-found`, `request/cursor`, `request/invalid`, `request/too-many`.
   */
  async logs(
    request: wargApi.FetchLogsRequest,
    { absentLogs, access }: { readonly absentLogs: AbsentLogs; readonly access: Access },
  ): Promise<wargApi.FetchLogsResponse> {
    if (request.packages.size > FETCH_LOGS_MAX) {
      throw new RegistryError('request/invalid', `at most ${FETCH_LOGS_MAX} logs can be fetched at once`);
    }
    await this.headAt(request.logLength);
    const hidden = await this.#hiddenOf([...request.packages.keys()], access);
    const answer = { bytesLeft: FETCH_LOGS_BYTES_MAX, more: false };
    const operator = await this.#logPage(OPERATOR_LOG_ID, request.operator, request, answer);
    const packages = new Map<LogId, readonly wargApi.PublishedRecord[]>();
    for (const [logId, token] of request.packages) {
      const page = hidden.has(logId) ? null : await this.#logPage(logId, token, request, answer);
      if (page !== null) packages.set(logId, page);
      else if (hidden.has(logId) && absentLogs === 'refuse') throw noLog(logId);
      else if (absentLogs === 'refuse') packages.set(logId, await this.#emptyLog(logId));
    }
    return { more: answer.more, operator: operator ?? [], packages };
  }

  /**
   * At most the limit of the request, and what the answer has room for; it says `more` when either cut the log short. `null` for
   * a log that has no record before the length.
   */
  async #logPage(
    logId: LogId,
    token: string | null,
    { logLength, limit }: wargApi.FetchLogsRequest,
    answer: { bytesLeft: number; more: boolean },
  ): Promise<wargApi.PublishedRecord[] | null> {
    const start = token === null ? 0 : await this.#positionAfter(logId, token);
    if (start === null) return null;
    const records: wargApi.PublishedRecord[] = [];
    for (;;) {
      const wanted = Math.min(FETCH_PAGE_RECORDS, limit - records.length);
      const range = { fromPosition: start + records.length, belowIndex: logLength, limit: wanted };
      const page = await this.#parts.store.readLog(logId, range);
      for (const record of page) {
        if (answer.bytesLeft <= 0) return moreOf(answer, records);
        answer.bytesLeft -= record.envelope.contents.length;
        records.push(publishedRecord(record));
      }
      if (records.length === limit) return moreOf(answer, records);
      if (page.length < wanted) break;
    }
    return records.length === 0 && start === 0 ? null : records;
  }

  /** `null` where there is no such log. */
  async #positionAfter(logId: LogId, token: string): Promise<number | null> {
    const recordId = recordIdOrNull(token);
    const record = recordId && (await this.#parts.store.readRecord(recordId));
    if (record?.logId === logId) return record.logPosition + 1;
    if (!(await this.#hasLog(logId))) return null;
    throw new RegistryError('request/cursor', 'the fetch token is not one of that log', { token });
  }

  /** What is answered for a log that begins at or beyond the length. Throws `log/not-found` for one that does not begin. */
  async #emptyLog(logId: LogId): Promise<[]> {
    if (await this.#hasLog(logId)) return [];
    throw noLog(logId);
  }

  async #hasLog(logId: LogId): Promise<boolean> {
    const [first] = await this.#parts.store.readLog(logId, {
      fromPosition: 0,
      belowIndex: this.#parts.sequencer.length,
      limit: 1,
    });
    return first !== undefined;
  }

  /** Names of package logs. Throws `log/not-found` if any of them is unknown, or not for the access to read. */
  async names(logIds: readonly LogId[], access: Access): Promise<ReadonlyMap<LogId, PackageName>> {
    const names = await this.#parts.store.readNames(logIds);
    for (const logId of logIds) {
      const name = names.get(logId);
      if (name === undefined || !this.#parts.privates.mayRead(access, namespaceOf(name))) throw noLog(logId);
    }
    return names;
  }

  /** Throws `log/not-found` for a log of a package that the access may not read. */
  async requireShown(logId: LogId, access: Access): Promise<void> {
    if ((await this.#hiddenOf([logId], access)).has(logId)) throw noLog(logId);
  }

  /**
   * Why a log that is in the map cannot be read, for whoever asked for a proof that it is not: `null` where all may be read. Says
   * nothing of its name or namespace, which an id alone does not tell.
   */
  async hiddenRefusal(logIds: readonly LogId[], access: Access): Promise<RegistryError | null> {
    const [logId] = await this.#hiddenOf(logIds, access);
    if (logId === undefined) return null;
    const message = `log ${logId} is private: reading it takes a token that covers it`;
    return new RegistryError(access === 'anyone' ? 'token/required' : 'token/scope', message, { logId });
  }

  async #hiddenOf(logIds: readonly LogId[], access: Access): Promise<ReadonlySet<LogId>> {
    const { store, privates } = this.#parts;
    if (privates.areNone) return NOTHING_HIDDEN;
    const names = await store.readNames(logIds);
    return new Set(logIds.filter((logId) => isHidden(names.get(logId), { privates, access })));
  }

  /** The name of the package that a log is of; `null` for a log of another kind. */
  async nameOf(logId: LogId): Promise<PackageName | null> {
    return (await this.#parts.store.readNames([logId])).get(logId) ?? null;
  }

  /** One source for each page of leaves up to the newest head. */
  ledger(): LedgerSource[] {
    const length = this.#parts.sequencer.length;
    const sources: LedgerSource[] = [];
    for (let first = 0; first < length; first += LEDGER_PAGE_LEAVES) {
      sources.push({ firstRegistryIndex: first, lastRegistryIndex: Math.min(first + LEDGER_PAGE_LEAVES, length) - 1 });
    }
    return sources;
  }

  /** Leaves from `start` on, at most one page; none beyond the end. */
  ledgerRecords(start: number): Promise<StoredRecord[]> {
    return this.#parts.store.readRecords(start, LEDGER_PAGE_LEAVES);
  }

  /**
   * Judges a checkpoint somebody holds: whether this registry made it with these roots, and whether its signature, over
   * its own timestamp, is by a key that may commit.
   */
  async verifyCheckpoint(signed: SignedCheckpoint): Promise<{ checkpoint: boolean; signature: boolean }> {
    const { logLength, logRoot, mapRoot } = signed.contents;
    const stored = (await this.#parts.store.readHeadAt(logLength))?.checkpoint.contents;
    const signature = await this.#parts.operator.read(OPERATOR_LOG_ID, (operator) =>
      openCheckpoint(signed, operator).then(
        () => true,
        () => false,
      ),
    );
    return { checkpoint: stored?.logRoot === logRoot && stored.mapRoot === mapRoot, signature };
  }
}

const NOTHING_HIDDEN: ReadonlySet<LogId> = new Set();

function isHidden(
  name: PackageName | undefined,
  { privates, access }: { readonly privates: PrivateNamespaces; readonly access: Access },
): boolean {
  return name !== undefined && !privates.mayRead(access, namespaceOf(name));
}

function noLog(logId: LogId): RegistryError {
  return new RegistryError('log/not-found', `there is no log ${logId}`, { logId });
}

function moreOf<T>(answer: { more: boolean }, records: T): T {
  answer.more = true;
  return records;
}

function recordIdOrNull(token: string): RecordId | null {
  try {
    return parseRecordId(token);
  } catch {
    return null;
  }
}

function publishedRecord({ envelope, registryIndex, recordId }: StoredRecord): wargApi.PublishedRecord {
  return { envelope, registryIndex, fetchToken: recordId };
}
