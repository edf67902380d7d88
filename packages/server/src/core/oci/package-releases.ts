import {
  AnnotationBook,
  decodeSignedRecord,
  emptyLogState,
  isDigest,
  isRegistryError,
  judgeRecord,
  PACKAGE_LOG,
  packageLogId,
  readAnnotationBody,
  RegistryError,
  type ContentClaim,
  type Digest,
  type ListedAnnotation,
  type LogId,
  type PackageEntry,
  type PackageName,
  type PackageState,
  type RecordId,
  type Release,
  type SignedRecord,
  type Timestamp,
  type VersionText,
} from '@waybill/protocol';
import { tagOf, type ReleaseAnnotation, type TagName } from '@waybill/protocol/oci';
import { PACKAGE_LOG_ITEMS_MAX, REPLAY_PAGE_RECORDS } from '../limits.ts';
import type { HomeOf } from '../log-states.ts';
import type { RegistryReader, StoredRecord } from '../ports.ts';
import { latestVersion } from './latest-version.ts';

export interface PackageReleasesParts {
  readonly store: Pick<RegistryReader, 'readLog'>;
  /** Of the registry log, as it is served. */
  readonly logLength: () => number;
  readonly homeOf: HomeOf;
}

/** A statement about a release that means something now. */
export type StandingAnnotation = Pick<ReleaseAnnotation, 'id' | 'type' | 'registryIndex' | 'body' | 'content'>;

/** A release as the served log has it. */
export interface PackageRelease {
  readonly name: PackageName;
  readonly logId: LogId;
  readonly version: VersionText;
  /** `null` for a version that is too long for one. */
  readonly tag: TagName | null;
  readonly content: Digest;
  readonly claim: ContentClaim | null;
  readonly recordId: RecordId;
  readonly registryIndex: number;
  readonly time: Timestamp;
  /** Key id or role of whoever signed it. */
  readonly by: string;
  /** `null` while it is not yanked. */
  readonly yanked: { readonly reason: string } | null;
  /** For whom a gateway signed it; `null` where nobody says so. */
  readonly account: string | null;
  /** Manifests by which the record that released it says that it was pushed, the first one first. */
  readonly pushed: readonly Digest[];
  /** About it, the latest first, and on whose behalf; not those that say how it was pushed. */
  readonly annotations: readonly StandingAnnotation[];
  /** Another one where `annotations` are others. */
  readonly stamp: string;
}

/** A package as the served log has it: another one once a record was added. */
export interface PackageLog {
  readonly name: PackageName;
  readonly logId: LogId;
  /** In the order of the log. */
  readonly releases: ReadonlyMap<VersionText, PackageRelease>;
  /** Of what is not yanked, in byte order. */
  tags(): readonly TagName[];
  /** The newest that is stable, else the newest pre-release; never a yanked one. */
  latest(): PackageRelease | null;
  /** Those of which the manifest is one of {@link PackageRelease.pushed}: several tags may be pushed at once. */
  pushedAs(digest: string): readonly PackageRelease[];
  /** Whether a release, or an annotation about one, names the content. */
  names(digest: Digest): boolean;
}

/**
 * What the served log says of packages, annotations among it. A log is replayed when it is first asked for, and from then on
 * only what was added; the logs asked for last stay in memory.
 */
export class PackageReleases {
  readonly #parts: PackageReleasesParts;
  /** Newest use last. */
  readonly #logs = new Map<LogId, LoggedPackage>();
  #items = 0;

  constructor(parts: PackageReleasesParts) {
    this.#parts = parts;
  }

