import type { OciAlgorithm, OciDigest, OciReference, RepositoryName, TagName } from '@waybill/protocol/oci';
import type { Access } from '../access.ts';
import type { ByteRange } from '../ports.ts';

/* What the HTTP side asks of the OCI view. Every call throws `oci/…`, `token/…`, `storage/…` and what its comment adds. */

/** What may be done to a repository; a scope of OCI tokens names them. */
export type OciAction = 'pull' | 'push' | 'delete';

/** Who asks. */
export interface OciCaller {
  readonly access: Access;
  /** What a bearer token of ours was issued for; `null` for whoever shows none. */
  readonly granted: readonly OciGrant[] | null;
}

export interface OciGrant {
  readonly repository: RepositoryName;
  readonly actions: ReadonlySet<OciAction>;
}

export interface FoundManifest {
  readonly mediaType: string;
  /** In the algorithm that was asked for. */
  readonly digest: OciDigest;
  readonly bytes: Uint8Array;
  /** For a `Warning` header, without its code and quotes; `null` for nothing to say. */
  readonly warning: string | null;
}

export interface FoundBlob {
  readonly digest: OciDigest;
  readonly size: number;
  /** Chunks may share one buffer: a chunk is the reader's until it asks for the next. */
  read(range: ByteRange): AsyncIterable<Uint8Array>;
}

export interface ReferrerDescriptor {
  readonly mediaType: string;
  readonly digest: OciDigest;
  readonly size: number;
  readonly artifactType: string | null;
  readonly annotations: Readonly<Record<string, string>> | null;
}

export interface ListPage {
  /** What the page before ended with; `null` for the first. */
  readonly last: string | null;
  /** `null` for all. */
  readonly limit: number | null;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** True when there are more. */
  readonly more: boolean;
}

export interface UploadPlace {
  readonly id: string;
  readonly length: number;
}

/** A body on its way; `start`: where its sender says it begins, `null` for where the last one ended. */
export interface UploadBody {
  readonly start: number | null;
  /** Bytes that its sender announced; `null` when none was told. */
  readonly length: number | null;
  readonly body: AsyncIterable<Uint8Array>;
}

export interface PushedManifest {
  readonly digest: OciDigest;
  /** What it refers to. */
  readonly subject: OciDigest | null;
  readonly tags: readonly TagName[];
  readonly warning: string | null;
}

export interface ManifestPush {
  readonly reference: OciReference;
  /** Of the query, beside the reference. */
  readonly tags: readonly TagName[];
  readonly contentType: string;
  readonly bytes: Uint8Array;
}

/** One repository, of whichever sort. */
export interface OciReading {
  /** Throws `oci/manifest-unknown`, `oci/repository`. */
  manifest(repository: RepositoryName, reference: OciReference): Promise<FoundManifest>;
  /** Throws `oci/blob-unknown`. */
  blob(repository: RepositoryName, digest: OciDigest): Promise<FoundBlob>;
  /** In byte order. Throws `oci/repository`. */
  tags(repository: RepositoryName, page: ListPage): Promise<Page<TagName>>;
  referrers(
    repository: RepositoryName,
    subject: OciDigest,
    asked: ListPage & { readonly artifactType: string | null },
  ): Promise<Page<ReferrerDescriptor>>;
}

/** What a sort of repository does with what is pushed. */
export interface OciPushing {
  /** Durable when it resolves. */
  putManifest(caller: OciCaller, repository: RepositoryName, push: ManifestPush): Promise<PushedManifest>;
  deleteManifest(repository: RepositoryName, reference: OciReference): Promise<void>;
  deleteBlob(repository: RepositoryName, digest: OciDigest): Promise<void>;
}

export interface OciUploading {
  start(caller: OciCaller, repository: RepositoryName, algorithm: OciAlgorithm): Promise<UploadPlace>;
  /** False where it cannot: then it is an ordinary upload. `from` is `null` for wherever the caller may read. */
  mount(
    caller: OciCaller,
    repository: RepositoryName,
    source: { readonly digest: OciDigest; readonly from: RepositoryName | null },
  ): Promise<boolean>;
  /** Throws `oci/upload-unknown`, `oci/range`. */
  place(caller: OciCaller, repository: RepositoryName, id: string): Promise<UploadPlace>;
  append(caller: OciCaller, repository: RepositoryName, id: string, body: UploadBody): Promise<UploadPlace>;
  /** Throws `oci/digest-mismatch`. */
  finish(
    caller: OciCaller,
    repository: RepositoryName,
    id: string,
    end: { readonly digest: OciDigest; readonly body: UploadBody },
  ): Promise<void>;
  /** A whole blob in one request. */
  push(
    caller: OciCaller,
    repository: RepositoryName,
    blob: { readonly digest: OciDigest; readonly body: UploadBody },
  ): Promise<void>;
  cancel(caller: OciCaller, repository: RepositoryName, id: string): Promise<void>;
}

/** Everything below `/v2/`. Each call first asks whether the caller may: `token/required`, `token/scope`, `oci/denied`. */
export interface OciRegistry {
  manifest(caller: OciCaller, repository: RepositoryName, reference: OciReference): Promise<FoundManifest>;
  blob(caller: OciCaller, repository: RepositoryName, digest: OciDigest): Promise<FoundBlob>;
  tags(caller: OciCaller, repository: RepositoryName, page: ListPage): Promise<Page<TagName>>;
  referrers(
    caller: OciCaller,
    repository: RepositoryName,
    subject: OciDigest,
    asked: ListPage & { readonly artifactType: string | null },
  ): Promise<Page<ReferrerDescriptor>>;
  /** Whether not everybody may read it, so that no answer about it may be kept for others. */
  isPrivate(repository: RepositoryName): boolean;
  /** Repositories that the caller may read. */
  catalog(caller: OciCaller, page: ListPage): Promise<Page<RepositoryName>>;
  readonly uploads: OciUploading;
  /** Refuses what {@link putManifest} would for who asks: before anything of a body is read. */
  requirePush(caller: OciCaller, repository: RepositoryName): Promise<void>;
  putManifest(caller: OciCaller, repository: RepositoryName, push: ManifestPush): Promise<PushedManifest>;
  deleteManifest(caller: OciCaller, repository: RepositoryName, reference: OciReference): Promise<void>;
  deleteBlob(caller: OciCaller, repository: RepositoryName, digest: OciDigest): Promise<void>;
  /** What of the actions the access covers in the repository: for tokens. */
  allowed(access: Access, repository: RepositoryName, actions: ReadonlySet<OciAction>): Promise<ReadonlySet<OciAction>>;
}
