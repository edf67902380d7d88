import { readFile } from 'node:fs/promises';
import { parsePackageName, parsePrivateKey, type PrivateKey } from '@waybill/protocol';
import { readHistory, serveHistory, type History, type ServedHistory } from '../registry-history.ts';
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

/** The whole of a registry in one hand: database, content, the operator's key and the keys of the logs. */
export interface StolenRegistry {
  readonly honest: TestRegistry;
  readonly history: History;
  readonly operatorKey: PrivateKey;
  /** Public keys, as texts; the private ones are with their owners. */
  readonly authorKey: string;
  readonly memberKey: string;
  /** Lays down any records in another database, hashed and signed by the registry's own code, and serves it. */
  serve(history: History, served?: ServedHistory): Promise<TestRegistry>;
  dispose(): Promise<void>;
}

/** Takes a registry in which an author has published with keys that the operator never had. */
export async function stealRegistry(): Promise<StolenRegistry> {
  const honest = await openRegistry({ origin: ORIGIN });
  const keys = await publishAll(honest);
  return {
    honest,
    history: await readHistory(honest),
    operatorKey: parsePrivateKey(await readFile(honest.operatorKeyFile, 'utf8')),
    ...keys,
    serve: (history, served) => serveHistory(honest, history, served),
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
