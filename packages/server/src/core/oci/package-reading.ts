import { isRegistryError, RegistryError, type PackageName } from '@waybill/protocol';
import {
  algorithmOf,
  OCI_MEDIA_TYPE,
  packageOf,
  parseOciDigest,
  readManifest,
  versionOf,
  type OciDigest,
  type OciReference,
  type ReferrerManifest,
  type RepositoryName,
  type TagName,
} from '@waybill/protocol/oci';
import { REFERRERS_PAGE_BYTES_MAX, REFERRERS_PAGE_MAX } from '../limits.ts';
import type { BlobStore, OciReader, StoredManifest, StoredReferrer } from '../oci-ports.ts';
import type { ContentStore, RegistryReader } from '../ports.ts';
import type { GovernanceGate } from '../governance-gate.ts';
import type { HomeOf } from '../log-states.ts';
import type { Proving } from '../proving.ts';
import type { TreeTakedowns } from '../tree-takedowns.ts';
import { DerivedManifests } from './derived-manifests.ts';
import { LogReferrers } from './log-referrers.ts';
import type { FoundBlob, FoundManifest, ListPage, OciReading, Page, ReferrerDescriptor } from './oci-registry.ts';
import { PackageBlobs } from './package-blobs.ts';
import { PackageReleases, type PackageLog, type PackageRelease } from './package-releases.ts';
import { PushedManifests } from './pushed-manifests.ts';
import { ReleaseDocuments } from './release-documents.ts';

export interface PackageReadingParts {
  readonly store: Pick<RegistryReader, 'readLog' | 'readRecords' | 'readHeadCovering'>;
  readonly oci: OciReader;
  readonly blobs: Pick<BlobStore, 'size' | 'read'>;
  readonly content: Pick<ContentStore, 'size' | 'read'>;
  readonly proving: Pick<Proving, 'leaves'>;
  readonly gate: Pick<GovernanceGate, 'admitContent'>;
  readonly trees: Pick<TreeTakedowns, 'takedownOf'>;
  /** Of the registry log, as it is served. */
  readonly logLength: () => number;
  readonly homeOf: HomeOf;
}

/** In the list of referrers: `true` for what the log says, `false` for what whoever may push has pushed. */
const LOGGED = 'dev.waybill.logged';
/** Moves with the log, and is in no list. */
const LATEST = 'latest';
/** Where clients without a list of referrers keep one. */
const FALLBACK_TAG = /^sha(?:256|512)-/;
const WARNING_LENGTH_MAX = 300;

/** Repositories that are packages, as their served logs have them: spec/oci.md 4 to 7. Nothing is stored for what is derived. */
export class PackageReading implements OciReading {
  readonly #oci: OciReader;
  readonly #releases: PackageReleases;
  readonly #pushed: PushedManifests;
  readonly #derived: DerivedManifests;
  readonly #referrers: LogReferrers;
  readonly #documents: ReleaseDocuments;
  readonly #blobs: PackageBlobs;
  readonly #gate: Pick<GovernanceGate, 'admitContent'>;

