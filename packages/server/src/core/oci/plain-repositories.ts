import { RegistryError } from '@waybill/protocol';
import {
  readManifest,
  referrerType,
  type OciDescriptor,
  type OciDigest,
  type OciReference,
  type ReadManifest,
  type RepositoryName,
  type TagName,
} from '@waybill/protocol/oci';
import {
  OCI_LOOKUPS_STEP,
  OCI_TAGS_AT_ONCE_MAX,
  OCI_TAGS_PAGE_MAX,
  OCI_TAGS_STEP,
  REFERRERS_PAGE_MAX,
} from '../limits.ts';
import { nextTurn } from '../next-turn.ts';
import type { BlobStore, OciStore } from '../oci-ports.ts';
import type { Clock } from '../ports.ts';
import type { OciLeases } from './oci-leases.ts';
import type {
  FoundBlob,
  FoundManifest,
  ListPage,
  ManifestPush,
  OciCaller,
  OciPushing,
  OciReading,
  Page,
  PushedManifest,
  ReferrerDescriptor,
} from './oci-registry.ts';
import { makeNamedDurable, presentSize } from './present-blob.ts';
import { pushedDigest } from './pushed-digest.ts';
import { storedReferrers } from './stored-referrers.ts';

export interface PlainRepositoriesParts {
  readonly store: OciStore;
  readonly blobs: BlobStore;
  readonly leases: OciLeases;
  readonly clock: Clock;
}

/** Repositories outside the log: what was pushed, as it was pushed, until it is deleted (spec/oci.md 8). */
export class PlainRepositories implements OciReading, OciPushing {
  readonly #store: OciStore;
  readonly #blobs: BlobStore;
  readonly #leases: OciLeases;
  readonly #clock: Clock;

  constructor({ store, blobs, leases, clock }: PlainRepositoriesParts) {
    this.#store = store;
    this.#blobs = blobs;
    this.#leases = leases;
    this.#clock = clock;
  }

  async manifest(repository: RepositoryName, reference: OciReference): Promise<FoundManifest> {
    const digest = 'digest' in reference ? reference.digest : await this.#store.readTag(repository, reference.tag);
    const found = digest === null ? null : await this.#store.readManifest(repository, digest);
    if (found === null) throw manifestUnknown(repository, reference);
    return { mediaType: found.mediaType, digest: found.digest, bytes: found.bytes, warning: null };
  }

