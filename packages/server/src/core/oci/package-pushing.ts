import {
  isRegistryError,
  namespaceOf,
  packageLogId,
  parseDigest,
  RegistryError,
  type Digest,
  type ImportNote,
  type PackageName,
  type PackageState,
} from '@waybill/protocol';
import {
  algorithmOf,
  EMPTY_CONFIG,
  ociDigestOf,
  packageOf,
  readManifest,
  referrerType,
  type OciDescriptor,
  type OciDigest,
  type OciReference,
  type ReadManifest,
  type RepositoryName,
} from '@waybill/protocol/oci';
import { accountOf, requireScope } from '../access.ts';
import type { ContentPolicy } from '../content.ts';
import type { ContentAtHand, Gateway } from '../gateway/gateway.ts';
import { GovernanceGate } from '../governance-gate.ts';
import { PUSHED_CONFIG_BYTES_READ_MAX } from '../limits.ts';
import type { BlobStore, OciStore, StoredManifest } from '../oci-ports.ts';
import type { Clock, ContentStore } from '../ports.ts';
import type { StateCaches } from '../state-caches.ts';
import type { ManifestPush, OciCaller, OciPushing, PushedManifest } from './oci-registry.ts';
import { examineContent, refused, type PushedBytes } from './pushed-content.ts';
import { layersOf, requireLabelsAgree, type PushedLayers } from './pushed-layers.ts';
import {
  keptFirst,
  speechFor,
  versionsNamed,
  versionsToRelease,
  type ReleasePlan,
  type ReleaseSource,
} from './pushed-release.ts';
import { pushedTags, type PushedTags } from './pushed-tags.ts';

export interface PackagePushingParts {
  readonly store: OciStore;
  readonly blobs: BlobStore;
  readonly content: ContentStore;
  readonly states: StateCaches;
  readonly gateway: Gateway;
  readonly contentPolicy: ContentPolicy;
  readonly clock: Clock;
  /** Keeps blobs from being swept while they are worked on. */
  readonly leases: { hold<T>(digests: readonly OciDigest[], work: () => Promise<T>): Promise<T> };
}

/** One push, as far as it is understood. */
interface Push {
  readonly name: PackageName;
  readonly repository: RepositoryName;
  readonly source: ReleaseSource;
  readonly manifest: ReadManifest;
  readonly bytes: Uint8Array;
  readonly digest: OciDigest;
  readonly tags: PushedTags;
}

/** Where the bytes of a layer are. */
interface FoundLayer {
  readonly bytes: PushedBytes;
  /** `null` for what only the log's content has. */
  readonly blob: OciDigest | null;
}

/**
 * What a package takes from OCI clients: a manifest with a version's tag is a release, signed by the gateway; without a tag it is
 * kept beside the log. Tags of versions never move, and nothing is deleted: spec/oci.md 6.
 */
export class PackagePushing implements OciPushing {
  readonly #parts: PackagePushingParts;
  readonly #gate: GovernanceGate;

  constructor(parts: PackagePushingParts) {
    this.#parts = parts;
    this.#gate = new GovernanceGate(parts.states.governance);
  }

  /**
   * Published when it resolves. Throws `oci/…` with a sentence for what is wrong, `content/taken-down`, `token/scope`, and what
   * the gateway throws.
   */
  async putManifest(caller: OciCaller, repository: RepositoryName, put: ManifestPush): Promise<PushedManifest> {
    requireScope(caller.access, { action: 'publish', namespace: namespaceOf(nameOf(repository)) });
    return this.#put({ ...pushOf(repository, put), source: { account: accountOf(caller.access) } });
  }

  /** The same for what was fetched from elsewhere: the record says from where, and nobody's token is asked. */
  async importRelease(repository: RepositoryName, put: ManifestPush, origin: ImportNote): Promise<void> {
    await this.#put({ ...pushOf(repository, put), source: { origin } });
  }

