import { isRegistryError, parseDigest, RegistryError, type Digest } from '@waybill/protocol';
import {
  algorithmOf,
  EMPTY_CONFIG,
  type OciDescriptor,
  type OciDigest,
  type ReadManifest,
  type RepositoryName,
} from '@waybill/protocol/oci';
import { PUSHED_CONFIG_BYTES_MAX } from '../limits.ts';
import type { BlobStore, OciReader } from '../oci-ports.ts';
import type { ContentStore } from '../ports.ts';
import type { OciReading } from './oci-registry.ts';
import { refused, type PushedBytes } from './pushed-content.ts';

export interface PushedFindingParts {
  readonly store: Pick<OciReader, 'readLink' | 'readManifest'>;
  readonly blobs: Pick<BlobStore, 'size' | 'read'>;
  readonly content: Pick<ContentStore, 'size'>;
  /** What a pull of the package finds: a client does not push what it was told is here. */
  readonly reading: Pick<OciReading, 'blob' | 'manifest'>;
}

/** What is looked for. */
interface PushedParts {
  readonly repository: RepositoryName;
  readonly manifest: ReadManifest;
}

/** Where the bytes of a config or a layer are. */
export interface FoundBytes {
  readonly digest: OciDigest;
  readonly bytes: PushedBytes;
  /** `blob`: pushed here. `content`: the log has it. `made`: from the log, and stored nowhere. */
  readonly place: 'blob' | 'content' | 'made';
}

/** Where all is that a manifest names. */
export interface Found {
  /** `null` of an index. */
  readonly config: FoundBytes | null;
  /** But those that lie elsewhere. */
  readonly layers: readonly FoundBytes[];
}

/** Finds what a manifest names in the package that it is pushed to: check 6 of spec/oci.md 6.3. */
export class PushedFinding {
  readonly #parts: PushedFindingParts;

  constructor(parts: PushedFindingParts) {
    this.#parts = parts;
  }

  /** Throws `oci/manifest-blob` for what is not in the repository, `oci/manifest` for another size. */
  async find(push: PushedParts): Promise<Found> {
    const { config, layers } = push.manifest;
    const found: FoundBytes[] = [];
    const foundConfig = config && (await this.#findBytes('config', config, push));
    for (const layer of layers) if (!layer.isForeign) found.push(await this.#findBytes('layer', layer, push));
    return { config: foundConfig, layers: found };
  }

  /** Throws `oci/manifest-blob` for an index that lists what is not here, `oci/manifest` for another size. */
  async requireListed({ manifest, repository }: PushedParts): Promise<void> {
    const { store, reading } = this.#parts;
    for (const listed of manifest.manifests) {
      const { digest } = listed;
      const stored = await store.readManifest(repository, digest);
      const { bytes } =
        stored ??
        (await reading.manifest(repository, { digest }).catch((failure: unknown) => {
          const isMissing = isRegistryError(failure, 'oci/manifest-unknown', 'oci/repository');
          throw isMissing ? missing('manifest', listed) : failure;
        }));
      requireSize(listed, bytes.length);
    }
  }

  async #findBytes(
    what: string,
    named: OciDescriptor,
    { repository }: Pick<PushedParts, 'repository'>,
  ): Promise<FoundBytes> {
    const { blobs, content, reading } = this.#parts;
    const { digest } = named;
    const size = await this.#linkedSize(repository, named);
    if (size !== null) return { digest, place: 'blob', bytes: { size, read: (range) => blobs.read(digest, range) } };
    const bytes = await reading.blob(repository, digest).catch((failure: unknown) => {
      throw isRegistryError(failure, 'oci/blob-unknown') ? missing(what, named) : failure;
    });
    requireSize(named, bytes.size);
    const logged = sha256Of(digest);
    const isContent = logged !== null && (await content.size(logged)) !== null;
    return { digest, bytes, place: isContent ? 'content' : 'made' };
  }

  /** Bytes of a blob that belongs to the repository; `null` of one that does not. Throws `oci/manifest` for another size. */
  async #linkedSize(repository: RepositoryName, descriptor: OciDescriptor): Promise<number | null> {
    const { store, blobs } = this.#parts;
    if ((await store.readLink(repository, descriptor.digest)) === null) return null;
    const size = await blobs.size(descriptor.digest);
    if (size !== null) requireSize(descriptor, size);
    return size;
  }
}

/** `null` where it says nothing. Throws `oci/size` where nobody here could tell what it says. */
export async function readConfig({ config }: Found): Promise<Uint8Array | null> {
  if (config === null || config.bytes.size <= EMPTY_CONFIG.length) return null;
  if (config.bytes.size > PUSHED_CONFIG_BYTES_MAX) {
    throw new RegistryError('oci/size', `the config of a release has at most ${PUSHED_CONFIG_BYTES_MAX} bytes`);
  }
  return readWhole(config.bytes);
}

async function readWhole({ size, read }: PushedBytes): Promise<Uint8Array> {
  const whole = new Uint8Array(size);
  let at = 0;
  for await (const chunk of read({ start: 0, end: size })) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/** `null` for what the log has no name for. */
export function sha256Of(digest: OciDigest): Digest | null {
  return algorithmOf(digest) === 'sha256' ? parseDigest(digest) : null;
}

function requireSize({ digest, size: said }: OciDescriptor, size: number): void {
  if (said !== size) throw refused(`it says that ${digest} has ${said} bytes, and it has ${size}`);
}

function missing(what: string, { digest }: OciDescriptor): RegistryError {
  return new RegistryError('oci/manifest-blob', `the ${what} ${digest} is not in this repository: push it first`, {
    digest,
  });
}
