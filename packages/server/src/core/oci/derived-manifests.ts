import { digestHex, encodeHex, RegistryError, sha256Stream, type Digest } from '@waybill/protocol';
import {
  isTreeRelease,
  ReleaseContentReader,
  releaseManifest,
  type ReleaseContent,
  type ReleaseFile,
  type ReleaseManifest,
} from '@waybill/protocol/oci';
import { DERIVED_MANIFESTS_BYTES_MAX } from '../limits.ts';
import type { ContentStore } from '../ports.ts';
import { readTreeIndex } from '../tree-index-reading.ts';
import { BytesCache } from './bytes-cache.ts';
import type { PackageRelease } from './package-releases.ts';

/**
 * The manifests that releases stand for (spec/oci.md 5): made from the log and the content when they are asked for, and the same
 * whenever they are made again.
 */
export class DerivedManifests {
  readonly #content: Pick<ContentStore, 'size' | 'read'>;
  readonly #recent = new BytesCache<ReleaseManifest>(
    DERIVED_MANIFESTS_BYTES_MAX,
    ({ manifest, config }) => manifest.length + config.length,
  );
  /** One content is read at a time: each takes the event loop's time. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(content: Pick<ContentStore, 'size' | 'read'>) {
    this.#content = content;
  }

  /** Throws `content/not-found` where the content, or a file of it, is not here, and `storage/damaged`. */
  async of(release: PackageRelease): Promise<ReleaseManifest> {
    return this.#recent.get(keyOf(release)) ?? this.#inTurn(() => this.#make(release));
  }

  /** Bytes that {@link of} would read. */
  async cost(release: PackageRelease): Promise<number> {
    if (this.#recent.get(keyOf(release)) !== null) return 0;
    return (await this.#content.size(release.content)) ?? 0;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #make(release: PackageRelease): Promise<ReleaseManifest> {
    const known = this.#recent.get(keyOf(release));
    if (known !== null) return known;
    const { name, version, content: digest, time: recordTime } = release;
    const size = await this.#size(digest);
    const content = await this.#read(release, size);
    const made = releaseManifest({ name, version, digest, size, recordTime, content });
    this.#recent.set(keyOf(release), made);
    return made;
  }

  async #size(digest: Digest): Promise<number> {
    const size = await this.#content.size(digest);
    if (size === null) throw new RegistryError('content/not-found', `there is no content ${digest}`, { digest });
    return size;
  }

  async #read({ content: digest, claim }: PackageRelease, size: number): Promise<ReleaseContent> {
    const claimed = claim?.mediaType ?? null;
    if (isTreeRelease(claimed)) return { type: 'tree', files: await this.#files(digest) };
    const reader = new ReleaseContentReader(claimed, size);
    const hash = sha256Stream();
    for await (const chunk of this.#content.read(digest, { start: 0, end: size })) {
      hash.update(chunk);
      reader.update(chunk);
    }
    // Of damaged bytes the manifest would be another one, for ever in somebody's cache.
    if (encodeHex(hash.digest()) === digestHex(digest)) return reader.finish();
    throw new RegistryError('storage/damaged', `the bytes of ${digest} have another digest`);
  }

  async #files(index: Digest): Promise<readonly ReleaseFile[]> {
    const files: ReleaseFile[] = [];
    for (const { path, digest } of await readTreeIndex(this.#content, index)) {
      files.push({ path, digest, size: await this.#size(digest) });
    }
    return files;
  }
}

function keyOf({ logId, version }: PackageRelease): string {
  return `${logId} ${version}`;
}
