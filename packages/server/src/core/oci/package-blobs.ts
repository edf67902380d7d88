import { digestOf, RegistryError, type Digest, type PackageName } from '@waybill/protocol';
import { EMPTY_CONFIG, isTreeRelease, repositoryOf, type OciDigest } from '@waybill/protocol/oci';
import { takenDown, type GovernanceGate } from '../governance-gate.ts';
import { TREE_MEMBERS_MAX } from '../limits.ts';
import type { BlobStore, OciReader } from '../oci-ports.ts';
import type { ContentStore } from '../ports.ts';
import { findTreeIndex } from '../tree-index-reading.ts';
import type { TreeTakedowns } from '../tree-takedowns.ts';
import type { FoundBlob } from './oci-registry.ts';
import type { PackageLog } from './package-releases.ts';
import { presentSize } from './present-blob.ts';
import { logDigest } from './pushed-manifests.ts';
import type { ReleaseDocuments } from './release-documents.ts';

export interface PackageBlobsParts {
  readonly oci: Pick<OciReader, 'readLink'>;
  readonly blobs: Pick<BlobStore, 'size' | 'read'>;
  readonly content: Pick<ContentStore, 'size' | 'read'>;
  readonly documents: Pick<ReleaseDocuments, 'find'>;
  readonly gate: Pick<GovernanceGate, 'admitContent'>;
  readonly trees: Pick<TreeTakedowns, 'takedownOf'>;
}

const EMPTY_CONFIG_DIGEST: string = digestOf(EMPTY_CONFIG);

/** The blobs of packages: what was pushed there, what its log names, and what stands for its releases. */
export class PackageBlobs {
  readonly #parts: PackageBlobsParts;
  /** Indexes of trees → the digests of their files, newest use last. */
  readonly #members = new Map<Digest, ReadonlySet<string>>();
  #memberCount = 0;

  constructor(parts: PackageBlobsParts) {
    this.#parts = parts;
  }

  /** `log` is `null` before the first release. Throws `oci/blob-unknown`, `content/taken-down`, `storage/busy`. */
  async find(name: PackageName, log: PackageLog | null, digest: OciDigest): Promise<FoundBlob> {
    const linked = await this.#linked(name, digest);
    if (linked !== null) return linked;
    const found = log && ((await this.#named(log, digest)) ?? (await this.#made(log, digest)));
    if (found !== null) return found;
    throw new RegistryError('oci/blob-unknown', `there is no blob ${digest} in ${repositoryOf(name)}`, { digest });
  }

  async #linked(name: PackageName, digest: OciDigest): Promise<FoundBlob | null> {
    const { oci, blobs } = this.#parts;
    const size = await presentSize({ store: oci, blobs }, repositoryOf(name), digest);
    if (size === null) return null;
    const named = logDigest(digest);
    if (named !== null) await this.#requireStanding(name, named);
    return { digest, size, read: (range) => blobs.read(digest, range) };
  }

  /** Content of the log: of a release or an annotation of this package, or a file of one of its trees. */
  async #named(log: PackageLog, asked: OciDigest): Promise<FoundBlob | null> {
    const digest = logDigest(asked);
    if (digest === null) return null;
    const { content } = this.#parts;
    const size = await content.size(digest);
    if (!log.names(digest) && !(await this.#isFile(log, digest, size))) return null;
    await this.#requireStanding(log.name, digest);
    return size === null ? null : { digest: asked, size, read: (range) => content.read(digest, range) };
  }

  async #isFile(log: PackageLog, digest: Digest, size: number | null): Promise<boolean> {
    // What is taken down may have been deleted: it is refused, and not unknown.
    const mayBe = size !== null || (await this.#parts.trees.takedownOf(digest)) !== null;
    return mayBe && (await this.#isInTree(log, digest));
  }

  /** By whichever governance log: what is asked for in a package is the package's, too. */
  async #requireStanding(name: PackageName, digest: Digest): Promise<void> {
    await this.#parts.gate.admitContent(name, digest);
    const takedown = await this.#parts.trees.takedownOf(digest);
    if (takedown !== null) throw takenDown(takedown);
  }

  async #isInTree(log: PackageLog, digest: Digest): Promise<boolean> {
    for (const { content, claim } of [...log.releases.values()].toReversed()) {
      if (!isTreeRelease(claim?.mediaType ?? null)) continue;
      if ((await this.#filesOf(content)).has(digest)) return true;
    }
    return false;
  }

  async #filesOf(index: Digest): Promise<ReadonlySet<string>> {
    const known = this.#members.get(index);
    const files =
      known ?? new Set<string>(((await findTreeIndex(this.#parts.content, index)) ?? []).map((file) => file.digest));
    if (files.size === 0) return files;
    if (!this.#members.delete(index)) this.#memberCount += files.size;
    this.#members.set(index, files);
    for (const [oldest, { size }] of this.#members) {
      if (this.#memberCount <= TREE_MEMBERS_MAX) break;
      this.#members.delete(oldest);
      this.#memberCount -= size;
    }
    return files;
  }

  /** What stands for a release and is nobody's file. */
  async #made(log: PackageLog, digest: OciDigest): Promise<FoundBlob | null> {
    if (digest === EMPTY_CONFIG_DIGEST) return blobOf(digest, EMPTY_CONFIG);
    if (logDigest(digest) === null) return null;
    const found = await this.#parts.documents.find(log, digest);
    return found?.sort === 'blob' ? blobOf(digest, found.bytes) : null;
  }
}

function blobOf(digest: OciDigest, bytes: Uint8Array): FoundBlob {
  return {
    digest,
    size: bytes.length,
    async *read({ start, end }) {
      yield bytes.subarray(start, end);
    },
  };
}
