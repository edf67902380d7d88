import { isRegistryError, RegistryError } from '@waybill/protocol';
import {
  parseRepository,
  type OciDigest,
  type OciReference,
  type RepositoryName,
  type TagName,
} from '@waybill/protocol/oci';
import type { Access } from '../access.ts';
import { OCI_CATALOG_PAGE_MAX, OCI_NAMES_STEP } from '../limits.ts';
import { nextTurn } from '../next-turn.ts';
import type { NamePage } from '../oci-ports.ts';
import type { OciAccess } from './oci-access.ts';
import type { OciLeases } from './oci-leases.ts';
import type {
  FoundBlob,
  FoundManifest,
  ListPage,
  ManifestPush,
  OciAction,
  OciCaller,
  OciPushing,
  OciReading,
  OciRegistry,
  OciUploading,
  Page,
  PushedManifest,
  ReferrerDescriptor,
} from './oci-registry.ts';
import { REPOSITORY_SORTS, type RepositorySort } from './repository-sort.ts';

/** Comes after each character of a name. */
export const BEHIND_ALL_NAMES = '\x7f';

/** Names after `after`, at most `limit`, in byte order. */
export type NameSource = (page: NamePage) => Promise<readonly string[]>;

interface ListedName {
  readonly name: string;
  readonly sorts: ReadonlySet<RepositorySort>;
}

export interface OciViewParts {
  readonly access: OciAccess;
  readonly uploads: OciUploading;
  readonly leases: OciLeases;
  /** One row says everything about a sort of repository. */
  readonly sorts: Readonly<Record<RepositorySort, { readonly reading: OciReading; readonly pushing: OciPushing }>>;
  /** Where the names of each sort stand. A name counts where its own sort has it: a push that ended early left blobs, no package. */
  readonly names: Readonly<Record<RepositorySort, NameSource>>;
}

/** Everything below `/v2/`: asks who may, and hands on to the sort of repository that it is about. */
export class OciView implements OciRegistry {
  readonly uploads: OciUploading;
  readonly #access: OciAccess;
  readonly #leases: OciLeases;
  readonly #sorts: OciViewParts['sorts'];
  readonly #names: OciViewParts['names'];

  constructor({ access, uploads, leases, sorts, names }: OciViewParts) {
    this.uploads = uploads;
    this.#access = access;
    this.#leases = leases;
    this.#sorts = sorts;
    this.#names = names;
  }

