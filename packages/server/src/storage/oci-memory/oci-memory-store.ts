import type { OciDigest, RepositoryName, TagName } from '@waybill/protocol/oci';
import type {
  BlobLink,
  KeptManifest,
  NamePage,
  OciChange,
  OciStore,
  StoredManifest,
  StoredReferrer,
  StoredTag,
} from '../../core/oci-ports.ts';

interface Placed extends StoredTag {
  readonly repository: RepositoryName;
}

/** What stores over one state share, as processes do a file. */
export interface OciMemoryState {
  readonly manifests: Map<string, StoredManifest>;
  readonly tags: Map<string, Placed>;
  readonly links: Map<string, BlobLink>;
}

export function emptyOciMemoryState(): OciMemoryState {
  return { manifests: new Map(), tags: new Map(), links: new Map() };
}

/** The OCI side's store in memory: for tests. */
export class OciMemoryStore implements OciStore {
  readonly #state: OciMemoryState;

  constructor(state: OciMemoryState) {
    this.#state = state;
  }

  async write({ links, manifests, tags }: OciChange): Promise<void> {
    for (const link of links) this.#state.links.set(keyOf(link.repository, link.digest), link);
    for (const manifest of manifests) {
      const names = [...new Set(manifest.names)];
      const key = keyOf(manifest.repository, manifest.digest);
      this.#state.manifests.set(key, { ...manifest, names, bytes: manifest.bytes.slice() });
    }
    for (const tag of tags) this.#state.tags.set(keyOf(tag.repository, tag.tag), tag);
  }

  async deleteManifest(repository: RepositoryName, digest: OciDigest): Promise<boolean> {
    for (const [key, tag] of this.#state.tags) {
      if (tag.repository === repository && tag.digest === digest) this.#state.tags.delete(key);
    }
    return this.#state.manifests.delete(keyOf(repository, digest));
  }

  async deleteTag(repository: RepositoryName, tag: TagName): Promise<boolean> {
    return this.#state.tags.delete(keyOf(repository, tag));
  }

  async deleteLink(repository: RepositoryName, digest: OciDigest): Promise<boolean> {
    return this.#state.links.delete(keyOf(repository, digest));
  }

  async deleteLooseLinks(links: readonly BlobLink[]): Promise<BlobLink[]> {
    return links.filter(({ repository, digest, linkedAtMs }) => {
      const key = keyOf(repository, digest);
      const link = this.#state.links.get(key);
      // One that was made anew is not the one that was listed.
      if (link?.linkedAtMs !== linkedAtMs || !this.#isLoose(link)) return false;
      return this.#state.links.delete(key);
    });
  }

  async readManifest(repository: RepositoryName, digest: OciDigest): Promise<KeptManifest | null> {
    const stored = this.#state.manifests.get(keyOf(repository, digest));
    if (stored === undefined) return null;
    const { names: _, ...kept } = stored;
    return kept;
  }

  async hasManifest(repository: RepositoryName, digest: OciDigest): Promise<boolean> {
    return this.#state.manifests.has(keyOf(repository, digest));
  }

  async readTag(repository: RepositoryName, tag: TagName): Promise<OciDigest | null> {
    return this.#state.tags.get(keyOf(repository, tag))?.digest ?? null;
  }

  async listTags(repository: RepositoryName, page: NamePage): Promise<StoredTag[]> {
    const tags = [...this.#state.tags.values()].filter((tag) => tag.repository === repository);
    return pageOf(tags, ({ tag }) => tag, page).map(({ tag, digest }) => ({ tag, digest }));
  }

  async listReferrers(
    repository: RepositoryName,
    { subject, artifactType, ...page }: Parameters<OciStore['listReferrers']>[1],
  ): Promise<StoredReferrer[]> {
    const referrers = [...this.#state.manifests.values()].filter(
      (manifest) =>
        manifest.repository === repository &&
        manifest.subject === subject &&
        (artifactType === null || manifest.artifactType === artifactType),
    );
    return pageOf(referrers, ({ digest }) => digest, page).map((manifest) => ({
      digest: manifest.digest,
      mediaType: manifest.mediaType,
      artifactType: manifest.artifactType,
      bytes: manifest.bytes,
    }));
  }

  async readLink(repository: RepositoryName, digest: OciDigest): Promise<BlobLink | null> {
    return this.#state.links.get(keyOf(repository, digest)) ?? null;
  }

  async listLinked(digest: OciDigest, page: NamePage): Promise<RepositoryName[]> {
    const links = [...this.#state.links.values()].filter((link) => link.digest === digest);
    return pageOf(links, ({ repository }) => repository, page).map(({ repository }) => repository);
  }

  async listRepositories(page: NamePage): Promise<RepositoryName[]> {
    const { manifests, tags, links } = this.#state;
    const rows = [...manifests.values(), ...tags.values(), ...links.values()];
    const names = [...new Set(rows.map(({ repository }) => repository))];
    return pageOf(names, (name) => name, page);
  }

  async hasRepository(repository: RepositoryName): Promise<boolean> {
    const { manifests, tags, links } = this.#state;
    return [...manifests.values(), ...tags.values(), ...links.values()].some((row) => row.repository === repository);
  }

  async listLooseLinks(
    beforeMs: number,
    { after, limit }: { readonly after: BlobLink | null; readonly limit: number },
  ): Promise<BlobLink[]> {
    return [...this.#state.links.values()]
      .filter((link) => link.linkedAtMs < beforeMs && this.#isLoose(link))
      .filter((link) => after === null || byAge(link, after) > 0)
      .toSorted(byAge)
      .slice(0, limit);
  }

  async isLinked(digest: OciDigest): Promise<boolean> {
    return [...this.#state.links.values()].some((link) => link.digest === digest);
  }

  async close(): Promise<void> {
    // Nothing is held.
  }

  #isLoose({ repository, digest }: BlobLink): boolean {
    return ![...this.#state.manifests.values()].some(
      (manifest) => manifest.repository === repository && manifest.names.includes(digest),
    );
  }
}

/** Neither side has a space in it. */
function keyOf(repository: RepositoryName, name: string): string {
  return `${repository} ${name}`;
}

function byAge(a: BlobLink, b: BlobLink): number {
  const [left, right] = [keyOf(a.repository, a.digest), keyOf(b.repository, b.digest)];
  return a.linkedAtMs - b.linkedAtMs || (left < right ? -1 : Number(left > right));
}

/** Names are ASCII: their order as texts is that of their bytes. */
function pageOf<T>(rows: readonly T[], nameOf: (row: T) => string, { after, limit }: NamePage): T[] {
  return rows
    .filter((row) => after === null || nameOf(row) > after)
    .toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
    .slice(0, limit);
}
