import { isRegistryError, parseDigest, RegistryError } from '@waybill/protocol';
import { algorithmOf, type OciDigest, type RepositoryName } from '@waybill/protocol/oci';
import { MOUNT_LOOKUPS_MAX, OCI_BLOB_BYTES_MAX } from '../limits.ts';
import type { BlobStore, OciStore, UploadSession, UploadStore } from '../oci-ports.ts';
import type { Clock } from '../ports.ts';
import type { OciAccess } from './oci-access.ts';
import type { OciLeases } from './oci-leases.ts';
import type { OciCaller, OciReading, OciUploading, UploadBody, UploadPlace } from './oci-registry.ts';
import type { RepositorySort } from './repository-sort.ts';
import { UploadSessions } from './upload-sessions.ts';

export interface OciUploadsParts {
  readonly store: Pick<OciStore, 'write' | 'listLinked'>;
  readonly blobs: Pick<BlobStore, 'size' | 'adoptContent'>;
  readonly uploads: UploadStore;
  readonly leases: OciLeases;
  readonly access: OciAccess;
  /** What a mount reads from. */
  readonly reading: Readonly<Record<RepositorySort, OciReading>>;
  readonly clock: Clock;
}

/** Blobs on their way into any repository: what they mean there is asked when a manifest names them. */
export class OciUploads implements OciUploading {
  readonly #parts: OciUploadsParts;
  readonly #sessions: UploadSessions;

  private constructor(parts: OciUploadsParts, sessions: UploadSessions) {
    this.#parts = parts;
    this.#sessions = sessions;
  }

  static async open(parts: OciUploadsParts): Promise<OciUploads> {
    return new OciUploads(parts, await UploadSessions.open(parts.uploads, parts.clock));
  }

  /** Unfinished ones, with those that are only begun. */
  get length(): number {
    return this.#sessions.length;
  }

  /** Which algorithm it will be is for the store to find out: it may be named at the end only. */
  async start(caller: OciCaller, repository: RepositoryName): Promise<UploadPlace> {
    await this.#parts.access.requireChange(caller, repository, 'push');
    return this.#sessions.start(repository, ownerOf(caller));
  }

  async mount(
    caller: OciCaller,
    repository: RepositoryName,
    { digest, from }: { readonly digest: OciDigest; readonly from: RepositoryName | null },
  ): Promise<boolean> {
    const { access, leases } = this.#parts;
    await access.requireChange(caller, repository, 'push');
    // What is found here stays until the repository has it.
    return leases.hold([digest], async () => {
      const sources = from === null ? await this.#holders(digest) : [from];
      for (const source of sources) {
        const size = await this.#sizeIn(caller, source, digest);
        if (size === null) continue;
        await this.#link(repository, digest, size);
        return true;
      }
      return false;
    });
  }

  async place(caller: OciCaller, repository: RepositoryName, id: string): Promise<UploadPlace> {
    await this.#parts.access.requireChange(caller, repository, 'push');
    return this.#sessions.require(id, repository, ownerOf(caller));
  }