  async #put(push: Push): Promise<PushedManifest> {
    const { manifest, digest } = push;
    const warning = await this.#parts.leases.hold(blobsOf(manifest), () =>
      push.tags.isRelease ? this.#putRelease(push) : this.#putBeside(push),
    );
    return { digest, subject: manifest.subject?.digest ?? null, tags: push.tags.all, warning };
  }

  deleteManifest(repository: RepositoryName): Promise<void> {
    return Promise.reject(undeletable(repository));
  }

  deleteBlob(repository: RepositoryName): Promise<void> {
    return Promise.reject(undeletable(repository));
  }

  /** A release, or one that is there already. Gives a warning, or `null`. */
  async #putRelease(push: Push): Promise<string | null> {
    const { name, manifest, tags } = push;
    const layers = layersOf(manifest);
    const plan: ReleasePlan = { name, tags, content: layers.content };
    const { open, versions } = await this.#read(name, (state) => ({
      open: versionsToRelease(state, plan),
      versions: versionsNamed(state, plan),
    }));
    if (open.length > 0) await this.#parts.gateway.requireMay(name);
    await this.#refuseTakenDown(push, layers.content);
    const config = await this.#readConfig(push, open.length > 0);
    const found = await this.#findLayers(push);
    requireLabelsAgree(manifest, config, { name, versions });
    if (open.length === 0) return this.#putAgain(push, found);
    const { mediaTypes, size, warning } = await this.#examine(push, layers, found);
    await this.#makeDurable(push, found);
    await this.#giveContent(layers, found);
    const said = { ...plan, mediaTypes, size, source: push.source, manifest: push.bytes };
    await this.#parts.gateway
      .release(name, (state, key) => speechFor(state, { ...said, key }), contentOf(layers, found))
      .catch(refuseContent);
    return warning;
  }

  /** Its tags keep the manifest that came first; this one can be had by its digest. */
  async #putAgain(push: Push, found: readonly FoundLayer[]): Promise<string | null> {
    const { manifest, name, tags } = push;
    const config = manifest.config;
    const isHere = config !== null && (await this.#linkedSize(push.repository, config)) !== null;
    if (isHere) await this.#makeDurable(push, found);
    return keptFirst(name, tags);
  }

  /** What no record names: attachments, and manifests that are nobody's release yet. */
  async #putBeside(push: Push): Promise<null> {
    const { tags, repository } = push;
    await this.#refuseTakenDown(push, null);
    await this.#readConfig(push, true);
    const found = await this.#findLayers(push);
    await this.#makeDurable(
      push,
      found,
      tags.beside.map((tag) => ({ repository, tag, digest: push.digest })),
    );
    return null;
  }

  /** Throws `content/taken-down`, also for a file of a tree. */
  async #refuseTakenDown({ name, manifest }: Push, content: Digest | null): Promise<void> {
    const named = blobsOf(manifest).flatMap((digest) => sha256Of(digest) ?? []);
    for (const digest of new Set([...named, ...(content === null ? [] : [content])])) {
      await this.#gate.admitContent(name, digest);
    }
  }

  /** `null` where it is too large to say anything of the release, or not here and not needed. */
  async #readConfig({ manifest: { config }, repository }: Push, isNeeded: boolean): Promise<Uint8Array | null> {
    if (config === null) return null;
    const size = await this.#linkedSize(repository, config);
    if (size === null && isNeeded) throw missing('config', config);
    if (size === null || size <= EMPTY_CONFIG.length || size > PUSHED_CONFIG_BYTES_READ_MAX) return null;
    return readWhole(this.#parts.blobs, config.digest, size);
  }

  async #findLayers({ manifest, repository, name }: Push): Promise<readonly FoundLayer[]> {
    const found: FoundLayer[] = [];
    for (const layer of manifest.layers) {
      if (!layer.isForeign) found.push(await this.#findLayer(layer, { repository, name }));
    }
    return found;
  }

  async #findLayer(layer: OciDescriptor, { repository, name }: Pick<Push, 'repository' | 'name'>): Promise<FoundLayer> {
    const { blobs, content } = this.#parts;
    const digest = sha256Of(layer.digest);
    const size = await this.#linkedSize(repository, layer);
    if (size !== null) {
      const read: PushedBytes['read'] = (range) => blobs.read(layer.digest, range);
      return { bytes: { size, read }, blob: layer.digest };
    }
    const released = digest !== null && (await this.#read(name, (state) => hasReleased(state, digest)));
    const kept = released ? await content.size(digest) : null;
    if (kept === null || digest === null) throw missing('layer', layer);
    requireSize(layer, kept);
    return { bytes: { size: kept, read: (range) => content.read(digest, range) }, blob: null };
  }

  /** Bytes of a blob that belongs to the repository; `null` of one that does not. Throws `oci/manifest` for another size. */
  async #linkedSize(repository: RepositoryName, descriptor: OciDescriptor): Promise<number | null> {
    const { store, blobs } = this.#parts;
    if ((await store.readLink(repository, descriptor.digest)) === null) return null;
    const size = await blobs.size(descriptor.digest);
    if (size !== null) requireSize(descriptor, size);
    return size;
  }

  async #examine(
    { name, tags }: Push,
    layers: PushedLayers,
    found: readonly FoundLayer[],
  ): Promise<{ readonly mediaTypes: readonly string[]; readonly size: number; readonly warning: string | null }> {
    if (layers.sort === 'tree') return { mediaTypes: [layers.mediaType], size: layers.index.length, warning: null };
    const [only] = found;
    if (only === undefined) throw new TypeError('a file without a layer');
    const releases = tags.versions.map((version) => ({ name, version }));
    const examined = await examineContent(only.bytes, { releases, policy: this.#parts.contentPolicy });
    this.#parts.gateway.noteJudged(layers.content, examined.passed);
    return { ...examined, size: only.bytes.size };
  }

  /** Blobs before what names them. */
  async #makeDurable(
    push: Push,
    found: readonly FoundLayer[],
    tags: Parameters<OciStore['write']>[0]['tags'] = [],
  ): Promise<void> {
    const { store, blobs, clock } = this.#parts;
    const { manifest, bytes, repository } = push;
    const config = manifest.config === null ? [] : [manifest.config.digest];
    const layers = found.flatMap(({ blob }) => blob ?? []);
    const named = [...new Set([...config, ...layers])];
    await blobs.makeDurable(named);
    const row: Omit<StoredManifest, 'digest'> = {
      repository,
      mediaType: manifest.mediaType,
      bytes,
      subject: manifest.subject?.digest ?? null,
      artifactType: referrerType(manifest),
      names: [...named, ...manifest.manifests.map(({ digest }) => digest)],
      pushedAtMs: clock(),
    };
    // A record names it by SHA-256, whatever it was pushed by.
    const digests = new Set([push.digest, ...(push.tags.isRelease ? [ociDigestOf('sha256', bytes)] : [])]);
    await store.write({ links: [], manifests: [...digests].map((digest) => ({ ...row, digest })), tags }, true);
  }

  /** To the log's content, before a record names it. */
  async #giveContent(layers: PushedLayers, found: readonly FoundLayer[]): Promise<void> {
    const { blobs, content } = this.#parts;
    for (const { blob } of found) if (blob !== null) await blobs.giveToContent(parseDigest(blob));
    if (layers.sort === 'file' || (await content.size(layers.content)) !== null) return;
    const upload = await content.startUpload();
    try {
      await upload.write(layers.index);
      await upload.keep(layers.content);
    } catch (failure) {
      await upload.discard();
      throw failure;
    }
  }

  #read<T>(name: PackageName, look: (state: PackageState) => T): Promise<T> {
    return this.#parts.states.packages.read(packageLogId(name), look);
  }
}

