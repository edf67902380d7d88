import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  OPERATOR_LOG_ID,
  packageLogId,
  parsePackageName,
  parsePrivateKey,
  recordIdOf,
  type Envelope,
  type LogId,
  type PackageName,
  type PrivateKey,
  type RecordId,
} from '@waybill/protocol';
import { openSqliteReader, openWriteDesk, type WriteDesk } from '@waybill/server';
import { CORE_MODULE, openRegistry, openUser, type TestRegistry } from '../registry.ts';

export const ORIGIN = 'registry.example/drill';

/** Version 0, by the author. */
export const OLD = parsePackageName('test:old');
/** Version 1, by the author. */
export const NEW = parsePackageName('test:new');
/** Another one of the author's, of version 0. */
export const OTHER = parsePackageName('test:other');
/** A name that nobody has published under. */
export const COPY = parsePackageName('test:copy');

const NAMES: ReadonlyMap<LogId, PackageName> = new Map(
  [OLD, NEW, OTHER, COPY].map((name) => [packageLogId(name), name]),
);

const RECORDS_READ_MAX = 1_000;

/** A record in the order of the registry log. */
export interface HistoryRecord {
  readonly logId: LogId;
  readonly envelope: Envelope;
}

export type History = readonly HistoryRecord[];

/** The whole of a registry in one hand: database, content, the operator's key and the keys of the logs. */
export interface StolenRegistry {
  readonly honest: TestRegistry;
  readonly history: History;
  readonly operatorKey: PrivateKey;
  /** Public keys, as texts; the private ones are with their owners. */
  readonly authorKey: string;
  readonly memberKey: string;
  /** Lays down any records in another database, hashed and signed by the registry's own code, and serves it. */
  serve(history: History, listen?: string): Promise<TestRegistry>;
  dispose(): Promise<void>;
}

/** Takes a registry in which an author has published with keys that the operator never had. */
export async function stealRegistry(): Promise<StolenRegistry> {
  const honest = await openRegistry({ origin: ORIGIN });
  const keys = await publishAll(honest);
  const reader = openSqliteReader(path.join(honest.folder, 'registry.sqlite'));
  const records = await reader.readRecords(0, RECORDS_READ_MAX);
  reader.close();
  return {
    honest,
    history: records.map(({ logId, envelope }) => ({ logId, envelope })),
    operatorKey: parsePrivateKey(await readFile(honest.operatorKeyFile, 'utf8')),
    ...keys,
    serve: (history, listen) => serveHistory(honest.folder, history, listen),
    dispose: () => honest.dispose(),
  };
}

/** Both packages end with a yank, which is what an operator would hide. */
async function publishAll({ url }: TestRegistry): Promise<Pick<StolenRegistry, 'authorKey' | 'memberKey'>> {
  const author = await openUser();
  const { publicKey: authorKey } = JSON.parse(await author.ok('key', 'new', '--json'));
  const { publicKey: memberKey } = JSON.parse(await author.ok('key', 'new', '--name', 'member', '--json'));
  const at = ['--registry', url.href];
  for (const name of [OLD, NEW, OTHER]) {
    await author.ok('publish', CORE_MODULE, '--package', name, '--version', '1.0.0', ...at);
    if (name === NEW) await author.ok('upgrade', name, ...at);
    if (name !== OTHER) await author.ok('grant', name, '--to', memberKey, '--permissions', 'release', ...at);
    await author.ok('publish', CORE_MODULE, '--package', name, '--version', '1.1.0', ...at);
  }
  for (const name of [NEW, OLD]) await author.ok('yank', `${name}@1.1.0`, ...at);
  await author.dispose();
  return { authorKey, memberKey };
}

async function serveHistory(stolen: string, history: History, listen = '127.0.0.1:0'): Promise<TestRegistry> {
  const data = await mkdtemp(path.join(tmpdir(), 'waybill-forged-'));
  for (const taken of ['operator.key', 'records-log.key', 'heads-log.key', 'content']) {
    await cp(path.join(stolen, taken), path.join(data, taken), { recursive: true });
  }
  const desk = await openWriteDesk({
    storeFile: path.join(data, 'registry.sqlite'),
    dataDirectory: data,
    lastSignedFile: path.join(data, 'last-signed'),
  });
  await commitAll(desk, history);
  const registry = await openRegistry({ data, listen });
  return {
    ...registry,
    async dispose() {
      await registry.dispose();
      await rm(data, { recursive: true });
    },
  };
}

/** A head for each record, as an honest registry may have them: every proof that a client asks for can be made. */
async function commitAll(desk: WriteDesk, history: History): Promise<void> {
  const lengths = new Map<LogId, number>();
  for (const [registryIndex, { logId, envelope }] of history.entries()) {
    const logPosition = lengths.get(logId) ?? 0;
    lengths.set(logId, logPosition + 1);
    const name = NAMES.get(logId);
    const record = { registryIndex, logId, logPosition, recordId: idOf({ logId, envelope }), envelope };
    const names = logPosition === 0 && name !== undefined ? [{ logId, name }] : [];
    await desk.run({ type: 'commit', batch: { records: [record], names, settled: [] } });
  }
  await desk.run({ type: 'close' });
}

export function idOf({ logId, envelope }: HistoryRecord): RecordId {
  return recordIdOf(logId === OPERATOR_LOG_ID ? 'operator' : 'package', envelope.contents);
}

/** The records of one package, in order. */
export function logOf(history: History, name: PackageName): History {
  const logId = packageLogId(name);
  return history.filter((record) => record.logId === logId);
}

export function nameOf({ logId }: HistoryRecord): PackageName {
  return NAMES.get(logId) ?? assert.fail();
}