  async append(caller: OciCaller, repository: RepositoryName, id: string, body: UploadBody): Promise<UploadPlace> {
    await this.#parts.access.requireChange(caller, repository, 'push');
    return this.#sessions.alone(id, async () => {
      const session = await this.#sessions.require(id, repository, ownerOf(caller));
      return { id, length: await this.#take(session, body, false) };
    });
  }

  async finish(
    caller: OciCaller,
    repository: RepositoryName,
    id: string,
    { digest, body }: { readonly digest: OciDigest; readonly body: UploadBody },
  ): Promise<void> {
    await this.#parts.access.requireChange(caller, repository, 'push');
    await this.#sessions.alone(id, async () => {
      const session = await this.#sessions.require(id, repository, ownerOf(caller));
      await this.#take(session, body, true);
      await this.#finish(session, digest);
    });
  }

  async push(
    caller: OciCaller,
    repository: RepositoryName,
    { digest, body }: { readonly digest: OciDigest; readonly body: UploadBody },
  ): Promise<void> {
    await this.#parts.access.requireChange(caller, repository, 'push');
    const session = await this.#sessions.start(repository, ownerOf(caller));
    await this.#sessions.alone(session.id, async () => {
      try {
        await this.#take(session, body, true);
        await this.#finish(session, digest);
      } catch (failure) {
        // Nobody was told its id, so nobody can go on with it.
        await this.#sessions.cancel(session.id);
        throw failure;
      }
    });
  }

  async cancel(caller: OciCaller, repository: RepositoryName, id: string): Promise<void> {
    await this.#parts.access.requireChange(caller, repository, 'push');
    await this.#sessions.alone(id, async () => {
      await this.#sessions.require(id, repository, ownerOf(caller));
      await this.#sessions.cancel(id);
    });
  }

  /** Ends what nobody goes on with. */
  async expire(): Promise<void> {
    await this.#sessions.expire();
  }

  /** A body that is refused leaves the session as it was; one whose line breaks leaves what came. */
  async #take(
    { id, length: before }: UploadSession,
    { start, length, body }: UploadBody,
    isLast: boolean,
  ): Promise<number> {
    if (start !== null && start !== before) {
      throw new RegistryError('oci/range', `the upload has ${before} bytes: go on there`, { length: before });
    }
    if (length === 0) return before;
    if (length !== null && length > OCI_BLOB_BYTES_MAX - before) throw tooLarge();
    const { uploads } = this.#parts;
    try {
      const after = await uploads.append(id, this.#sessions.counted(id, body), OCI_BLOB_BYTES_MAX, isLast);
      if (length === null || after - before === length) return after;
      const message = `${length} bytes were announced, and ${after - before} came`;
      throw new RegistryError(start === null ? 'oci/size' : 'oci/range', message, { length: before });
    } catch (failure) {
      if (isRegistryError(failure, 'oci/size', 'oci/range', 'request/too-many')) await uploads.truncate(id, before);
      throw failure;
    } finally {
      await this.#sessions.recount(id);
    }
  }

  async #finish({ id, repository }: UploadSession, digest: OciDigest): Promise<void> {
    const { leases, uploads } = this.#parts;
    await leases.hold([digest], async () => {
      const size = await uploads.finish(id, digest).catch(async (failure: unknown) => {
        if ((await uploads.find(id)) === null) this.#sessions.forget(id);
        throw failure;
      });
      this.#sessions.forget(id);
      // After a crash here the client pushes again: nothing names the blob, and the sweep takes it.
      await this.#link(repository, digest, size);
    });
  }

  /** Repositories that may have the blob, at most {@link MOUNT_LOOKUPS_MAX} of them. */
  #holders(digest: OciDigest): Promise<readonly RepositoryName[]> {
    return this.#parts.store.listLinked(digest, { after: null, limit: MOUNT_LOOKUPS_MAX });
  }

  /**
   * Of a blob that the caller may read in `source`; `null` otherwise, whyever: who may not read it learns nothing
   * (SECURITY.md O4).
   */
  async #sizeIn(caller: OciCaller, source: RepositoryName, digest: OciDigest): Promise<number | null> {
    const { access, reading, blobs } = this.#parts;
    const sort = await access.readable(caller, source);
    if (sort === null) return null;
    try {
      const { size } = await reading[sort].blob(source, digest);
      // A package's may lie with the log's content only, or whole only there.
      if ((await blobs.size(digest)) !== size) {
        if (algorithmOf(digest) !== 'sha256') return null;
        await blobs.adoptContent(parseDigest(digest));
      }
      return size;
    } catch (failure) {
      if (isRegistryError(failure, 'oci/blob-unknown', 'oci/unsupported', 'content/not-found', 'content/taken-down')) {
        return null;
      }
      throw failure;
    }
  }

  async #link(repository: RepositoryName, digest: OciDigest, size: number): Promise<void> {
    const { store, clock } = this.#parts;
    const links = [{ repository, digest, size, linkedAtMs: clock() }];
    await store.write({ links, manifests: [], tags: [] }, false);
  }
}

/** `null` for nobody who is known. */
function ownerOf({ access }: OciCaller): string | null {
  return access === 'anyone' ? null : access.account;
}

function tooLarge(): RegistryError {
  return new RegistryError('oci/size', `a blob has at most ${OCI_BLOB_BYTES_MAX} bytes`);
}
