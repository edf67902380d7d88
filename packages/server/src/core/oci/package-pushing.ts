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
  ociDigestOf,
  packageOf,
  readManifest,
  referrerType,
  type OciDigest,
  type ReadManifest,
  type RepositoryName,
} from '@waybill/protocol/oci';
import { accountOf, requireScope } from '../access.ts';
import type { ContentPolicy } from '../content.ts';
import type { ContentAtHand, Gateway } from '../gateway/gateway.ts';
import { GovernanceGate } from '../governance-gate.ts';
import { OCI_LOOKUPS_STEP } from '../limits.ts';
import { nextTurn } from '../next-turn.ts';
import type { BlobStore, OciStore, StoredManifest } from '../oci-ports.ts';
import type { Clock, ContentStore } from '../ports.ts';
import type { StateCaches } from '../state-caches.ts';
import type { ManifestPush, OciCaller, OciPushing, PushedManifest } from './oci-registry.ts';
import { pushedDigest } from './pushed-digest.ts';
import { makeNamedDurable } from './present-blob.ts';
import { examineContent, refused } from './pushed-content.ts';
import { logDigest } from './pushed-manifests.ts';
import { PushedFinding, readConfig, type Found, type PushedFindingParts } from './pushed-finding.ts';
import { requireLabelsAgree } from './pushed-labels.ts';
import { layersOf, type PushedLayers } from './pushed-layers.ts';
import {
  keptFirst,
  speechFor,
  versionsNamed,
  versionsToRelease,
  type ReleasePlan,
  type ReleaseSource,
} from './pushed-release.ts';
import { pushedTags, type PushedTags } from './pushed-tags.ts';

export interface PackagePushingParts extends PushedFindingParts {
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

/**
 * What a package takes from OCI clients: a manifest with a version's tag is a release, signed by the gateway; without a tag it is
 * kept beside the log. Tags of versions never move, and nothing is deleted: spec/oci.md 6.
 */
export class PackagePushing implements OciPushing {
  readonly #parts: PackagePushingParts;
  readonly #gate: GovernanceGate;
  readonly #finding: PushedFinding;

  constructor(parts: PackagePushingParts) {
    this.#parts = parts;
    this.#gate = new GovernanceGate(parts.states.governance);
    this.#finding = new PushedFinding(parts);
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
    const found = await this.#finding.find(push);
    requireLabelsAgree(manifest, await readConfig(found), { name, versions });
    if (open.length === 0) return this.#putAgain(push, found);
    const { mediaTypes, size, warning } = await this.#examine(push, layers, found);
    // Each waits first until the blobs are durable.
    await Promise.all([this.#makeDurable(push, found), this.#giveContent(layers, found)]);
    const said = { ...plan, mediaTypes, size, source: push.source, manifest: push.bytes };
    const placed = await this.#parts.gateway
      .release(name, (state, key) => speechFor(state, { ...said, key }), contentOf(layers, found))
      .catch(refuseContent);
    return placed === null ? keptFirst(name, tags) : warning;
  }

  /** Its tags keep the manifest that came first; this one can be had by its digest. */
  async #putAgain(push: Push, found: Found): Promise<string | null> {
    const { name, tags } = push;
    await this.#makeDurable(push, found);
    await this.#parts.gateway.settled(name);
    return keptFirst(name, tags);
  }

  /** What no record names: attachments, and manifests that are nobody's release yet. */
  async #putBeside(push: Push): Promise<null> {
    const { tags, repository } = push;
    await this.#refuseTakenDown(push, null);
    const found = await this.#finding.find(push);
    await this.#finding.requireListed(push);
    await this.#makeDurable(
      push,
      found,
      tags.beside.map((tag) => ({ repository, tag, digest: push.digest })),
    );
    return null;
  }

  /** Throws `content/taken-down`, also for a file of a tree. */
  async #refuseTakenDown({ name, manifest }: Push, content: Digest | null): Promise<void> {
    const named = blobsOf(manifest).flatMap((digest) => logDigest(digest) ?? []);
    let looked = 0;
    for (const digest of new Set([...named, ...(content === null ? [] : [content])])) {
      if (++looked % OCI_LOOKUPS_STEP === 0) await nextTurn();
      await this.#gate.admitContent(name, digest);
    }
  }

  async #examine(
    { name, tags }: Push,
    layers: PushedLayers,
    found: Found,
  ): Promise<{ readonly mediaTypes: readonly string[]; readonly size: number; readonly warning: string | null }> {
    if (layers.sort === 'tree') return { mediaTypes: [layers.mediaType], size: layers.index.length, warning: null };
    const [only] = found.layers;
    if (only === undefined) throw new TypeError('a file without a layer');
    const releases = tags.versions.map((version) => ({ name, version }));
    const examined = await examineContent(only.bytes, { releases, policy: this.#parts.contentPolicy });
    this.#parts.gateway.noteJudged(layers.content, examined.passed);
    return { ...examined, size: only.bytes.size };
  }

  /** Blobs before what names them. */
  async #makeDurable(push: Push, found: Found, tags: Parameters<OciStore['write']>[0]['tags'] = []): Promise<void> {
    const { store, blobs, clock } = this.#parts;
    const { manifest, bytes, repository } = push;
    const all = [...(found.config === null ? [] : [found.config]), ...found.layers];
    const named = [...new Set(all.flatMap(({ digest, place }) => (place === 'blob' ? [digest] : [])))];
    await makeNamedDurable(blobs, named);
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
  async #giveContent(layers: PushedLayers, found: Found): Promise<void> {
    const { blobs, content } = this.#parts;
    for (const { digest, place } of found.layers) {
      if (place === 'blob') await blobs.giveToContent(parseDigest(digest));
    }
    if (layers.sort === 'file' || (await content.size(layers.content)) !== null) return;
    await content.keepBytes(layers.content, layers.index);
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
  const { bytes, contentType } = put;
  return {
    name,
    repository,
    manifest: readManifest(bytes, contentType),
    bytes,
    digest: pushedDigest(put),
    tags: pushedTags(name, put),
  };
}

function blobsOf({ config, layers }: ReadManifest): readonly OciDigest[] {
  return [...(config === null ? [] : [config]), ...layers].map(({ digest }) => digest);
}

function contentOf(layers: PushedLayers, found: Found): ContentAtHand {
  return (digest) => {
    if (layers.sort === 'tree' && digest === layers.content) return once(layers.index);
    const layer = found.layers.find((one) => one.place !== 'content' && one.digest === String(digest));
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

function undeletable(repository: RepositoryName): RegistryError {
  const name = packageOf(repository) ?? repository;
  return new RegistryError(
    'oci/unsupported',
    `${name} is a package, whose log forgets nothing: withdraw a version with waybill yank ${name}@<version>`,
  );
}
