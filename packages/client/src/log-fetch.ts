import { isRegistryError, messageOf, OPERATOR_LOG_ID, RegistryError, wargApi, type LogId } from '@waybill/protocol';
import type { LogCache } from './ports.ts';
import type { RegistryApi } from './registry-api.ts';

/** Records of logs up to a length, from the cache and the registry together; nothing of them is checked yet but places. */
export interface FetchedLogs {
  readonly operator: readonly wargApi.PublishedRecord[];
  readonly packages: ReadonlyMap<LogId, readonly wargApi.PublishedRecord[]>;
  /** Logs of which the registry says that it has no record. */
  readonly missing: readonly LogId[];
}

/** Requests for one set of logs; a registry that answers forever is stopped here. */
const PAGES_MAX = 100_000;

/**
 * Fetches what the cache lacks, page by page. Throws `log/foreign`, `log/incomplete`, `registry/protocol`, and what the API
 * throws.
 */
export async function fetchLogs(
  api: RegistryApi,
  cache: LogCache,
  logLength: number,
  logIds: readonly LogId[],
): Promise<FetchedLogs> {
  const logs = new Map<LogId, wargApi.PublishedRecord[]>();
  for (const logId of [OPERATOR_LOG_ID, ...logIds]) {
    const cached = (await cache.read(logId)) ?? [];
    // Another process may have cached records of a newer head than ours.
    logs.set(
      logId,
      cached.filter(({ registryIndex }) => registryIndex < logLength),
    );
  }
  const wanted = new Set(logIds);
  const missing: LogId[] = [];
  for (let page = 0; page < PAGES_MAX; page++) {
    try {
      if (!(await fetchPage(api, logLength, logs, wanted))) return answerOf(logs, wanted, missing);
    } catch (failure) {
      if (isRegistryError(failure, 'request/cursor')) throw withheld(failure);
      const unknown = isRegistryError(failure, 'log/not-found')
        ? [...wanted].find((id) => id === failure.detail['logId'])
        : undefined;
      if (unknown === undefined) throw failure;
      if ((logs.get(unknown)?.length ?? 0) > 0) throw withheld(failure);
      wanted.delete(unknown);
      missing.push(unknown);
    }
  }
  throw new RegistryError('registry/protocol', 'the registry never comes to the end of a log');
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
  // Empty up to this length: started after the checkpoint was made, or never by a record that held. Absence can be proven.
  const empty = [...wanted].filter((logId) => logs.get(logId)?.length === 0);
  const started = [...wanted].filter((logId) => !empty.includes(logId));
  const packages = new Map(started.map((logId) => [logId, logs.get(logId) ?? []] as const));
  return { operator: logs.get(OPERATOR_LOG_ID) ?? [], packages, missing: [...missing, ...empty] };
}

/** True when there is more to fetch. */
async function fetchPage(
  api: RegistryApi,
  logLength: number,
  logs: Map<LogId, wargApi.PublishedRecord[]>,
  wanted: ReadonlySet<LogId>,
): Promise<boolean> {
  const tokenOf = (logId: LogId): string | null => logs.get(logId)?.at(-1)?.fetchToken ?? null;
  const answer = await api.logs({
    logLength,
    limit: wargApi.FETCH_LIMIT_MAX,
    operator: tokenOf(OPERATOR_LOG_ID),
    packages: new Map([...wanted].map((logId) => [logId, tokenOf(logId)])),
  });
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
