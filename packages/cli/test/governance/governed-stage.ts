import { readFile, writeFile } from 'node:fs/promises';
import type { Fetch } from '@waybill/client';
import {
  OPERATOR_LOG_ID,
  parseDigest,
  parseNamespace,
  parsePackageName,
  parsePrivateKey,
  type Digest,
  type JosePublicKey,
  type PrivateKey,
  parseJosePublicKey,
} from '@waybill/protocol';
import { moduleOf } from '../mutation/stage.ts';
import { readHistory, serveHistory, type History, type ServedHistory } from '../registry-history.ts';
import { openRegistry, openUser, type TestRegistry, type TestUser } from '../registry.ts';
import { GovernanceWriter, joseKeyOf, ORIGIN } from './governance-records.ts';
import { asking, openFront } from './front.ts';

export const NAMESPACE = parseNamespace('test');
export const ONE = parsePackageName('test:one');
export const TWO = parsePackageName('test:two');

/** A registry with two packages, whose records can be served in another order and with others between them. */
export interface GovernedStage {
  readonly registry: TestRegistry;
  readonly publisher: TestUser;
  readonly publisherKey: JosePublicKey;
  readonly operatorKey: PrivateKey;
  readonly operatorKeyId: Digest;
  /** The operator's records alone. */
  readonly begun: History;
  /** Those of both packages: two releases of the first, one of the second. */
  readonly published: History;
  readonly contents: ReadonlyMap<string, Digest>;
  /** A writer whose log the operator's key begins. */
  writer(namespace: typeof NAMESPACE | null): GovernanceWriter;
  serve(history: History, served?: ServedHistory): Promise<ServedStage>;
  dispose(): Promise<void>;
}

export interface ServedStage {
  readonly url: string;
  readonly fetch: Fetch;
  /** The paths that were asked for through {@link url}. */
  readonly asked: string[];
  dispose(): Promise<void>;
}

export async function openGovernedStage(): Promise<GovernedStage> {
  const registry = await openRegistry({ origin: ORIGIN });
  const publisher = await openUser();
  const { publicKey } = JSON.parse(await publisher.ok('key', 'new', '--json'));
  const contents = new Map<string, Digest>();
  for (const [name, version] of [
    [ONE, '1.0.0'],
    [ONE, '1.1.0'],
    [TWO, '1.0.0'],
  ] as const) {
    const file = publisher.file(`${name}-${version}.wasm`);
    await writeFile(file, moduleOf(`${name} ${version}`));
    const args = ['--package', name, '--version', version, '--registry', registry.url.href];
    await publisher.ok('publish', file, ...args);
    const { versions } = JSON.parse(await publisher.ok('info', name, '--json', '--registry', registry.url.href));
    contents.set(`${name}@${version}`, parseDigest(versions[0].digest));
  }
  const operatorKey = parsePrivateKey(await readFile(registry.operatorKeyFile, 'utf8').then((text) => text.trim()));
  const history = await readHistory(registry);
  return {
    registry,
    publisher,
    publisherKey: parseJosePublicKey(publicKey),
    operatorKey,
    operatorKeyId: parseDigest(registry.operatorKeyId),
    begun: history.filter(({ logId }) => logId === OPERATOR_LOG_ID),
    published: history.filter(({ logId }) => logId !== OPERATOR_LOG_ID),
    contents,
    writer: (namespace) => new GovernanceWriter(namespace, joseKeyOf(operatorKey)),
    serve: async (served, options) => standAside(await serveHistory(registry, served, options)),
    async dispose() {
      await registry.dispose();
      await publisher.dispose();
    },
  };
}

async function standAside(served: TestRegistry): Promise<ServedStage> {
  const answer = asking(served.url);
  const asked: string[] = [];
  const front = await openFront((url, init) => {
    asked.push(new URL(url).pathname);
    return answer(url, init);
  });
  return {
    url: front.url,
    fetch: answer,
    asked,
    async dispose() {
      await front.close();
      await served.dispose();
    },
  };
}