  constructor({ store, oci, blobs, content, proving, gate, trees, logLength, homeOf }: PackageReadingParts) {
    this.#oci = oci;
    this.#gate = gate;
    this.#releases = new PackageReleases({ store, logLength, homeOf });
    this.#pushed = new PushedManifests(oci);
    this.#derived = new DerivedManifests(content);
    this.#referrers = new LogReferrers({ store, proving });
    this.#documents = new ReleaseDocuments({
      derived: this.#derived,
      pushed: this.#pushed,
      referrers: this.#referrers,
    });
    this.#blobs = new PackageBlobs({ oci, blobs, content, documents: this.#documents, gate, trees });
  }

  /** The logs as they are served. */
  get releases(): PackageReleases {
    return this.#releases;
  }

  /** Throws also `content/taken-down`, `storage/busy`. */
  async manifest(repository: RepositoryName, reference: OciReference): Promise<FoundManifest> {
    const log = await this.#log(repository);
    const found =
      'tag' in reference
        ? await this.#byTag(log, repository, reference.tag)
        : await this.#byDigest(log, repository, reference.digest);
    if (found !== null) return found;
    const what = 'tag' in reference ? reference.tag : reference.digest;
    throw new RegistryError('oci/manifest-unknown', `${log.name} has no manifest ${what}`, { reference: what });
  }

  async #log(repository: RepositoryName): Promise<PackageLog> {
    const log = await this.#releases.find(nameOf(repository));
    if (log !== null) return log;
    throw new RegistryError('oci/repository', `there is no package ${nameOf(repository)} yet`, { repository });
  }

  async #byTag(log: PackageLog, repository: RepositoryName, tag: TagName): Promise<FoundManifest | null> {
    const version = versionOf(tag);
    const release = tag === LATEST ? log.latest() : version && log.releases.get(version);
    if (release) return this.#ofRelease(release);
    if (!FALLBACK_TAG.test(tag)) return null;
    const digest = await this.#oci.readTag(repository, tag);
    const stored = digest && (await this.#oci.readManifest(repository, digest));
    return stored && foundManifest(stored, null);
  }

  async #ofRelease(release: PackageRelease): Promise<FoundManifest> {
    const pushed = await this.#pushed.of(release);
    if (pushed !== null) return foundManifest(pushed, release);
    try {
      const { manifest: bytes, manifestDigest } = await this.#derived.of(release);
      const digest = parseOciDigest(manifestDigest);
      return foundManifest({ mediaType: OCI_MEDIA_TYPE.manifest, digest, bytes }, release);
    } catch (failure) {
      if (!isRegistryError(failure, 'content/not-found')) throw failure;
      // What is taken down may have been deleted, and nothing says any more what it was.
      await this.#gate.admitContent(release.name, release.content);
      const what = `the manifest of ${release.name}@${release.version} cannot be made`;
      throw new RegistryError('oci/manifest-unknown', `${what}: ${failure.message}`, {}, { cause: failure });
    }
  }

  async #byDigest(log: PackageLog, repository: RepositoryName, digest: OciDigest): Promise<FoundManifest | null> {
    const stored = await this.#oci.readManifest(repository, digest);
    if (stored !== null) return foundManifest(stored, yankedOf(log.pushedAs(digest)));
    // Of what stands for releases nobody says a SHA-512.
    const found = algorithmOf(digest) === 'sha256' ? await this.#documents.find(log, digest) : null;
    if (found === null || found.sort === 'blob') return null;
    const { bytes, release } = found;
    return foundManifest({ mediaType: OCI_MEDIA_TYPE.manifest, digest, bytes }, release);
  }

  /** Throws also `content/taken-down`, `storage/busy`. */
  async blob(repository: RepositoryName, digest: OciDigest): Promise<FoundBlob> {
    const name = nameOf(repository);
    return this.#blobs.find(name, await this.#releases.find(name), digest);
  }

  async tags(repository: RepositoryName, { last, limit }: ListPage): Promise<Page<TagName>> {
    const tags = (await this.#log(repository)).tags();
    const start = last === null ? 0 : firstAfter(tags, last);
    const items = tags.slice(start, limit === null ? undefined : start + limit);
    return { items, more: start + items.length < tags.length };
  }

  /** The log's own first, then what was pushed, by digest. Throws also `storage/busy`. */
  async referrers(
    repository: RepositoryName,
    subject: OciDigest,
    asked: ListPage & { readonly artifactType: string | null },
  ): Promise<Page<ReferrerDescriptor>> {
    const logged = await this.#logged(repository, subject);
    const place = logged.findIndex(({ manifestDigest }) => asked.last === String(manifestDigest));
    // Whatever else a page ended with was pushed: the log's are over.
    const isInPushed = asked.last !== null && place < 0;
    const open = isInPushed ? [] : logged.slice(place + 1);
    const wanted = open.filter(({ artifactType }) => (asked.artifactType ?? artifactType) === artifactType);
    const limit = Math.min(asked.limit ?? REFERRERS_PAGE_MAX, REFERRERS_PAGE_MAX);
    const own = wanted.slice(0, limit).map(loggedDescriptor);
    const room = limit - own.length;
    const after = isInPushed ? asked.last : null;
    const page = { subject, artifactType: asked.artifactType, after, limit: room + 1 };
    const { items, more } = withinBytes(await this.#oci.listReferrers(repository, page), room);
    const digests = new Set<string>(logged.map(({ manifestDigest }) => manifestDigest));
    const pushed = items.filter(({ digest }) => !digests.has(digest)).map(pushedDescriptor);
    return { items: [...own, ...pushed], more: more || own.length < wanted.length };
  }

  async #logged(repository: RepositoryName, subject: OciDigest): Promise<readonly ReferrerManifest[]> {
    const log = await this.#releases.find(nameOf(repository));
    if (log === null || algorithmOf(subject) !== 'sha256') return [];
    const logged: ReferrerManifest[] = [];
    for (const release of await this.#releasesOf(log, repository, subject)) {
      const own = (await this.#documents.subjects(release)).find(({ digest }) => digest === subject);
      if (own !== undefined) logged.push(...(await this.#referrers.of(release, own)));
    }
    return logged;
  }

  async #releasesOf(
    log: PackageLog,
    repository: RepositoryName,
    digest: OciDigest,
  ): Promise<readonly PackageRelease[]> {
    const pushed = log.pushedAs(digest);
    // What is stored is no release's, or was found by its annotation.
    if (pushed.length > 0 || (await this.#oci.readManifest(repository, digest)) !== null) return pushed;
    const found = await this.#documents.find(log, digest);
    return found?.sort === 'manifest' ? [found.release] : [];
  }
}

/** Throws TypeError for a repository that is none of a package: the view asks for those elsewhere. */
function nameOf(repository: RepositoryName): PackageName {
  const name = packageOf(repository);
  if (name === null) throw new TypeError(`${repository} is no package`);
  return name;
}

function foundManifest(
  { mediaType, digest, bytes }: Pick<StoredManifest, 'mediaType' | 'digest' | 'bytes'>,
  release: PackageRelease | null,
): FoundManifest {
  const yanked = release?.yanked ?? null;
  const warning = release === null || yanked === null ? null : yankedText(release, yanked.reason);
  return { mediaType, digest, bytes, warning };
}

/** Of several releases with one manifest none is told of while one of them stands. */
function yankedOf(releases: readonly PackageRelease[]): PackageRelease | null {
  return releases.find(({ yanked }) => yanked === null) ?? releases[0] ?? null;
}

/** What a header cannot hold is left out: a reason is anybody's text. */
function yankedText({ name, version }: PackageRelease, reason: string): string {
  const said = reason.replaceAll(/[^\x20-\x7E]|["\\]/g, ' ').trim();
  return `${name}@${version} is yanked${said && `: ${said}`}`.slice(0, WARNING_LENGTH_MAX);
}

function firstAfter(sorted: readonly string[], last: string): number {
  const index = sorted.findIndex((text) => text > last);
  return index < 0 ? sorted.length : index;
}

function withinBytes(
  found: readonly StoredReferrer[],
  limit: number,
): { readonly items: readonly StoredReferrer[]; readonly more: boolean } {
  const items: StoredReferrer[] = [];
  let bytesLeft = REFERRERS_PAGE_BYTES_MAX;
  for (const one of found) {
    if (items.length >= limit || bytesLeft <= 0) return { items, more: true };
    items.push(one);
    bytesLeft -= one.bytes.length;
  }
  return { items, more: false };
}

function loggedDescriptor({ manifest, manifestDigest, artifactType }: ReferrerManifest): ReferrerDescriptor {
  const { annotations } = readManifest(manifest, OCI_MEDIA_TYPE.manifest);
  return {
    mediaType: OCI_MEDIA_TYPE.manifest,
    digest: parseOciDigest(manifestDigest),
    size: manifest.length,
    artifactType,
    annotations: { ...annotations, [LOGGED]: 'true' },
  };
}

/** Nothing that was pushed can say that the log says it. */
function pushedDescriptor({ mediaType, digest, artifactType, bytes }: StoredReferrer): ReferrerDescriptor {
  const { annotations } = readManifest(bytes, mediaType);
  return { mediaType, digest, size: bytes.length, artifactType, annotations: { ...annotations, [LOGGED]: 'false' } };
}
