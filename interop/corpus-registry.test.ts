import assert from 'node:assert/strict';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { open, type FetchedRelease, type Registry as OpenRegistry } from '@waybill/client';
import { isRegistryError } from '@waybill/protocol';
import { CONTENT_KINDS, kindCheckOf, kindDemand, kindsOfBytes, type ClaimedKind } from '@waybill/protocol/content';
import { refuses, succeeds } from './command.ts';
import { corpusReleases, type CorpusRelease } from './corpus-release.ts';
import { LibraryAuthor } from './library-author.ts';
import { peerTest, type PeerName } from './peers.ts';
import { newWargPerson, newWaybillPerson, type WargPerson, type WaybillPerson } from './person.ts';
import { startWaybillOf } from './registry.ts';
import { FULL } from './scale.ts';
import { assertSameBytes, newHome, openScene, type Scene } from './scene.ts';

/** Who acts beside others: each command with a home, and so a cache, of its own. */
interface Lane {
  readonly registry: OpenRegistry;
  readonly library: LibraryAuthor;
  readonly waybill: WaybillPerson;
  readonly warg: WargPerson;
}

/** What happens to every binary, in a registry of its own: a WIT package is released under one name and version alone. */
interface Way {
  readonly title: string;
  readonly go: (release: CorpusRelease, lane: Lane) => Promise<void>;
}

const WAYS: readonly Way[] = [
  { title: 'waybill publishes a binary as its kind, and gets it back', go: publishAsKind },
  { title: 'the library publishes a binary, and warg downloads it', go: publishForWarg },
  { title: 'warg publishes a binary, and waybill gets it', go: publishByWarg },
];
const NEEDS: readonly PeerName[] = ['corpus', 'wasm-tools', 'warg'];
const LANES = 2;
const NAMESPACES = ['test', 'wasi'];
const SAMPLE_STEP = 8;
const FILE_KINDS = ['component', 'interface', 'profile', 'module'] as const;
const REFUSED = 77;
const CONTRADICTED = /content says that it is the WIT package/;

peerTest('the corpus through our registry', NEEDS, async (t) => {
  const all = corpusReleases();
  const releases = all.filter((release, index) => FULL || index % SAMPLE_STEP === 0 || isWitPackage(release));
  for (const way of WAYS) {
    const startedAt = performance.now();
    await t.test(way.title, (sub) => goAll(sub, way, releases));
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    console.log(`${way.title}: ${releases.length} of ${all.length} in ${seconds} s`);
  }
});

function isWitPackage({ kind }: CorpusRelease): boolean {
  return kind === 'interface' || kind === 'profile';
}

async function goAll(t: TestContext, { go }: Way, releases: readonly CorpusRelease[]): Promise<void> {
  const { scene, registry } = await openCorpusScene(t);
  const lanes = await Promise.all(Array.from({ length: LANES }, () => newLane(scene, registry)));
  const queue = releases.values();
  const run = async (lane: Lane): Promise<void> => {
    for (const release of queue) await t.test(release.title, () => go(release, lane));
  };
  await Promise.all(lanes.map(run));
}

interface CorpusScene {
  readonly scene: Scene;
  readonly registry: OpenRegistry;
}

async function openCorpusScene(t: TestContext): Promise<CorpusScene> {
  const scene = await openScene(t, { start: startWaybillOf(NAMESPACES), newcomer: newWargPerson });
  const { url, operatorKeyId } = scene.registry;
  return { scene, registry: await open(url.href, { operatorKey: operatorKeyId }) };
}

async function newLane({ registry: { url }, folder }: Scene, registry: OpenRegistry): Promise<Lane> {
  return {
    registry,
    library: new LibraryAuthor(registry),
    waybill: await newWaybillPerson(url, newHome(folder)),
    warg: await newWargPerson(url, newHome(folder)),
  };
}

