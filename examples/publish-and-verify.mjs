// A registry, a publisher and a reader in one program, with the packages that the command line is made of.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  authorOf,
  fetchContent,
  publish,
  RegistryApi,
  RegistryClient,
  resolveRelease,
  Transport,
  TRANSPORT_LIMITS,
} from '@waybill/client';
import { KeyStore, openContentCache, openLogFiles, openTrustFiles } from '@waybill/client/node';
import { digestOf, parsePackageName, parseVersion } from '@waybill/protocol';
import { parseConfig, startServer } from '@waybill/server';

const COMPONENT = new URL('../node_modules/@bytecodealliance/jco/obj/wasm-tools.component.wasm', import.meta.url);
const folder = mkdtempSync(path.join(os.tmpdir(), 'waybill-example-'));

const config = await parseConfig({
  data: path.join(folder, 'registry'),
  listen: '127.0.0.1:0',
  namespaces: ['example'],
  publishers: null,
  open: false,
  anyContent: false,
  publicUrl: null,
  logLevel: 'silent',
});
const server = await startServer(config, (failure) => {
  throw failure;
});

// Whoever reads pins the operator's key, which it has got by another way than from the registry.
const clientFor = (name) =>
  new RegistryClient({
    api: new RegistryApi(new Transport(server.url, fetch, {}, TRANSPORT_LIMITS)),
    trust: openTrustFiles(path.join(folder, name)),
    logs: openLogFiles(path.join(folder, name, 'logs')),
    expectedOperator: server.operatorKeyId,
    confirmOperator: async () => false,
    clock: Date.now,
    checkpointAgeSecondsMax: 86_400,
  });

const bytes = readFileSync(fileURLToPath(COMPONENT));
const content = digestOf(bytes);
const name = parsePackageName('example:tools');
const keys = new KeyStore({ folder: path.join(folder, 'keys'), keyring: null, environmentKey: undefined });
await keys.createAny('default', 'ES256', true);

const published = await publish(
  {
    name,
    entries: () => [{ type: 'release', version: parseVersion('1.0.0'), content }],
    annotations: [],
    contents: new Map([[content, async () => new Blob([bytes])]]),
    final: false,
  },
  {
    client: clientFor('publisher'),
    author: authorOf([await keys.load('default')]),
    clock: Date.now,
    random: (length) => crypto.getRandomValues(new Uint8Array(length)),
    onStep: () => undefined,
  },
);
console.log(`published as record ${published.registryIndex} of the registry log`);

const client = clientFor('reader');
const view = await client.view([name]);
const release = resolveRelease(view.packages.get(name), { name, version: '^1' }, 'pass over');
const cache = openContentCache(path.join(folder, 'content'));
await fetchContent(release.content, { client, cache, onProgress: () => undefined });
const chunks = [];
for await (const chunk of await cache.read(release.content)) chunks.push(chunk);
assert.deepEqual(Buffer.concat(chunks), bytes);
console.log(`${name}@${release.release.version} verified: ${release.content}`);

await server.stop();
rmSync(folder, { recursive: true });
