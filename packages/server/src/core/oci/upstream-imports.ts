import {
  isRegistryError,
  messageOf,
  namespaceOf,
  parseDigest,
  RegistryError,
  type ImportNote,
  type Namespace,
  type PackageName,
} from '@waybill/protocol';
import {
  ociDigestOf,
  readManifest,
  repositoryOf,
  type OciDescriptor,
  type OciDigest,
  type ReadManifest,
  type RepositoryName,
  type TagName,
} from '@waybill/protocol/oci';
import {
  IMPORT_BYTES_MAX,
  IMPORTS_MAX,
  IMPORTS_WAITING_MAX,
  UPSTREAM_LIST_MS,
  UPSTREAM_LISTS_LENGTH_MAX,
  UPSTREAM_MEMORY_MAX,
  UPSTREAM_MISS_MS,
  UPSTREAM_RECHECK_MS,
} from '../limits.ts';
import type { Clock } from '../ports.ts';
import { upstreamRepository, type Upstream, type UpstreamManifest } from '../upstream-ports.ts';
import type { ImportedBlobs } from './imported-blobs.ts';
import type { ManifestPush } from './oci-registry.ts';
import { RecentMemory } from './recent-memory.ts';

/** Calls are cheap, synchronous and never throw. */
export interface UpstreamObserver {
  imported(name: PackageName, origin: ImportNote): void;
  /** It was not taken, or not looked at: nobody was answered with it. */
  failed(name: PackageName, failure: unknown): void;
  /** What was imported stays as it is. */
  changed(name: PackageName, change: { readonly tag: TagName; readonly was: OciDigest; readonly now: OciDigest }): void;
}

export interface UpstreamImportsParts {
  readonly upstreams: readonly Upstream[];
  readonly blobs: Pick<ImportedBlobs, 'take'>;
  /** Takes a release in as a push is taken in. Throws `oci/…`, `content/…`. */
  readonly importRelease: (repository: RepositoryName, put: ManifestPush, origin: ImportNote) => Promise<void>;
  /** Throws `oci/gateway` for a package into which nothing is imported. */
  readonly requireMay: (name: PackageName) => Promise<void>;
  readonly observer: UpstreamObserver;
  readonly clock: Clock;
}

/** One other registry, and what is asked of it now: one that is slow keeps nobody from the others. */
interface Origin {
  readonly upstream: Upstream;
  readonly imports: Turns;
  readonly lists: Turns;
}

interface Wanted {
  readonly name: PackageName;
  readonly tag: TagName;
  readonly upstream: Upstream;
}

/**
 * Releases of named namespaces that another registry has and this one has not. What is imported is judged as a push is, and
 * signed by the gateway, which says from where; then it is a release like any other, and its origin may be gone.
 */
export class UpstreamImports {
  readonly #parts: UpstreamImportsParts;
  readonly #origins: ReadonlyMap<Namespace, Origin>;
  /** By repository and tag: whoever asks meanwhile waits for the same. */
  readonly #running = new Map<string, Promise<boolean>>();
  readonly #listing = new Map<PackageName, Promise<readonly string[]>>();
  /** What did not come, and why; `null`: it is not there. */
  readonly #misses: RecentMemory<{ readonly failure: RegistryError | null }>;
  readonly #lists: RecentMemory<readonly string[]>;
  readonly #checks: RecentMemory<true>;

