import { isRegistryError, RegistryError, type LogId } from '@waybill/protocol';
import {
  OCI_MEDIA_TYPE,
  parseOciDigest,
  type OciDigest,
  type ReferredManifest,
  type ReferrerManifest,
  type ReleaseManifest,
} from '@waybill/protocol/oci';
import { LOOKED_CONTENT_BYTES_MAX, LOOKED_RELEASES_MAX, RELEASE_DOCUMENTS_MAX } from '../limits.ts';
import type { DerivedManifests } from './derived-manifests.ts';
import type { LogReferrers } from './log-referrers.ts';
import type { PackageLog, PackageRelease } from './package-releases.ts';
import type { PushedManifests } from './pushed-manifests.ts';

export interface ReleaseDocumentsParts {
  readonly derived: DerivedManifests;
  readonly pushed: PushedManifests;
  readonly referrers: LogReferrers;
}

/** What a release has for documents that are made of the log, and are nobody's files. */
interface Documents {
  /** `null` where its content is not here. */
  readonly derived: ReleaseManifest | null;
  readonly referrers: readonly ReferrerManifest[];
  /** False where what is missing may come. */
  readonly isWhole: boolean;
}

/** Which document of a release a digest names. */
export interface FoundDocument {
  readonly release: PackageRelease;
  readonly sort: 'manifest' | 'referrer' | 'blob';
  readonly bytes: Uint8Array;
}

type Place = Pick<PackageRelease, 'version'> & { readonly isReferrer: boolean };

/** What is known of the documents of one package. */
interface Known {
  readonly places: Map<string, Place>;
  /** Releases whose documents are all in `places`, with what the log said of them then. */
  readonly done: Map<string, string>;
  /** The log of which everything is. */
  completeFor: PackageLog | null;
  work: Promise<unknown>;
}

/**
 * The documents that stand for releases and are stored nowhere, by digest. After a start nothing is known of them: whoever asks
 * for one that is not, has those of the package made, newest release first, each once.
 */
export class ReleaseDocuments {
  readonly #parts: ReleaseDocumentsParts;
  /** Newest use last. */
  readonly #known = new Map<LogId, Known>();

  constructor(parts: ReleaseDocumentsParts) {
    this.#parts = parts;
  }

  /** Manifests of a release that something may refer to: the derived one, and those by which it was pushed. */
  async subjects(release: PackageRelease): Promise<readonly ReferredManifest[]> {
    const { manifest } = await this.#derivedOrNull(release);
    return subjectsOf(manifest, await this.#pushed(release));
  }

  async #pushed(release: PackageRelease): Promise<readonly ReferredManifest[]> {
    const stored = await this.#parts.pushed.all(release);
    return stored.map(({ mediaType, digest, bytes }) => ({ mediaType, digest, size: bytes.length }));
  }

