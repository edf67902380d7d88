import { isRegistryError, readAnnotationBody, type PackageName, type VersionText } from '@waybill/protocol';
import {
  packageOf,
  parseOciDigest,
  parseTag,
  versionOf,
  type OciDigest,
  type OciReference,
  type RepositoryName,
  type TagName,
} from '@waybill/protocol/oci';
import type { FoundBlob, FoundManifest, ListPage, OciReading, Page, ReferrerDescriptor } from './oci-registry.ts';
import type { PackageReleases } from './package-releases.ts';
import type { UpstreamImports } from './upstream-imports.ts';

export interface UpstreamReadingParts {
  readonly reading: OciReading;
  readonly releases: Pick<PackageReleases, 'find'>;
  readonly imports: UpstreamImports;
}

/** Packages of this registry, and those that it takes from others when somebody asks for one by its tag. */
export class UpstreamReading implements OciReading {
  readonly #parts: UpstreamReadingParts;

  constructor(parts: UpstreamReadingParts) {
    this.#parts = parts;
  }

  async manifest(repository: RepositoryName, reference: OciReference): Promise<FoundManifest> {
    const { reading, imports } = this.#parts;
    const name = this.#importable(repository);
    if (name === null || !('tag' in reference) || versionOf(reference.tag) === null) {
      return reading.manifest(repository, reference);
    }
    const { tag } = reference;
    try {
      const found = await reading.manifest(repository, reference);
      const origin = await this.#originOf(name, tag);
      if (origin !== null) void imports.recheck(name, tag, origin);
      return found;
    } catch (failure) {
      if (!isRegistryError(failure, 'oci/manifest-unknown', 'oci/repository')) throw failure;
      if (!(await imports.import(name, tag))) throw failure;
    }
    return reading.manifest(repository, reference);
  }

  /** Of a release that is imported: it comes with its manifest. */
  blob(repository: RepositoryName, digest: OciDigest): Promise<FoundBlob> {
    return this.#parts.reading.blob(repository, digest);
  }

  /** What is here, and what could be. */
  async tags(repository: RepositoryName, page: ListPage): Promise<Page<TagName>> {
    const { reading, imports, releases } = this.#parts;
    const name = this.#importable(repository);
    if (name === null) return reading.tags(repository, page);
    const listed = await imports.tags(name);
    if (listed.length === 0) return reading.tags(repository, page);
    const log = await releases.find(name);
    const known = log?.releases ?? new Map<VersionText, unknown>();
    const others = listed.flatMap((text) => importableTag(text, known) ?? []);
    return pageOf([...new Set([...(log?.tags() ?? []), ...others])].toSorted(byBytes), page);
  }

  referrers(
    repository: RepositoryName,
    subject: OciDigest,
    asked: ListPage & { readonly artifactType: string | null },
  ): Promise<Page<ReferrerDescriptor>> {
    return this.#parts.reading.referrers(repository, subject, asked);
  }

  #importable(repository: RepositoryName): PackageName | null {
    const name = packageOf(repository);
    return name !== null && this.#parts.imports.has(name) ? name : null;
  }

  /** The digest of the manifest that was imported; `null` for what was released here. */
  async #originOf(name: PackageName, tag: TagName): Promise<OciDigest | null> {
    const log = await this.#parts.releases.find(name);
    const version = versionOf(tag);
    const release = version === null ? undefined : log?.releases.get(version);
    const note = release?.annotations.find(({ type }) => type === 'imported-from');
    if (note === undefined) return null;
    const annotation = { type: note.type, version, under: null, body: note.body, content: null, target: null };
    return parseOciDigest(readAnnotationBody('imported-from', annotation).digest);
  }
}

/** `null` for no version, and for one that the log has: what it does not list stays unlisted, whatever others say. */
function importableTag(text: string, known: ReadonlyMap<VersionText, unknown>): TagName | null {
  try {
    const tag = parseTag(text);
    const version = versionOf(tag);
    return version === null || known.has(version) ? null : tag;
  } catch (failure) {
    if (isRegistryError(failure, 'oci/tag')) return null;
    throw failure;
  }
}

function pageOf(tags: readonly TagName[], { last, limit }: ListPage): Page<TagName> {
  const open = last === null ? tags : tags.filter((tag) => tag > last);
  const items = open.slice(0, limit ?? open.length);
  return { items, more: items.length < open.length };
}

/** Tags are ASCII. */
function byBytes(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