  constructor(parts: UpstreamImportsParts) {
    this.#parts = parts;
    this.#origins = new Map(parts.upstreams.map((upstream) => [upstream.place.namespace, originOf(upstream)]));
    const { clock } = parts;
    const memory = { sizeMax: UPSTREAM_MEMORY_MAX, sizeOf: () => 1, clock };
    this.#misses = new RecentMemory({ ...memory, lifeMs: UPSTREAM_MISS_MS });
    this.#lists = new RecentMemory({
      sizeMax: UPSTREAM_LISTS_LENGTH_MAX,
      sizeOf: lengthOf,
      clock,
      lifeMs: UPSTREAM_LIST_MS,
    });
    this.#checks = new RecentMemory({ ...memory, lifeMs: UPSTREAM_RECHECK_MS });
  }

  /** True for a package that may be had from another registry. */
  has(name: PackageName): boolean {
    return this.#origins.has(namespaceOf(name));
  }

  /** True once it is released here; false where the other registry has it not, or nothing is imported. Throws `upstream/…`. */
  async import(name: PackageName, tag: TagName): Promise<boolean> {
    const origin = this.#origins.get(namespaceOf(name));
    const key = `${name}@${tag}`;
    if (origin === undefined) return false;
    const miss = this.#misses.get(key);
    // Whoever asks again and again makes nobody fetch again and again.
    if (miss?.failure != null) throw miss.failure;
    if (miss !== null) return false;
    return this.#running.get(key) ?? this.#start(key, { name, tag }, origin);
  }

  async #start(key: string, wanted: Omit<Wanted, 'upstream'>, { upstream, imports }: Origin): Promise<boolean> {
    const running = imports.take(() => this.#import({ ...wanted, upstream }));
    this.#running.set(key, running);
    try {
      const isHere = await running;
      if (!isHere) this.#misses.set(key, { failure: null });
      return isHere;
    } catch (failure) {
      if (isRegistryError(failure, 'upstream/failed', 'upstream/refused')) this.#misses.set(key, { failure });
      throw failure;
    } finally {
      this.#running.delete(key);
    }
  }

  /** What the other registry lists, as of a minute ago; nothing when it cannot be asked. Throws `request/too-many`. */
  async tags(name: PackageName): Promise<readonly string[]> {
    const origin = this.#origins.get(namespaceOf(name));
    if (origin === undefined) return [];
    return this.#lists.get(name) ?? this.#listing.get(name) ?? this.#list(name, origin);
  }

  async #list(name: PackageName, { upstream, lists }: Origin): Promise<readonly string[]> {
    const listing = lists.take(() => this.#listed(name, upstream));
    this.#listing.set(name, listing);
    try {
      const listed = await listing;
      this.#lists.set(name, listed);
      return listed;
    } finally {
      this.#listing.delete(name);
    }
  }

  /** Asks now and then whether an imported tag means there what it meant, and tells who watches. Never throws. */
  async recheck(name: PackageName, tag: TagName, was: OciDigest): Promise<void> {
    const upstream = this.#origins.get(namespaceOf(name))?.upstream;
    const key = `${name}@${tag}`;
    if (upstream === undefined || this.#checks.get(key) !== null) return;
    this.#checks.set(key, true);
    try {
      const now = await upstream.digestOf(upstreamRepository(upstream.place, name), { tag });
      if (now !== null && now !== was) this.#parts.observer.changed(name, { tag, was, now });
    } catch (failure) {
      this.#parts.observer.failed(name, failure);
    }
  }

  async #listed(name: PackageName, upstream: Upstream): Promise<readonly string[]> {
    try {
      // Of what cannot come here nothing is promised.
      if (!(await this.#mayImport(name))) return [];
      return (await upstream.tags(upstreamRepository(upstream.place, name))) ?? [];
    } catch (failure) {
      this.#parts.observer.failed(name, failure);
      return [];
    }
  }

  async #mayImport(name: PackageName): Promise<boolean> {
    try {
      await this.#parts.requireMay(name);
      return true;
    } catch (failure) {
      if (isRegistryError(failure, 'oci/gateway')) return false;
      throw failure;
    }
  }

  async #import({ name, tag, upstream }: Wanted): Promise<boolean> {
    if (!(await this.#mayImport(name))) return false;
    const { registry } = upstream.place;
    const repository = upstreamRepository(upstream.place, name);
    try {
      const manifest = await upstream.manifest(repository, { tag });
      if (manifest === null) return false;
      const digest = parseDigest(ociDigestOf('sha256', manifest.bytes));
      const origin = { registry, repository, tag, digest };
      await this.#take({ name, tag, upstream }, manifest, origin);
      this.#parts.observer.imported(name, origin);
      return true;
    } catch (failure) {
      this.#parts.observer.failed(name, failure);
      if (isOurs(failure)) throw failure;
      const why = `${registry}/${repository}:${tag} is not taken: ${messageOf(failure)}`;
      throw new RegistryError('upstream/failed', why, {}, { cause: failure });
    }
  }

  async #take(
    { name, tag, upstream }: Wanted,
    { bytes, contentType }: UpstreamManifest,
    origin: ImportNote,
  ): Promise<void> {
    const here = repositoryOf(name);
    const manifest = readManifest(bytes, contentType);
    for (const { digest, size } of blobsToFetch(manifest)) {
      const body = (): AsyncIterable<Uint8Array> => upstream.blob(origin.repository, { digest, size });
      await this.#parts.blobs.take(here, { digest, size, body });
    }
    const put = { reference: { tag }, tags: [], contentType: manifest.mediaType, bytes };
    await this.#parts.importRelease(here, put, origin);
  }
}

function originOf(upstream: Upstream): Origin {
  const turns = (): Turns => new Turns(IMPORTS_MAX, IMPORTS_WAITING_MAX);
  return { upstream, imports: turns(), lists: turns() };
}

/** An empty list takes room, too. */
function lengthOf(list: readonly string[]): number {
  return list.reduce((sum, text) => sum + text.length + 1, 1);
}

/** Throws `oci/manifest`, before anything is fetched. */
function blobsToFetch({ sort, config, layers, subject }: ReadManifest): readonly OciDescriptor[] {
  if (sort !== 'image' || config === null)
    throw new RegistryError('oci/manifest', 'it is an index: no release has one');
  if (subject !== null) throw new RegistryError('oci/manifest', 'it refers to another: no release does');
  // Their bytes lie at addresses that the manifest names, and nobody goes there (SECURITY.md O7).
  if (layers.some(({ isForeign }) => isForeign)) throw new RegistryError('oci/manifest', 'a layer lies elsewhere');
  const blobs = new Map([config, ...layers].map((blob) => [blob.digest, blob]));
  const bytes = [...blobs.values()].reduce((sum, { size }) => sum + size, 0);
  if (bytes > IMPORT_BYTES_MAX) throw new RegistryError('oci/size', `it has over ${IMPORT_BYTES_MAX} bytes`);
  return [...blobs.values()];
}

/** What says nothing about the other registry. */
function isOurs(failure: unknown): boolean {
  return !isRegistryError(failure) || failure.code.startsWith('storage/') || failure.code === 'upstream/refused';
}

/** Work that waits until fewer than so many run; who finds too many waiting is told to come back. */
class Turns {
  readonly #runningMax: number;
  readonly #waitingMax: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(runningMax: number, waitingMax: number) {
    this.#runningMax = runningMax;
    this.#waitingMax = waitingMax;
  }

  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#runningMax) {
      if (this.#waiting.length >= this.#waitingMax) {
        throw new RegistryError('request/too-many', 'too much is being fetched from another registry: try again');
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#running += 1;
    }
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      // Whoever is next takes the place over.
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