async function publishAsKind(release: CorpusRelease, { waybill, warg, registry }: Lane): Promise<void> {
  const { name, version, file, kind } = release;
  checkKinds(release);
  await succeeds(waybill.run('publish', file, '--package', name, '--version', version, '--kind', kind));
  const { release: signed } = await getFrom(registry, release);
  assert.equal(signed.mediaType, CONTENT_KINDS[kind].mediaType);
  assert.equal(signed.size, release.bytes.length);
  // warg reads records of version 0 alone, which have no place for a kind.
  await refuses(warg.run('download', name, '--output', 'none.wasm'), 1, /uses record version 1/);
}

async function publishForWarg(release: CorpusRelease, { library, warg, registry }: Lane): Promise<void> {
  const { name, version, file } = release;
  await library.release({ ...release, mediaType: null });
  const received = path.join(warg.home, 'received.wasm');
  await succeeds(warg.run('download', name, '--version', version, '--output', received));
  assertSameBytes(received, file);
  assert.equal((await getFrom(registry, release)).release.mediaType, null);
}

async function publishByWarg(release: CorpusRelease, { waybill, warg, registry }: Lane): Promise<void> {
  const { name, version, file, kind } = release;
  await succeeds(warg.release(name, version, file));
  const received = path.join(waybill.home, 'received.wasm');
  await succeeds(waybill.download(name, version, received));
  assertSameBytes(received, file);
  const { bytes } = await getFrom(registry, release);
  assert.ok(kindsOfBytes(bytes).kinds.includes(kind));
}

async function getFrom(
  registry: OpenRegistry,
  { name, version, digest, bytes }: CorpusRelease,
): Promise<FetchedRelease> {
  const fetched = await registry.get(`${name}@${version}`);
  assert.equal(fetched.release.digest, digest);
  assert.ok(Buffer.from(bytes).equals(fetched.bytes), `${name}@${version} differs from what was published`);
  return fetched;
}

/** A WIT package with a world is an interface as well: spec/content.md 3.1. */
function checkKinds({ bytes, kind }: CorpusRelease): void {
  const allowed: readonly ClaimedKind[] = kind === 'profile' ? ['interface', 'profile'] : [kind];
  assert.deepEqual(kindsOfBytes(bytes).kinds, allowed);
  for (const claimed of FILE_KINDS) {
    const check = kindCheckOf(kindDemand(claimed, null));
    check.update(bytes);
    if (allowed.includes(claimed)) check.finish();
    else assert.throws(() => check.finish(), isPolicyRefusal);
  }
}

function isPolicyRefusal(failure: unknown): boolean {
  return isRegistryError(failure, 'content/policy');
}

peerTest('P4: a WIT package of the corpus is given under no other name and version', NEEDS, async (t) => {
  const { scene, registry } = await openCorpusScene(t);
  const lane = await newLane(scene, registry);
  const packages = corpusReleases().filter(isWitPackage);
  assert.ok(packages.length >= 2);
  for (const release of packages) await checkContradictions(release, lane);
});

async function checkContradictions(own: CorpusRelease, { library, waybill, warg }: Lane): Promise<void> {
  const { mediaType } = CONTENT_KINDS[own.kind];
  const others = [
    { name: own.name.replace('wasi:', 'test:'), version: own.version },
    { name: `${own.name}-more`, version: own.version },
    { name: own.name, version: '0.2.99' },
  ];
  for (const { name, version } of others) {
    const asked = ['publish', own.file, '--package', name, '--version', version];
    await refuses(waybill.run(...asked), REFUSED, CONTRADICTED);
    await refuses(waybill.run(...asked, '--kind', own.kind), REFUSED, CONTRADICTED);
    await assert.rejects(library.release({ ...own, name, version, mediaType }), isServerRefusal);
  }
  await library.release({ ...own, mediaType });
  // Of version 0, a release claims nothing: it is taken, and whoever reads the package refuses it.
  const byWarg = own.name.replace('wasi:', 'test:by-warg-');
  await succeeds(warg.release(byWarg, own.version, own.file));
  await refuses(waybill.run('wit', byWarg), REFUSED, CONTRADICTED);
}

/** The library holds no bytes against their claim before it sends them: the registry does. */
function isServerRefusal(failure: unknown): boolean {
  return isRegistryError(failure, 'registry/refused') && CONTRADICTED.test(failure.message);
}