  async manifest(caller: OciCaller, repository: RepositoryName, reference: OciReference): Promise<FoundManifest> {
    return (await this.#reading(caller, repository)).manifest(repository, reference);
  }

  async blob(caller: OciCaller, repository: RepositoryName, digest: OciDigest): Promise<FoundBlob> {
    const reading = await this.#reading(caller, repository);
    // Told that it is here while the sweep takes it, or soon before, a client would name what is gone.
    return this.#leases.hold([digest], async () => {
      const found = await reading.blob(repository, digest);
      this.#leases.noteAsked(digest);
      return found;
    });
  }

  async tags(caller: OciCaller, repository: RepositoryName, page: ListPage): Promise<Page<TagName>> {
    return (await this.#reading(caller, repository)).tags(repository, page);
  }

  isPrivate(repository: RepositoryName): boolean {
    return this.#access.privateNamespaceOf(repository) !== null;
  }

  /** None for a repository that is not here: clients take an error for a registry that lists no referrers. */
  async referrers(
    caller: OciCaller,
    repository: RepositoryName,
    subject: OciDigest,
    asked: ListPage & { readonly artifactType: string | null },
  ): Promise<Page<ReferrerDescriptor>> {
    this.#access.requireReader(caller, repository);
    const sort = await this.#access.readable(caller, repository);
    if (sort === null) return { items: [], more: false };
    return this.#sorts[sort].reading.referrers(repository, subject, asked);
  }

  async catalog(caller: OciCaller, { last, limit }: ListPage): Promise<Page<RepositoryName>> {
    const asked = Math.min(limit ?? OCI_CATALOG_PAGE_MAX, OCI_CATALOG_PAGE_MAX);
    const items: RepositoryName[] = [];
    if (asked === 0) return { items, more: false };
    let after = last;
    for (;;) {
      const step = await this.#namesAfter(after);
      after = step.at(-1)?.name ?? null;
      for (const { name, sorts } of step) {
        const end = this.#hiddenEnd(caller, name);
        if (end !== null) {
          after = end;
          break;
        }
        const repository = repositoryNamed(name);
        // What a prefix that is not configured any more has left lies here still, and is not served.
        if (repository === null) continue;
        const sort = await this.#access.listedAs(caller, repository);
        if (sort === null || !sorts.has(sort)) continue;
        if (items.length === asked) return { items, more: true };
        items.push(repository);
      }
      if (after === null) return { items, more: false };
      await nextTurn();
    }
  }

  /**
   * Where the names go on behind a namespace that the caller may not read: passed over at once, so that how long an answer
   * takes does not depend on how much is in there. `null` for a name that need not be passed over.
   */
  #hiddenEnd({ access }: OciCaller, name: string): string | null {
    const namespace = this.#access.hiddenNamespaceOf(access, name);
    return namespace === null ? null : `${namespace}/${BEHIND_ALL_NAMES}`;
  }

  async requirePush(caller: OciCaller, repository: RepositoryName): Promise<void> {
    await this.#access.requireChange(caller, repository, 'push');
  }

  async putManifest(caller: OciCaller, repository: RepositoryName, push: ManifestPush): Promise<PushedManifest> {
    const sort = await this.#access.requireChange(caller, repository, 'push');
    return this.#sorts[sort].pushing.putManifest(caller, repository, push);
  }

  async deleteManifest(caller: OciCaller, repository: RepositoryName, reference: OciReference): Promise<void> {
    const sort = await this.#access.requireChange(caller, repository, 'delete');
    await this.#sorts[sort].pushing.deleteManifest(repository, reference);
  }

  async deleteBlob(caller: OciCaller, repository: RepositoryName, digest: OciDigest): Promise<void> {
    const sort = await this.#access.requireChange(caller, repository, 'delete');
    await this.#sorts[sort].pushing.deleteBlob(repository, digest);
  }

  async allowed(
    access: Access,
    repository: RepositoryName,
    actions: ReadonlySet<OciAction>,
  ): Promise<ReadonlySet<OciAction>> {
    return this.#access.allowed(access, repository, actions);
  }

  async #reading(caller: OciCaller, repository: RepositoryName): Promise<OciReading> {
    return this.#sorts[await this.#access.requireRead(caller, repository)].reading;
  }

  /** Those that come next in byte order, of all sources: up to where the one that stopped first has more. */
  async #namesAfter(after: string | null): Promise<readonly ListedName[]> {
    const pages = await Promise.all(
      REPOSITORY_SORTS.map(async (sort) => ({
        sort,
        names: await this.#names[sort]({ after, limit: OCI_NAMES_STEP }),
      })),
    );
    const ends = pages.flatMap(({ names }) => (names.length < OCI_NAMES_STEP ? [] : names.slice(-1)));
    const end = ends.toSorted(byBytes)[0] ?? null;
    const listed = new Map<string, Set<RepositorySort>>();
    for (const { sort, names } of pages) {
      for (const name of names) {
        if (end !== null && name > end) break;
        listed.set(name, (listed.get(name) ?? new Set<RepositorySort>()).add(sort));
      }
    }
    return [...listed].map(([name, sorts]) => ({ name, sorts })).toSorted((a, b) => byBytes(a.name, b.name));
  }
}

/** `null` for a package whose name OCI has no form for. */
function repositoryNamed(name: string): RepositoryName | null {
  try {
    return parseRepository(name);
  } catch (failure) {
    if (isRegistryError(failure, 'oci/name')) return null;
    throw failure;
  }
}

/** Names of repositories are ASCII. */
function byBytes(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

/** A sort of repository that this build does not serve. */
export const unsupportedRepositories: OciReading & OciPushing = {
  manifest: refuse,
  blob: refuse,
  tags: refuse,
  referrers: refuse,
  putManifest: refuse,
  deleteManifest: refuse,
  deleteBlob: refuse,
};

function refuse(): Promise<never> {
  return Promise.reject(new RegistryError('oci/unsupported', 'packages are not served to OCI clients here'));
}
