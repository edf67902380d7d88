import { isRegistryError, RegistryError } from '@waybill/protocol';
import {
  annotationReferrer,
  logProofReferrer,
  type ReferredManifest,
  type ReferrerManifest,
} from '@waybill/protocol/oci';
import { LOG_REFERRERS_BYTES_MAX } from '../limits.ts';
import type { RegistryReader } from '../ports.ts';
import type { Proving } from '../proving.ts';
import { BytesCache } from './bytes-cache.ts';
import type { PackageRelease } from './package-releases.ts';

export interface LogReferrersParts {
  readonly store: Pick<RegistryReader, 'readRecords' | 'readHeadCovering'>;
  readonly proving: Pick<Proving, 'leaves'>;
}

/** What the log says of a release, as manifests that refer to one of the release's. */
export class LogReferrers {
  readonly #parts: LogReferrersParts;
  readonly #recent = new BytesCache<ReferrerManifest>(
    LOG_REFERRERS_BYTES_MAX,
    ({ manifest, blob }) => manifest.length + blob.length,
  );

  constructor(parts: LogReferrersParts) {
    this.#parts = parts;
  }

  /** The proof of its record first. Each has one digest for ever. Throws `storage/damaged`. */
  async of(release: PackageRelease, subject: ReferredManifest): Promise<readonly ReferrerManifest[]> {
    const { name, version, logId, annotations } = release;
    const proof = await this.#proof(release, subject);
    const said = annotations.map((annotation) => {
      return this.#recently(`${subject.digest} ${version} ${annotation.id}`, () =>
        annotationReferrer(subject, { name, version, logId, ...annotation }),
      );
    });
    return proof === null ? said : [proof, ...said];
  }

  #recently(key: string, make: () => ReferrerManifest): ReferrerManifest {
    const known = this.#recent.get(key);
    if (known !== null) return known;
    const made = make();
    this.#recent.set(key, made);
    return made;
  }

  /** `null` in a log that is too long for proofs of this form. */
  async #proof(release: PackageRelease, subject: ReferredManifest): Promise<ReferrerManifest | null> {
    const key = `${subject.digest} ${release.logId} ${release.version}`;
    const known = this.#recent.get(key);
    if (known !== null) return known;
    const { name, version, logId, registryIndex } = release;
    const { store, proving } = this.#parts;
    const [stored] = await store.readRecords(registryIndex, 1);
    const head = await store.readHeadCovering(registryIndex);
    if (stored?.recordId !== release.recordId || head === null) {
      throw new RegistryError('storage/damaged', `record ${release.recordId} is not where its log has it`);
    }
    const { checkpoint } = head;
    try {
      const inclusion = await proving.leaves(checkpoint.contents.logLength, [registryIndex]);
      const facts = { name, version, logId, record: stored.envelope, registryIndex, inclusion, checkpoint };
      return this.#recently(key, () => logProofReferrer(subject, facts));
    } catch (failure) {
      if (isRegistryError(failure, 'request/unsupported')) return null;
      throw failure;
    }
  }
}
