import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { RegistryApi, Transport, TRANSPORT_LIMITS } from '@waybill/client';
import {
  digestOf,
  parseDigest,
  parseJosePublicKey,
  parseNamespace,
  parsePrivateKey,
  utf8,
  type Digest,
  type GovernanceEntry,
} from '@waybill/protocol';
import { GovernanceWriter, joseKeyOf, ORIGIN } from '../governance/governance-records.ts';
import { openRegistry, openUser, type TestRegistry, type TestUser } from '../registry.ts';

const NAMESPACE = parseNamespace('test');

/** An honest registry, and one of a liar who has put other bytes under the same names. */
export interface Stage {
  readonly honest: TestRegistry;
  readonly evil: TestRegistry;
  readonly operatorKeyId: Digest;
  /** Publishes what comes after a reader's first visit: new releases, a yank, other packages, who may start them, a takedown. */
  goOn(): Promise<void>;
  dispose(): Promise<void>;
}

/** Both registries as they are before {@link Stage.goOn}. */
export async function openStage(): Promise<Stage> {
  const [honest, evil] = [await openRegistry({ origin: ORIGIN }), await openRegistry()];
  const [publisher, liar] = [await openUser(), await openUser()];
  const { publicKey } = JSON.parse(await publisher.ok('key', 'new', '--json'));
  await liar.ok('key', 'new');
  const honestly = publishing(publisher, honest, 'honest');
  const lying = publishing(liar, evil, 'evil');
  for (const publish of [honestly, lying]) {
    for (const version of ['1.0.0', '1.1.0', '2.0.0-rc.1']) await publish('victim', version);
    await publish('other', '1.0.0');
    await publish('third', '1.0.0');
    await publish('third', '1.1.0');
  }
  return {
    honest,
    evil,
    operatorKeyId: parseDigest(honest.operatorKeyId),
    async goOn() {
      await honestly('victim', '1.2.0');
      const govern = await governing(honest);
      await govern({
        type: 'policy',
        starters: [parseJosePublicKey(publicKey)],
        gateway: 'refused',
        interfaceSteps: 'free',
      });
      await honestly('late', '1.0.0');
      await govern({ type: 'takedown', digest: digestOf(moduleOf('honest other 1.0.0')), code: 'malware' });
      await publisher.ok('yank', 'test:third@1.1.0', '--registry', honest.url.href);
      await lying('victim', '9.9.9');
    },
    async dispose() {
      for (const each of [honest, evil, publisher, liar]) await each.dispose();
    },
  };
}

function publishing(
  user: TestUser,
  registry: TestRegistry,
  whose: string,
): (title: string, version: string) => Promise<void> {
  return async (title, version) => {
    const file = path.join(user.home, `${title}-${version}.wasm`);
    await writeFile(file, moduleOf(`${whose} ${title} ${version}`));
    const args = ['--package', `test:${title}`, '--version', version, '--registry', registry.url.href];
    await user.ok('publish', file, ...args);
  };
}

/** Appends to the governance log of the namespace, which the operator's key begins. */
async function governing({ url, operatorKeyFile }: TestRegistry): Promise<(entry: GovernanceEntry) => Promise<void>> {
  const api = new RegistryApi(new Transport(url, fetch, {}, TRANSPORT_LIMITS));
  const key = parsePrivateKey((await readFile(operatorKeyFile, 'utf8')).trim());
  const writer = new GovernanceWriter(NAMESPACE, joseKeyOf(key));
  return async (entry) => api.appendGovernanceRecord(NAMESPACE, (await writer.write(entry)).envelope);
}

/** The smallest module with a custom section that holds `text`. */
export function moduleOf(text: string): Uint8Array {
  const payload = [1, 0x78, ...utf8(text)];
  return Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x00, payload.length, ...payload);
}