  async #derivedOrNull(
    release: PackageRelease,
  ): Promise<{ readonly manifest: ReleaseManifest | null; readonly mayCome: boolean }> {
    try {
      return { manifest: await this.#parts.derived.of(release), mayCome: false };
    } catch (failure) {
      if (!isRegistryError(failure, 'content/not-found', 'content/tree', 'storage/damaged')) throw failure;
      return { manifest: null, mayCome: failure.code === 'content/not-found' };
    }
  }

  /** `null` for a digest that names none. Throws `storage/busy` while too many releases are still to be looked at. */
  async find(log: PackageLog, digest: OciDigest): Promise<FoundDocument | null> {
    const place = await this.#place(log, digest);
    const release = place && log.releases.get(place.version);
    if (!place || !release) return null;
    const { derived, referrers } = await this.#documents(release, place.isReferrer);
    if (derived !== null && digest === String(derived.manifestDigest)) {
      return { sort: 'manifest', release, bytes: derived.manifest };
    }
    if (derived !== null && digest === String(derived.configDigest))
      return { sort: 'blob', release, bytes: derived.config };
    for (const { manifest, manifestDigest, blob, blobDigest } of referrers) {
      if (digest === String(manifestDigest)) return { sort: 'referrer', release, bytes: manifest };
      if (digest === String(blobDigest)) return { sort: 'blob', release, bytes: blob };
    }
    return null;
  }

  async #place(log: PackageLog, digest: OciDigest): Promise<Place | null> {
    const known = this.#knownOf(log.logId);
    const place = known.places.get(digest) ?? null;
    if (place !== null || known.completeFor === log) return place;
    const done = known.work.then(() => this.#search(known, log, digest));
    known.work = done.catch(() => undefined);
    return done;
  }

  #knownOf(logId: LogId): Known {
    const known = this.#known.get(logId) ?? {
      places: new Map<string, Place>(),
      done: new Map<string, string>(),
      completeFor: null,
      work: Promise.resolve(),
    };
    this.#known.delete(logId);
    this.#known.set(logId, known);
    return known;
  }

  async #search(known: Known, log: PackageLog, digest: OciDigest): Promise<Place | null> {
    if (known.completeFor === log) return known.places.get(digest) ?? null;
    const budget = { releases: LOOKED_RELEASES_MAX, bytes: LOOKED_CONTENT_BYTES_MAX };
    let isComplete = true;
    for (const release of [...log.releases.values()].toReversed()) {
      const place = known.places.get(digest);
      if (place !== undefined) return place;
      const { version, stamp } = release;
      if (known.done.get(version) === stamp) continue;
      if (budget.releases-- <= 0 || budget.bytes <= 0) throw stillLooking(log);
      budget.bytes -= await this.#parts.derived.cost(release);
      const isWhole = this.#note(known, release, await this.#documents(release, true));
      if (isWhole) known.done.set(version, stamp);
      isComplete &&= isWhole;
    }
    if (isComplete) known.completeFor = log;
    this.#forgetOldest(log.logId);
    return known.places.get(digest) ?? null;
  }

  async #documents(release: PackageRelease, withReferrers: boolean): Promise<Documents> {
    const { manifest: derived, mayCome } = await this.#derivedOrNull(release);
    if (!withReferrers) return { derived, referrers: [], isWhole: !mayCome };
    const referrers: ReferrerManifest[] = [];
    for (const subject of subjectsOf(derived, await this.#pushed(release))) {
      referrers.push(...(await this.#parts.referrers.of(release, subject)));
    }
    return { derived, referrers, isWhole: !mayCome };
  }

  #note({ places }: Known, { version }: PackageRelease, { derived, referrers, isWhole }: Documents): boolean {
    if (derived !== null) {
      for (const digest of [derived.manifestDigest, derived.configDigest]) {
        places.set(digest, { version, isReferrer: false });
      }
    }
    for (const { manifestDigest, blobDigest } of referrers) {
      for (const digest of [manifestDigest, blobDigest]) places.set(digest, { version, isReferrer: true });
    }
    return isWhole;
  }

  #forgetOldest(current: LogId): void {
    let count = 0;
    for (const { places } of this.#known.values()) count += places.size + 1;
    for (const [logId, { places }] of this.#known) {
      if (count <= RELEASE_DOCUMENTS_MAX || logId === current) return;
      this.#known.delete(logId);
      count -= places.size + 1;
    }
  }
}

function subjectsOf(derived: ReleaseManifest | null, pushed: readonly ReferredManifest[]): readonly ReferredManifest[] {
  if (derived === null) return pushed;
  const { manifest, manifestDigest } = derived;
  const digest = parseOciDigest(manifestDigest);
  const own = { mediaType: OCI_MEDIA_TYPE.manifest, digest, size: manifest.length };
  return [own, ...pushed.filter((one) => one.digest !== digest)];
}

function stillLooking({ name }: PackageLog): RegistryError {
  return new RegistryError('storage/busy', `the releases of ${name} are still being looked through: try again`);
}
