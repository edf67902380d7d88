import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { open } from '@waybill/client';
import { digestOf, packageLogId, parsePackageName, utf8, type Digest } from '@waybill/protocol';
import { encodeTreeIndex } from '@waybill/protocol/content';
import { writeFolder } from './folder-files.ts';
import { COMPONENT, CORE_MODULE, openRegistry, openUser, type TestRegistry, type TestUser } from './registry.ts';

/* One release, one manifest, wherever it is built: spec/oci.md 5.1. */

let first: TestRegistry;
let second: TestRegistry;
let user: TestUser;
/** All that was published. */
const contents = new Map<string, Uint8Array>();

before(async () => {
  const home = { origin: 'registry.example' };
  first = await openRegistry(home);
  second = await openRegistry(home);
  user = await openUser();
  await user.ok('key', 'new');
});
after(async () => {
  await first.dispose();
  await second.dispose();
  await user.dispose();
});

const at = (registry: TestRegistry): readonly string[] => ['--registry', String(registry.url)];

function know(bytes: Uint8Array): Digest {
  const digest = digestOf(bytes);
  contents.set(digest, bytes);
  return digest;
}

/** The same records in another registry, as a mirror has them. */
async function copyPackage(text: string): Promise<void> {
  const name = parsePackageName(text);
  const logId = packageLogId(name);
  const [from, to] = await Promise.all([first, second].map(({ url }) => open(String(url), { operatorKey: null })));
  const view = await from?.client.view([name]);
  for (const { envelope } of view?.packages.get(name)?.records ?? assert.fail()) {
    for (;;) {
      const status = await to?.client.api.publish(logId, name, envelope, false);
      if (status?.state !== 'sourcing') break;
      for (const [digest, [endpoint]] of status.missingContent) {
        const bytes = contents.get(digest) ?? assert.fail(digest);
        await to?.client.api.upload(endpoint ?? assert.fail(), new Blob([new Uint8Array(bytes)]));
      }
    }
  }
}

interface SaidManifest {
  readonly manifest: { readonly digest: string; readonly size: number };
  readonly config: { readonly digest: string; readonly size: number };
}

async function saidBy(registry: TestRegistry, release: string): Promise<SaidManifest> {
  return JSON.parse(await user.ok('oci', 'manifest', release, '--json', ...at(registry)));
}

async function served(registry: TestRegistry, path: string): Promise<Buffer> {
  const response = await fetch(new URL(`v2/${path}`, registry.url));
  assert.equal(response.status, 200, `${path}: ${response.status}`);
  return Buffer.from(await response.arrayBuffer());
}

function digestOfBytes(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

async function requireOneManifest(name: string, version: string): Promise<void> {
  const release = `test:${name}@${version}`;
  const said = await saidBy(first, release);
  assert.deepEqual(await saidBy(second, release), said, release);
  await user.ok('oci', 'manifest', release, '-o', 'manifest.json', ...at(first));
  await user.ok('oci', 'manifest', release, '--config', '-o', 'config.json', ...at(first));
  const [manifest, config] = [await readFile(user.file('manifest.json')), await readFile(user.file('config.json'))];
  assert.deepEqual([digestOfBytes(manifest), manifest.length], [said.manifest.digest, said.manifest.size]);
  assert.deepEqual([digestOfBytes(config), config.length], [said.config.digest, said.config.size]);
  for (const registry of [first, second]) {
    const references = [version.replace('+', '_'), said.manifest.digest];
    for (const reference of references) {
      assert.deepEqual(
        await served(registry, `test/${name}/manifests/${reference}`),
        manifest,
        `${release} ${reference}`,
      );
    }
    assert.deepEqual(await served(registry, `test/${name}/blobs/${said.config.digest}`), config, release);
  }
}

test('a release is the same manifest on two servers and here: files', async () => {
  for (const [name, version, file] of [
    ['component', '1.0.0', COMPONENT],
    ['module', '1.0.0+build.7', CORE_MODULE],
  ] as const) {
    know(await readFile(file));
    await user.ok('publish', file, '--package', `test:${name}`, '--version', version, ...at(first));
    await copyPackage(`test:${name}`);
    await requireOneManifest(name, version);
  }
  const { component } = JSON.parse(
    await user.ok('oci', 'manifest', 'test:component', '--json', ...at(first)).then(readConfig),
  );
  assert.ok(component.exports.length > 0);
});

async function readConfig(said: string): Promise<string> {
  const { config } = JSON.parse(said);
  return String(await served(first, `test/component/blobs/${config.digest}`));
}

test('a release is the same manifest on two servers and here: a tree', async () => {
  const files = { 'component.wasm': await readFile(COMPONENT), 'docs/readme.md': utf8('# site'), empty: utf8('') };
  const folder = await writeFolder(user.file('site'), files);
  know(encodeTreeIndex(Object.entries(files).map(([path, bytes]) => ({ path, digest: know(bytes) }))));
  await user.ok('publish', folder, '--package', 'test:site', '--version', '1.0.0', ...at(first));
  await copyPackage('test:site');
  await requireOneManifest('site', '1.0.0');
});

test('a range names a release, and what is not there is said', async () => {
  const text = await user.ok('oci', 'manifest', 'test:component@^1', ...at(first));
  const { manifest } = await saidBy(second, 'test:component@1.0.0');
  assert.ok(text.startsWith('test:component@1.0.0\n') && text.includes(manifest.digest), text);
  const outcome = await user.run('oci', 'manifest', 'test:component@2.0.0', '--json', ...at(first));
  assert.equal(JSON.parse(outcome.stderr).error.code, 'release/not-found');
});
