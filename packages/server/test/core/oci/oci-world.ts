import { createHash } from 'node:crypto';
import { parseNamespace, parseTokenId } from '@waybill/protocol';
import {
  parseOciDigest,
  parseRepository,
  parseTag,
  type OciAlgorithm,
  type OciDigest,
  type RepositoryName,
  type TagName,
} from '@waybill/protocol/oci';
import { emptyOciBlobMemory, openOciMemory, type OciBlobMemory } from '../../../src/blobs/oci-memory/oci-memory.ts';
import type { TokenPolicy } from '../../../src/core/access.ts';
import type { BlobStore, OciStore, UploadStore } from '../../../src/core/oci-ports.ts';
import { OciAccess } from '../../../src/core/oci/oci-access.ts';
import { OciLeases } from '../../../src/core/oci/oci-leases.ts';
import type { OciCaller, OciPushing, OciReading, UploadBody } from '../../../src/core/oci/oci-registry.ts';
import { OciSweep } from '../../../src/core/oci/oci-sweep.ts';
import { OciUploads } from '../../../src/core/oci/oci-uploads.ts';
import { OciView, type OciViewParts, unsupportedRepositories } from '../../../src/core/oci/oci-view.ts';
import { namesBelow } from '../../../src/core/oci/plain-names.ts';
import { PlainRepositories } from '../../../src/core/oci/plain-repositories.ts';
import { RepositorySorts } from '../../../src/core/oci/repository-sort.ts';
import { PrivateNamespaces } from '../../../src/core/private-namespaces.ts';
import type { Publishers } from '../../../src/core/publishers.ts';
import { OciMemoryStore, emptyOciMemoryState } from '../../../src/storage/oci-memory/oci-memory-store.ts';
import { openCore, STARTED_MS, type RegistryCore } from '../registry-core.ts';

export const IMAGE = 'application/vnd.oci.image.manifest.v1+json';
export const INDEX = 'application/vnd.oci.image.index.v1+json';

/** What keeps things; it outlives the view over it, as a folder does a process. */
export interface OciDrivers {
  readonly store: OciStore;
  readonly blobs: BlobStore;
  readonly uploads: UploadStore;
}

export interface WorldOptions {
  readonly drivers?: OciDrivers;
  readonly prefixes?: readonly string[];
  readonly tokenPolicy?: TokenPolicy;
  readonly publishers?: Publishers;
  readonly packages?: OciReading & OciPushing;
  /** Names of packages, as paths. */
  readonly packageNames?: readonly string[];
  readonly privates?: readonly string[];
}

/** The OCI view without HTTP, over a core whose namespace is `test`, with a clock that stands still. */
export interface OciWorld extends OciDrivers {
  readonly view: OciView;
  readonly uploading: OciUploads;
  readonly sweep: OciSweep;
  readonly sorts: RepositorySorts;
  nowMs: number;
}

/** Moves with the world's time; drivers in memory take it. */
export class TestClock {
  nowMs = STARTED_MS;
  readonly now = (): number => this.nowMs;
}

export function memoryDrivers(clock: TestClock, memory: OciBlobMemory = emptyOciBlobMemory()): OciDrivers {
  return { store: new OciMemoryStore(emptyOciMemoryState()), ...openOciMemory(memory, clock.now) };
}

/** Some of its calls are others. */
export function storeWith(store: OciStore, change: Partial<OciStore>): OciStore {
  return new Proxy(store, {
    get: (target, name) => {
      const member: unknown = Reflect.get(name in change ? change : target, name);
      return typeof member === 'function'
        ? (...args: readonly unknown[]): unknown => Reflect.apply(member, target, args)
        : member;
    },
  });
}

let core: RegistryCore | null = null;

/** One for a test file: it only says which namespaces there are. */
export async function disposeCore(): Promise<void> {
  await core?.dispose();
  core = null;
}