  /** `null` for a package without a record that is served. Throws `storage/damaged`. */
  async find(name: PackageName): Promise<PackageLog | null> {
    const logId = packageLogId(name);
    const logged = this.#logs.get(logId) ?? new LoggedPackage(name, logId, this.#parts);
    this.#logs.delete(logId);
    this.#logs.set(logId, logged);
    try {
      const found = await logged.atLength(this.#parts.logLength());
      if (found === null) this.#forget(logged);
      else this.#measure(logged);
      return found;
    } catch (failure) {
      this.#forget(logged);
      throw failure;
    }
  }

  #measure(logged: LoggedPackage): void {
    // It may have been forgotten while it was read.
    if (this.#logs.get(logged.logId) !== logged) return;
    this.#items += logged.measure();
    for (const oldest of this.#logs.values()) {
      if (this.#items <= PACKAGE_LOG_ITEMS_MAX || oldest === logged) break;
      this.#forget(oldest);
    }
  }

  #forget(logged: LoggedPackage): void {
    if (this.#logs.get(logged.logId) !== logged) return;
    this.#logs.delete(logged.logId);
    this.#items -= logged.measured;
  }
}

/** One log, as far as it was replayed. What a record costs does not depend on how many there were. */
class LoggedPackage {
  readonly logId: LogId;
  readonly #name: PackageName;
  readonly #store: PackageReleasesParts['store'];
  readonly #facts: ReleaseFactsBook;
  #state: PackageState;
  #annotations = 0;
  /** Everything below this index of the registry log was looked at. */
  #length = 0;
  #log: PackageLog | null = null;
  #work: Promise<unknown> = Promise.resolve();
  /** What it counted when it was last measured. */
  measured = 0;

  constructor(name: PackageName, logId: LogId, { store, homeOf }: PackageReleasesParts) {
    this.#name = name;
    this.logId = logId;
    this.#store = store;
    this.#state = emptyLogState(homeOf(logId));
    this.#facts = new ReleaseFactsBook(name, logId);
  }

  /** By how much it has grown. */
  measure(): number {
    const before = this.measured;
    this.measured = this.#state.length + 2 * this.#state.bindings.size + this.#state.keys.size + this.#annotations;
    return this.measured - before;
  }

  async atLength(logLength: number): Promise<PackageLog | null> {
    if (this.#length < logLength) await this.#inTurn(() => this.#advance(logLength));
    if (this.#state.length === 0) return null;
    this.#log ??= new LoggedReleases(this.#name, this.logId, this.#facts.upTo(this.#state));
    return this.#log;
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#work.then(work);
    this.#work = done.catch(() => undefined);
    await done;
  }

  async #advance(logLength: number): Promise<void> {
    if (this.#length >= logLength) return;
    for (;;) {
      const range = { fromPosition: this.#state.length, belowIndex: logLength, limit: REPLAY_PAGE_RECORDS };
      const page = await this.#store.readLog(this.logId, range);
      for (const stored of page) this.#add(stored);
      if (page.length < REPLAY_PAGE_RECORDS) break;
    }
    this.#length = logLength;
  }

  /** Its signatures were verified before it was stored. */
  #add({ envelope, recordId, registryIndex }: StoredRecord): void {
    try {
      const record = decodeSignedRecord(PACKAGE_LOG, envelope);
      if (record.id !== recordId) throw new RegistryError('storage/damaged', `record ${recordId} has another id`);
      const { draft } = judgeRecord(PACKAGE_LOG, this.#state, record);
      this.#facts.add(record, { before: this.#state, after: draft }, registryIndex);
      this.#state = draft.accept();
      this.#annotations += record.annotations.length;
      this.#log = null;
    } catch (cause) {
      if (!isRegistryError(cause)) throw cause;
      const message = `record ${recordId} is not what was stored, or one before it is missing: run "waybill fsck"`;
      throw new RegistryError('storage/damaged', message, {}, { cause });
    }
  }
}

/** Goes on with the log. */
type ReleaseView = Pick<PackageLog, 'releases' | 'pushedAs' | 'names'>;

/** The releases of a log, of which only those are made anew that a record says something of. */
class ReleaseFactsBook {
  readonly #name: PackageName;
  readonly #logId: LogId;
  readonly #book = new AnnotationBook();
  readonly #indexes = new Map<RecordId, number>();
  /** Records with annotations about a release, by its version. */
  readonly #about = new Map<string, RecordId[]>();
  readonly #releases = new Map<VersionText, PackageRelease>();
  readonly #byPushed = new Map<string, Map<VersionText, PackageRelease>>();
  /** Content → how many releases and annotations name it. */
  readonly #named = new Map<string, number>();
  readonly #touched = new Set<VersionText>();

  constructor(name: PackageName, logId: LogId) {
    this.#name = name;
    this.#logId = logId;
  }

  add(record: SignedRecord<PackageEntry>, step: Parameters<AnnotationBook['add']>[1], registryIndex: number): void {
    this.#book.add(record, step);
    for (const entry of record.entries) if ('version' in entry) this.#touched.add(entry.version);
    if (record.annotations.length === 0) {
      if (record.entries.some(({ type }) => type === 'release')) this.#indexes.set(record.id, registryIndex);
      return;
    }
    this.#indexes.set(record.id, registryIndex);
    for (const { annotation } of this.#book.listRecord(record.id)) {
      if (annotation?.type === 'withdrawal') for (const version of this.#releases.keys()) this.#touched.add(version);
      const version = annotation?.version ?? null;
      if (version === null) continue;
      this.#touched.add(version);
      const about = this.#about.get(version) ?? [];
      if (about.at(-1) !== record.id) about.push(record.id);
      this.#about.set(version, about);
    }
  }

  /** As of the state that the last record led to. */
  upTo({ bindings }: PackageState): ReleaseView {
    for (const version of this.#touched) {
      const release = bindings.get(version);
      if (release !== undefined && isDigest(release.content)) this.#replace(this.#releaseOf(release, release.content));
    }
    this.#touched.clear();
    const names = (digest: Digest): boolean => this.#named.has(digest);
    const pushedAs = (digest: string): PackageRelease[] => [...(this.#byPushed.get(digest)?.values() ?? [])];
    return { releases: this.#releases, pushedAs, names };
  }

  #releaseOf({ version, claim, recordId, time, by, state }: Release, content: Digest): PackageRelease {
    const annotations = this.#standing(version, recordId);
    return {
      name: this.#name,
      logId: this.#logId,
      version,
      tag: tagOrNull(version),
      content,
      claim,
      recordId,
      registryIndex: this.#indexes.get(recordId) ?? 0,
      time,
      by,
      yanked: state.status === 'yanked' ? { reason: state.reason } : null,
      account: this.#book.accountOf(recordId),
      pushed: this.#pushed(version, recordId),
      annotations,
      stamp: annotations.map(({ id }) => id).join(' '),
    };
  }

  /** As the record that released it says: what is said elsewhere, or withdrawn, would move the tag. */
  #pushed(version: VersionText, recordId: RecordId): Digest[] {
    const said = [...this.#book.listRecord(recordId)].toReversed();
    return said.flatMap((listed) => {
      if (listed.verdict !== 'authorized') return [];
      const { annotation } = listed;
      if (annotation.type !== 'oci-manifest' || annotation.version !== version) return [];
      return [readAnnotationBody('oci-manifest', annotation).digest];
    });
  }

  #standing(version: VersionText, recordId: RecordId): readonly StandingAnnotation[] {
    const about = this.#about.get(version)?.toReversed() ?? [];
    const isBehalf = ({ annotation }: ListedAnnotation): boolean => annotation?.type === 'on-behalf';
    // How it was pushed is no news to whoever has a manifest.
    const isOf = ({ annotation }: ListedAnnotation): boolean =>
      annotation?.version === version && annotation.type !== 'oci-manifest';
    return [...about.flatMap((each) => this.#meant(each, isOf)), ...this.#meant(recordId, isBehalf)];
  }

  #meant(recordId: RecordId, isWanted: (listed: ListedAnnotation) => boolean): StandingAnnotation[] {
    const registryIndex = this.#indexes.get(recordId) ?? 0;
    return [...this.#book.listRecord(recordId)].flatMap((listed) => {
      if (listed.verdict !== 'authorized' || !isWanted(listed) || !this.#book.isMeant(listed)) return [];
      const { type, body, content } = listed.annotation;
      return [{ id: listed.id, type, registryIndex, body, content }];
    });
  }

  #replace(release: PackageRelease): void {
    const before = this.#releases.get(release.version);
    if (before !== undefined) {
      for (const digest of before.pushed) this.#byPushed.get(digest)?.delete(release.version);
      for (const digest of contentsOf(before)) this.#count(digest, -1);
    }
    this.#releases.set(release.version, release);
    for (const digest of release.pushed) {
      const those = this.#byPushed.get(digest) ?? new Map<VersionText, PackageRelease>();
      this.#byPushed.set(digest, those.set(release.version, release));
    }
    for (const digest of contentsOf(release)) this.#count(digest, 1);
  }

  #count(digest: string, by: 1 | -1): void {
    const count = (this.#named.get(digest) ?? 0) + by;
    if (count === 0) this.#named.delete(digest);
    else this.#named.set(digest, count);
  }
}

function contentsOf({ content, annotations }: PackageRelease): readonly string[] {
  return [content, ...annotations.flatMap((one) => (one.content === null ? [] : [one.content.digest]))];
}

function tagOrNull(version: VersionText): TagName | null {
  try {
    return tagOf(version);
  } catch (failure) {
    if (isRegistryError(failure, 'oci/tag')) return null;
    throw failure;
  }
}

/** What is asked for seldom is made when it is. */
class LoggedReleases implements PackageLog {
  readonly name: PackageName;
  readonly logId: LogId;
  readonly releases: ReadonlyMap<VersionText, PackageRelease>;
  readonly pushedAs: PackageLog['pushedAs'];
  readonly names: PackageLog['names'];
  #tags: readonly TagName[] | null = null;
  #latest: { readonly release: PackageRelease | null } | null = null;

  constructor(name: PackageName, logId: LogId, view: ReleaseView) {
    this.name = name;
    this.logId = logId;
    this.releases = view.releases;
    this.pushedAs = view.pushedAs;
    this.names = view.names;
  }

  tags(): readonly TagName[] {
    this.#tags ??= this.#standing()
      .flatMap(({ tag }) => (tag === null ? [] : [tag]))
      .toSorted();
    return this.#tags;
  }

  latest(): PackageRelease | null {
    this.#latest ??= { release: this.#newest() };
    return this.#latest.release;
  }

  #newest(): PackageRelease | null {
    const newest = latestVersion(this.#standing().map(({ version }) => version));
    return (newest && this.releases.get(newest)) ?? null;
  }

  #standing(): PackageRelease[] {
    return [...this.releases.values()].filter(({ yanked }) => yanked === null);
  }
}