  async blob(repository: RepositoryName, digest: OciDigest): Promise<FoundBlob> {
    const size = await this.#presentSize(repository, digest);
    if (size === null) throw blobUnknown(repository, digest);
    return { digest, size, read: (range) => this.#blobs.read(digest, range) };
  }

  async tags(repository: RepositoryName, { last, limit }: ListPage): Promise<Page<TagName>> {
    if (!(await this.#store.hasRepository(repository))) {
      throw new RegistryError('oci/repository', `there is no repository ${repository} yet`, { repository });
    }
    const asked = Math.min(limit ?? OCI_TAGS_PAGE_MAX, OCI_TAGS_PAGE_MAX);
    if (asked === 0) return { items: [], more: false };
    const items: TagName[] = [];
    for (;;) {
      const step = { after: items.at(-1) ?? last, limit: Math.min(asked + 1 - items.length, OCI_TAGS_STEP) };
      const found = await this.#store.listTags(repository, step);
      for (const { tag } of found) items.push(tag);
      if (items.length > asked) return { items: items.slice(0, asked), more: true };
      if (found.length < step.limit) return { items, more: false };
      await nextTurn();
    }
  }

  async referrers(
    repository: RepositoryName,
    subject: OciDigest,
    { last, limit, artifactType }: ListPage & { readonly artifactType: string | null },
  ): Promise<Page<ReferrerDescriptor>> {
    const asked = Math.min(limit ?? REFERRERS_PAGE_MAX, REFERRERS_PAGE_MAX);
    if (asked === 0) return { items: [], more: false };
    return storedReferrers(this.#store, repository, { subject, artifactType, after: last, limit: asked });
  }

  async putManifest(_caller: OciCaller, repository: RepositoryName, push: ManifestPush): Promise<PushedManifest> {
    const digest = pushedDigest(push);
    const manifest = readManifest(push.bytes, push.contentType);
    const tags = pushedTags(push);
    const blobs = distinctBlobs(manifest);
    // What is found here is still here when the manifest names it.
    await this.#leases.hold([...blobs.keys()], async () => {
      const present = await this.#presentBlobs(repository, blobs);
      const listed = await this.#presentManifests(repository, manifest);
      await makeNamedDurable(this.#blobs, present);
      const stored = {
        repository,
        digest,
        mediaType: manifest.mediaType,
        bytes: push.bytes,
        subject: manifest.subject?.digest ?? null,
        artifactType: referrerType(manifest),
        names: [...present, ...listed],
        pushedAtMs: this.#clock(),
      };
      const set = tags.map((tag) => ({ repository, tag, digest }));
      await this.#store.write({ links: [], manifests: [stored], tags: set }, true);
    });
    return { digest, subject: manifest.subject?.digest ?? null, tags: [...new Set(push.tags)], warning: null };
  }

  async deleteManifest(repository: RepositoryName, reference: OciReference): Promise<void> {
    const isGone = await ('digest' in reference
      ? this.#store.deleteManifest(repository, reference.digest)
      : this.#store.deleteTag(repository, reference.tag));
    if (!isGone) throw manifestUnknown(repository, reference);
  }

  /** The repository does not have it any more, also where a manifest names it: whoever deletes says so. */
  async deleteBlob(repository: RepositoryName, digest: OciDigest): Promise<void> {
    const isHere = (await this.#presentSize(repository, digest)) !== null;
    const isGone = await this.#store.deleteLink(repository, digest);
    if (!isHere || !isGone) throw blobUnknown(repository, digest);
  }

  /** Of those that a manifest names; of a foreign layer that is not here nothing is asked for. Throws `oci/manifest-blob`. */
  async #presentBlobs(
    repository: RepositoryName,
    named: ReadonlyMap<OciDigest, OciDescriptor>,
  ): Promise<readonly OciDigest[]> {
    const present: OciDigest[] = [];
    let looked = 0;
    for (const [digest, { size: said, isForeign }] of named) {
      if (++looked % OCI_LOOKUPS_STEP === 0) await nextTurn();
      const size = await this.#presentSize(repository, digest);
      if (size === null && isForeign) continue;
      if (size === null) throw missing(repository, digest, 'blob');
      if (size !== said && !isForeign) {
        throw new RegistryError('oci/manifest', `the manifest says that ${digest} has ${said} bytes: it has ${size}`);
      }
      present.push(digest);
    }
    return present;
  }

  /** Those that an index lists. Throws `oci/manifest-blob`. */
  async #presentManifests(repository: RepositoryName, { manifests }: ReadManifest): Promise<readonly OciDigest[]> {
    const listed = new Set(manifests.map(({ digest }) => digest));
    let looked = 0;
    for (const digest of listed) {
      if (++looked % OCI_LOOKUPS_STEP === 0) await nextTurn();
      if (!(await this.#store.hasManifest(repository, digest))) throw missing(repository, digest, 'manifest');
    }
    return [...listed];
  }

  #presentSize(repository: RepositoryName, digest: OciDigest): Promise<number | null> {
    return presentSize({ store: this.#store, blobs: this.#blobs }, repository, digest);
  }
}

function pushedTags({ reference, tags }: ManifestPush): readonly TagName[] {
  const all = new Set('tag' in reference ? [reference.tag, ...tags] : tags);
  if (all.size <= OCI_TAGS_AT_ONCE_MAX) return [...all];
  throw new RegistryError('oci/tag', `one push sets at most ${OCI_TAGS_AT_ONCE_MAX} tags`);
}

function distinctBlobs({ config, layers }: ReadManifest): ReadonlyMap<OciDigest, OciDescriptor> {
  const named = new Map<OciDigest, OciDescriptor>();
  for (const descriptor of config === null ? layers : [config, ...layers]) {
    const before = named.get(descriptor.digest);
    if (before !== undefined && before.size !== descriptor.size) {
      throw new RegistryError('oci/manifest', `the manifest gives ${descriptor.digest} two sizes`);
    }
    // Named as foreign and as its own: then it is its own.
    if (before === undefined || before.isForeign) named.set(descriptor.digest, descriptor);
  }
  return named;
}

function missing(repository: RepositoryName, digest: OciDigest, what: 'blob' | 'manifest'): RegistryError {
  const message = `the manifest names a ${what} that ${repository} does not have: push ${digest} first`;
  return new RegistryError('oci/manifest-blob', message, { digest });
}

function manifestUnknown(repository: RepositoryName, reference: OciReference): RegistryError {
  const named = 'digest' in reference ? reference.digest : `tagged ${reference.tag}`;
  return new RegistryError('oci/manifest-unknown', `${repository} has no manifest ${named}`);
}

function blobUnknown(repository: RepositoryName, digest: OciDigest): RegistryError {
  return new RegistryError('oci/blob-unknown', `${repository} has no blob ${digest}`, { digest });
}