export async function openWorld(clock: TestClock, options: WorldOptions = {}): Promise<OciWorld> {
  const { drivers = memoryDrivers(clock), prefixes = ['plain', 'other'], tokenPolicy = 'off' } = options;
  const { publishers = 'open', packages = unsupportedRepositories, privates = [] } = options;
  core ??= await openCore();
  const sorts = new RepositorySorts({ operator: core.states.operator, prefixes: prefixes.map(parseRepository) });
  const access = new OciAccess({
    sorts,
    tokenPolicy,
    publishers,
    privates: new PrivateNamespaces(privates.map(parseNamespace)),
  });
  const leases = new OciLeases(clock.now);
  const plain = new PlainRepositories({ ...drivers, leases, clock: clock.now });
  const reading = { package: packages, plain };
  const uploading = await OciUploads.open({ ...drivers, leases, access, reading, clock: clock.now });
  const bySort = { package: { reading: packages, pushing: packages }, plain: { reading: plain, pushing: plain } };
  const { packageNames = [] } = options;
  const names: OciViewParts['names'] = {
    package: async ({ after: last, limit }) =>
      packageNames.filter((name) => last === null || name > last).slice(0, limit),
    plain: namesBelow(prefixes.map(parseRepository), (page) => drivers.store.listRepositories(page)),
  };
  const view = new OciView({ access, leases, uploads: uploading, sorts: bySort, names });
  const sweep = new OciSweep({ ...drivers, uploads: uploading, leases, clock: clock.now });
  return {
    ...drivers,
    view,
    uploading,
    sweep,
    sorts,
    get nowMs() {
      return clock.nowMs;
    },
    set nowMs(nowMs) {
      clock.nowMs = nowMs;
    },
  };
}

export const ANYONE: OciCaller = { access: 'anyone', granted: null };

export function accountCaller(account: string, namespaces: readonly string[] | '*' = '*'): OciCaller {
  const scope = {
    actions: new Set(['publish'] as const),
    namespaces: namespaces === '*' ? namespaces : new Set(namespaces),
  };
  return { access: { tokenId: parseTokenId('0'.repeat(16)), account, scope }, granted: null };
}

export function repo(text: string): RepositoryName {
  return parseRepository(text);
}

export function tag(text: string): TagName {
  return parseTag(text);
}

export function digestOf(bytes: Uint8Array | string, algorithm: OciAlgorithm = 'sha256'): OciDigest {
  return parseOciDigest(`${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`);
}

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

async function* chunks(parts: readonly (Uint8Array | Error)[]): AsyncGenerator<Uint8Array, void, undefined> {
  for (const part of parts) {
    if (part instanceof Error) throw part;
    yield part;
  }
}

/** A body of texts; an error among them is where its line breaks. */
export function bodyOf(
  parts: readonly (string | Error)[],
  told: { readonly start?: number; readonly length?: number } = {},
): UploadBody {
  const body = chunks(parts.map((part) => (typeof part === 'string' ? bytesOf(part) : part)));
  return { start: told.start ?? null, length: told.length ?? null, body };
}

export async function pushBlob(
  world: OciWorld,
  repository: string,
  content: string,
  caller = ANYONE,
): Promise<OciDigest> {
  const digest = digestOf(content);
  await world.view.uploads.push(caller, repo(repository), { digest, body: bodyOf([content]) });
  return digest;
}

export async function readBlob(world: OciWorld, repository: string, digest: OciDigest): Promise<string> {
  const found = await world.view.blob(ANYONE, repo(repository), digest);
  const parts: Uint8Array[] = [];
  for await (const chunk of found.read({ start: 0, end: found.size })) parts.push(chunk.slice());
  return Buffer.concat(parts).toString();
}

export function descriptor(content: string, more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    mediaType: 'application/octet-stream',
    digest: digestOf(content),
    size: Buffer.byteLength(content),
    ...more,
  };
}

/** An image manifest over blobs of these texts. */
export function imageOf(layers: readonly string[], more: Readonly<Record<string, unknown>> = {}): Uint8Array {
  const manifest = {
    schemaVersion: 2,
    mediaType: IMAGE,
    config: descriptor('{}', { mediaType: 'application/vnd.oci.empty.v1+json' }),
    layers: layers.map((layer) => descriptor(layer)),
    ...more,
  };
  return bytesOf(JSON.stringify(manifest));
}

export async function putImage(
  world: OciWorld,
  repository: string,
  reference: string,
  { layers = [], more = {} }: { layers?: readonly string[]; more?: Readonly<Record<string, unknown>> } = {},
): Promise<OciDigest> {
  for (const layer of ['{}', ...layers]) await pushBlob(world, repository, layer);
  const push = { reference: { tag: tag(reference) }, tags: [], contentType: IMAGE, bytes: imageOf(layers, more) };
  return (await world.view.putManifest(ANYONE, repo(repository), push)).digest;
}