function nameOf(repository: RepositoryName): PackageName {
  const name = packageOf(repository);
  if (name === null) throw new TypeError('the repository is no package');
  return name;
}

function pushOf(repository: RepositoryName, put: ManifestPush): Omit<Push, 'source'> {
  const name = nameOf(repository);
  const { bytes, contentType, reference } = put;
  return {
    name,
    repository,
    manifest: readManifest(bytes, contentType),
    bytes,
    digest: digestFor(reference, bytes),
    tags: pushedTags(name, put),
  };
}

/** Throws `oci/digest-mismatch` for bytes that are not those of the address. */
function digestFor(reference: OciReference, bytes: Uint8Array): OciDigest {
  if ('tag' in reference) return ociDigestOf('sha256', bytes);
  const { digest } = reference;
  const found = ociDigestOf(algorithmOf(digest), bytes);
  if (found === digest) return digest;
  throw new RegistryError('oci/digest-mismatch', `the manifest has the digest ${found}, not ${digest}`);
}

function blobsOf({ config, layers }: ReadManifest): readonly OciDigest[] {
  return [...(config === null ? [] : [config]), ...layers].map(({ digest }) => digest);
}

function sha256Of(digest: OciDigest): Digest | null {
  return algorithmOf(digest) === 'sha256' ? parseDigest(digest) : null;
}

function contentOf(layers: PushedLayers, found: readonly FoundLayer[]): ContentAtHand {
  return (digest) => {
    if (layers.sort === 'tree' && digest === layers.content) return once(layers.index);
    const layer = found.find(({ blob }) => blob !== null && sha256Of(blob) === digest);
    return layer === undefined ? null : layer.bytes.read({ start: 0, end: layer.bytes.size });
  };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}

/** What is wrong with the content that a manifest brings is wrong with the manifest. */
function refuseContent(failure: unknown): never {
  throw isRegistryError(failure, 'content/policy', 'content/tree') ? refused(failure.message, failure) : failure;
}

function hasReleased({ bindings }: PackageState, digest: Digest): boolean {
  return [...bindings.values()].some(({ content }) => content === digest);
}

function requireSize({ digest, size: said }: OciDescriptor, size: number): void {
  if (said !== size) throw refused(`it says that ${digest} has ${said} bytes, and it has ${size}`);
}

function missing(what: string, { digest }: OciDescriptor): RegistryError {
  return new RegistryError('oci/manifest-blob', `the ${what} ${digest} is not in this repository: push it first`, {
    digest,
  });
}

function undeletable(repository: RepositoryName): RegistryError {
  const name = packageOf(repository) ?? repository;
  return new RegistryError(
    'oci/unsupported',
    `${name} is a package, whose log forgets nothing: withdraw a version with waybill yank ${name}@<version>`,
  );
}

async function readWhole(blobs: BlobStore, digest: OciDigest, size: number): Promise<Uint8Array> {
  const whole = new Uint8Array(size);
  let at = 0;
  for await (const chunk of blobs.read(digest, { start: 0, end: size })) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
