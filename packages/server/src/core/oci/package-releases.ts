import {
  AnnotationBook,
  decodeSignedRecord,
  emptyLogState,
  isDigest,
  isRegistryError,
  judgeRecord,
  PACKAGE_LOG,
  packageLogId,
  parseRecordId,
  RegistryError,
  type ContentClaim,
  type Digest,
  type ListedAnnotation,
  type LogId,
  type PackageName,
  type PackageState,
  type RecordId,
  type Release,
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
  /** Manifests that are said to be the one by which it was pushed, the first one first. */
  readonly pushed: readonly Digest[];
  /** About it, the latest first, and on whose behalf; not those that say how it was pushed. */
  readonly annotations: readonly StandingAnnotation[];
}

/** A package as the served log has it. */
export interface PackageLog {
  readonly name: PackageName;
  readonly logId: LogId;
  /** In the order of the log. */
  readonly releases: ReadonlyMap<VersionText, PackageRelease>;
  /** Of what is not yanked, in byte order. */
  readonly tags: readonly TagName[];
  /** The newest that is stable, else the newest pre-release; never a yanked one. */
  readonly latest: PackageRelease | null;
  /** By the manifests of {@link PackageRelease.pushed}. */
  readonly byPushed: ReadonlyMap<string, PackageRelease>;
  /** What its releases and the annotations about them name. */
  readonly contents: ReadonlySet<string>;
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

/** One log, as far as it was replayed. */
class LoggedPackage {
  readonly logId: LogId;
  readonly #name: PackageName;
  readonly #store: PackageReleasesParts['store'];
  readonly #book = new AnnotationBook();
  readonly #indexes = new Map<RecordId, number>();
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
    return (this.#log ??= logOf(this.#name, this.logId, this.#releases()));
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
      this.#book.add(record, { before: this.#state, after: draft });
      this.#state = draft.accept();
      this.#annotations += record.annotations.length;
      const isAskedFor = record.annotations.length > 0 || record.entries.some(({ type }) => type === 'release');
      if (isAskedFor) this.#indexes.set(recordId, registryIndex);
      this.#log = null;
    } catch (cause) {
      if (!isRegistryError(cause)) throw cause;
      const message = `record ${recordId} is not what was stored, or one before it is missing: run "waybill fsck"`;
      throw new RegistryError('storage/damaged', message, {}, { cause });
    }
  }

  *#releases(): Generator<PackageRelease, void, undefined> {
    const annotations = this.#standing();
    for (const release of this.#state.bindings.values()) {
      const { version, content, claim, recordId, time, by, state } = release;
      // Whatever is named by another hash is content that nobody could have sent here.
      if (!isDigest(content)) continue;
      yield {
        name: this.#name,
        logId: this.logId,
        version,
        content,
        claim,
        recordId,
        time,
        by,
        tag: tagOrNull(release),
        registryIndex: this.#indexes.get(recordId) ?? 0,
        yanked: state.status === 'yanked' ? { reason: state.reason } : null,
        account: this.#book.accountOf(recordId),
        pushed: this.#book
          .statements('oci-manifest', version)
          .toReversed()
          .map(({ body }) => body.digest),
        annotations: [...(annotations.get(version) ?? []), ...(annotations.get(recordId) ?? [])],
      };
    }
  }

  /** Those about releases, by the version, and those that say on whose behalf a record was signed, by the record. */
  #standing(): Map<string, StandingAnnotation[]> {
    const standing = new Map<string, StandingAnnotation[]>();
    for (const listed of this.#book.list()) {
      if (listed.verdict !== 'authorized' || !this.#book.isMeant(listed)) continue;
      const { id, annotation } = listed;
      const { type, version, body, content } = annotation;
      const recordId = recordOf(listed);
      const about = version ?? (type === 'on-behalf' ? recordId : null);
      // How it was pushed is no news to whoever has a manifest.
      if (about === null || type === 'oci-manifest') continue;
      const one = { id, type, registryIndex: this.#indexes.get(recordId) ?? 0, body, content };
      const those = standing.get(about);
      if (those === undefined) standing.set(about, [one]);
      else those.push(one);
    }
    return standing;
  }
}

function recordOf({ id }: ListedAnnotation): RecordId {
  return parseRecordId(id.slice(0, id.indexOf('/')));
}

function tagOrNull({ version }: Release): TagName | null {
  try {
    return tagOf(version);
  } catch (failure) {
    if (isRegistryError(failure, 'oci/tag')) return null;
    throw failure;
  }
}

function logOf(name: PackageName, logId: LogId, found: Iterable<PackageRelease>): PackageLog {
  const releases = new Map([...found].map((release) => [release.version, release]));
  const standing = [...releases.values()].filter(({ yanked }) => yanked === null);
  const tags = standing.flatMap(({ tag }) => (tag === null ? [] : [tag])).toSorted();
  const newest = latestVersion(standing.map(({ version }) => version));
  const latest = (newest && releases.get(newest)) ?? null;
  const all = [...releases.values()];
  const byPushed = new Map(all.flatMap((release) => release.pushed.map((digest) => [digest, release])));
  const named = ({ content, annotations }: PackageRelease): (string | undefined)[] => [
    content,
    ...annotations.map((one) => one.content?.digest),
  ];
  const contents = new Set(all.flatMap(named).filter((digest) => digest !== undefined));
  return { name, logId, releases, tags, latest, byPushed, contents };
}
