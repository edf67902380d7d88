import { isRegistryError, parseDigest, type Digest } from '@waybill/protocol';
import { algorithmOf, parseOciDigest, readManifest, repositoryOf, type OciDigest } from '@waybill/protocol/oci';
import { HELD_MANIFESTS_MAX } from '../limits.ts';
import type { KeptManifest, OciReader } from '../oci-ports.ts';
import type { PackageRelease } from './package-releases.ts';
import { layersOf } from './pushed-layers.ts';

/** The manifests by which releases were pushed, as far as they are here and hold what was released. */
export class PushedManifests {
  readonly #oci: Pick<OciReader, 'readManifest'>;
  /** Manifest and content → whether the one holds the other: reading a large one takes long. */
  readonly #held = new Map<string, boolean>();

  constructor(oci: Pick<OciReader, 'readManifest'>) {
    this.#oci = oci;
  }

  /**
   * The one that the tag stands for: the first that the log names. `null` where that is not here, or brings other content: whoever
   * may annotate a release cannot put anything in its place.
   */
  async of(release: PackageRelease): Promise<KeptManifest | null> {
    const [first = null] = release.pushed;
    return first && this.#find(release, first);
  }

  /** All that the log names, as far as they are here and bring the content. */
  async all(release: PackageRelease): Promise<readonly KeptManifest[]> {
    const found: KeptManifest[] = [];
    for (const digest of release.pushed) {
      const stored = await this.#find(release, digest);
      if (stored !== null) found.push(stored);
    }
    return found;
  }

  async #find(release: PackageRelease, digest: Digest): Promise<KeptManifest | null> {
    const stored = await this.#oci.readManifest(repositoryOf(release.name), parseOciDigest(digest));
    return stored !== null && this.#holds(stored, release) ? stored : null;
  }

  #holds(stored: KeptManifest, release: PackageRelease): boolean {
    const key = `${stored.digest} ${release.content}`;
    const known = this.#held.get(key);
    if (known !== undefined) return known;
    const holds = contentOf(stored) === release.content;
    this.#held.set(key, holds);
    for (const oldest of this.#held.keys()) {
      if (this.#held.size <= HELD_MANIFESTS_MAX) break;
      this.#held.delete(oldest);
    }
    return holds;
  }
}

/** What a release of the manifest has for content; `null` for none that is a release's. */
function contentOf({ bytes, mediaType }: KeptManifest): Digest | null {
  try {
    return layersOf(readManifest(bytes, mediaType)).content;
  } catch (failure) {
    if (isRegistryError(failure, 'oci/manifest', 'oci/size')) return null;
    throw failure;
  }
}

/** The digest as the log writes it, which has no SHA-512. */
export function logDigest(digest: OciDigest): Digest | null {
  return algorithmOf(digest) === 'sha256' ? parseDigest(digest) : null;
}
