import {
  decodeSignedRecord,
  isRegistryError,
  messageOf,
  OPERATOR_LOG,
  OPERATOR_LOG_ID,
  RegistryError,
  wargApi,
  type LogId,
} from '@waybill/protocol';
import type { LogCache } from './ports.ts';
import type { RegistryApi } from './registry-api.ts';

/** What is wanted besides the operator log. */
export interface WantedLogs {
  readonly packages: readonly LogId[];
  /** Not asked for where the operator log in the cache has no profile: nothing governs there. */
  readonly governance: readonly LogId[];
}

/** Records of logs up to a length, from the cache and the registry together; nothing of them is checked yet but places. */
export interface FetchedLogs {
  readonly operator: readonly wargApi.PublishedRecord[];
  /** All others that were asked for and have a record. */
  readonly others: ReadonlyMap<LogId, readonly wargApi.PublishedRecord[]>;
  /** Logs of which the registry says that it has no record. */
  readonly missing: readonly LogId[];
}

/** Requests for one set of logs; a registry that answers forever is stopped here. */
const PAGES_MAX = 100_000;

/**
 * Fetches what the cache lacks, page by page; packages that are not there are asked for again with the token, if there is one, for
 * they may be private. Throws `log/foreign`, `log/incomplete`, `registry/protocol`, and what the API throws.
 */
export async function fetchLogs(
  api: RegistryApi,
  cache: LogCache,
  logLength: number,
  wanted: WantedLogs,
): Promise<FetchedLogs> {
  const passedOver = new Set<LogId>();
  const fetched = await fetchOnce(api, cache, logLength, { ...wanted, passedOver });
  const isHidden = wanted.packages.some((logId) => passedOver.has(logId) || fetched.missing.includes(logId));
  return isHidden && (await api.showToken()) ? fetchOnce(api, cache, logLength, { ...wanted, passedOver }) : fetched;
}

async function fetchOnce(
  api: RegistryApi,
  cache: LogCache,
  logLength: number,
  { packages, governance, passedOver }: WantedLogs & { readonly passedOver: Set<LogId> },
): Promise<FetchedLogs> {
  const operator = await readCached(cache, OPERATOR_LOG_ID, logLength);
  const logs = new Map([[OPERATOR_LOG_ID, operator]]);
  const governing = mayGovern(operator) ? governance : [];
  const wanted = new Set([...packages, ...governing]);
  for (const logId of wanted) logs.set(logId, await readCached(cache, logId, logLength));
  const missing: LogId[] = [];
  for (let page = 0; page < PAGES_MAX; page++) {
    try {
      if (!(await fetchPage(api, logLength, logs, { wanted, passedOver }))) return answerOf(logs, wanted, missing);
    } catch (failure) {
      if (isRegistryError(failure, 'request/cursor')) throw withheld(failure);
      const unknown = isRegistryError(failure, 'log/not-found')
        ? [...wanted].find((id) => id === failure.detail['logId'])
        : undefined;
      if (unknown === undefined) throw failure;
      // Who does not leave out one of these has likely none of them.
      for (const logId of governing.includes(unknown) ? governing : [unknown]) {
        if ((logs.get(logId)?.length ?? 0) > 0) throw withheld(failure);
        wanted.delete(logId);
        missing.push(logId);
      }
    }
  }
  throw new RegistryError('registry/protocol', 'the registry never comes to the end of a log');
}

/** Another process may have cached records of a newer head than ours. */
async function readCached(cache: LogCache, logId: LogId, logLength: number): Promise<wargApi.PublishedRecord[]> {
  const cached = (await cache.read(logId)) ?? [];
  return cached.filter(({ registryIndex }) => registryIndex < logLength);
}

/** A profile stands in the first record of an operator log or never does, and that record is replayed with what is fetched. */
function mayGovern([first]: readonly wargApi.PublishedRecord[]): boolean {
  if (first === undefined) return true;
  try {
    const [init] = decodeSignedRecord(OPERATOR_LOG, first.envelope).entries;
    return init?.type !== 'init' || init.origin !== undefined;
  } catch (failure) {
    if (isRegistryError(failure)) return true;
    throw failure;
  }
}

/** It has shown records of a log, or somebody has put them into the cache, and now does not know them. */
function withheld(cause: unknown): RegistryError {
  const message = `the registry no longer knows what it has served: ${messageOf(cause)}`;
  return new RegistryError('log/incomplete', message, {}, { cause });
}

function answerOf(
  logs: Map<LogId, wargApi.PublishedRecord[]>,
  wanted: ReadonlySet<LogId>,
  missing: readonly LogId[],
): FetchedLogs {
  // Left out, or empty up to this length: started after the checkpoint was made, or never by a record that held. Absence can be proven.
  const empty = [...wanted].filter((logId) => logs.get(logId)?.length === 0);
  const started = [...wanted].filter((logId) => !empty.includes(logId));
  const others = new Map(started.map((logId) => [logId, logs.get(logId) ?? []] as const));
  return { operator: logs.get(OPERATOR_LOG_ID) ?? [], others, missing: [...missing, ...empty] };
}

/** True when there is more to fetch. Adds to `passedOver` logs that the answer leaves out. */
async function fetchPage(
  api: RegistryApi,
  logLength: number,
  logs: Map<LogId, wargApi.PublishedRecord[]>,
  { wanted, passedOver }: { readonly wanted: ReadonlySet<LogId>; readonly passedOver: Set<LogId> },
): Promise<boolean> {
  const tokenOf = (logId: LogId): string | null => logs.get(logId)?.at(-1)?.fetchToken ?? null;
  const answer = await api.logs({
    logLength,
    limit: wargApi.FETCH_LIMIT_MAX,
    operator: tokenOf(OPERATOR_LOG_ID),
    packages: new Map([...wanted].map((logId) => [logId, tokenOf(logId)])),
  });
  for (const logId of wanted) if (!answer.packages.has(logId)) passedOver.add(logId);
  let added = 0;
  for (const [logId, records] of [[OPERATOR_LOG_ID, answer.operator] as const, ...answer.packages]) {
    const log = logs.get(logId);
    if (log === undefined || (logId !== OPERATOR_LOG_ID && !wanted.has(logId))) {
      throw new RegistryError('log/foreign', `the registry answered with log ${logId}, which was not asked for`);
    }
    for (const record of records) {
      checkPlace(log.at(-1), record, logLength);
      log.push(record);
      added++;
    }
  }
  if (answer.more && added === 0)
    throw new RegistryError('registry/protocol', 'the registry promises more and gives nothing');
  return answer.more;
}

function checkPlace(
  previous: wargApi.PublishedRecord | undefined,
  record: wargApi.PublishedRecord,
  logLength: number,
): void {
  const after = previous?.registryIndex ?? -1;
  if (record.registryIndex > after && record.registryIndex < logLength) return;
  throw new RegistryError(
    'log/foreign',
    `a record claims index ${record.registryIndex}, after ${after} in a log of ${logLength}`,
  );
}
