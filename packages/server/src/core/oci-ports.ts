import type { Digest } from '@waybill/protocol';
import type { OciDigest, RepositoryName, TagName } from '@waybill/protocol/oci';
import type { ByteRange } from './ports.ts';

/*
 * What the OCI view keeps beside the log: blobs and manifests as they were pushed, tags of plain repositories, unfinished
 * uploads. Nothing of the log depends on it. Drivers own durability; the suites in storage/oci-conformance.ts and
 * blobs/oci-conformance.ts own the contract.
 */

/** A manifest as it was pushed, byte for byte. */
export interface StoredManifest {
  readonly repository: RepositoryName;
  /** The one under which it was pushed. */
  readonly digest: OciDigest;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  /** What it refers to; `null` for nothing. */
  readonly subject: OciDigest | null;
  /** As the list of referrers says it: its own, else that of its configuration; `null` for neither. */
  readonly artifactType: string | null;
  /** Blobs that it names and that belong to the repository, and manifests that it lists. */
  readonly names: readonly OciDigest[];
  readonly pushedAtMs: number;
}

/** As it is read: what it names, which may be very many, is in its bytes. */
export type KeptManifest = Omit<StoredManifest, 'names'>;

/** A referrer: what it says of itself is in its bytes. */
export type StoredReferrer = Pick<KeptManifest, 'digest' | 'mediaType' | 'artifactType' | 'bytes'>;

/** A blob belongs to a repository once it was pushed or mounted there. */
export interface BlobLink {
  readonly repository: RepositoryName;
  readonly digest: OciDigest;
  readonly size: number;
  /** Of the newest push or mount: a link that is written again takes its time. */
  readonly linkedAtMs: number;
}

export interface StoredTag {
  readonly tag: TagName;
  readonly digest: OciDigest;
}

/** Names after `after`, at most `limit`, in byte order. */
export interface NamePage {
  readonly after: string | null;
  readonly limit: number;
}

/** What one call changes: all of it or nothing becomes durable, in this order. */
export interface OciChange {
  readonly links: readonly BlobLink[];
  readonly manifests: readonly StoredManifest[];
  /** Of the repository; a tag that is there moves. */
  readonly tags: readonly (StoredTag & { readonly repository: RepositoryName })[];
}

export interface OciReader {
  readManifest(repository: RepositoryName, digest: OciDigest): Promise<KeptManifest | null>;
  /** Reads no bytes: for whoever asks of many. */
  hasManifest(repository: RepositoryName, digest: OciDigest): Promise<boolean>;
  readTag(repository: RepositoryName, tag: TagName): Promise<OciDigest | null>;
  listTags(repository: RepositoryName, page: NamePage): Promise<StoredTag[]>;
  /** By digest. */
  listReferrers(
    repository: RepositoryName,
    asked: { readonly subject: OciDigest; readonly artifactType: string | null } & NamePage,
  ): Promise<StoredReferrer[]>;
  readLink(repository: RepositoryName, digest: OciDigest): Promise<BlobLink | null>;
  /** Repositories that have this blob, by name. */
  listLinked(digest: OciDigest, page: NamePage): Promise<RepositoryName[]>;
  /** Repositories that have a manifest, a tag or a blob, by name. */
  listRepositories(page: NamePage): Promise<RepositoryName[]>;
  hasRepository(repository: RepositoryName): Promise<boolean>;
}

/** What a sweep may look at: oldest first. */
export interface OciSweepReader {
  /** Links older than `beforeMs` that no manifest of their repository names, at most `limit` that come after `after`. */
  listLooseLinks(
    beforeMs: number,
    page: { readonly after: BlobLink | null; readonly limit: number },
  ): Promise<BlobLink[]>;
  /** True when a link names the blob. */
  isLinked(digest: OciDigest): Promise<boolean>;
}

/**
 * The OCI side's own store. Throws `storage/…`. A change that was answered survives the death of the process; one written with
 * `durable`, and each deletion, a power cut, too, and with it every change before it: a blob may go once its link is gone.
 */
export interface OciStore extends OciReader, OciSweepReader {
  write(change: OciChange, durable: boolean): Promise<void>;
  /** The tags that point at it go with it. False when there is none. */
  deleteManifest(repository: RepositoryName, digest: OciDigest): Promise<boolean>;
  deleteTag(repository: RepositoryName, tag: TagName): Promise<boolean>;
  deleteLink(repository: RepositoryName, digest: OciDigest): Promise<boolean>;
  /** Deletes those of {@link OciSweepReader.listLooseLinks} that are still loose and were not written again, and says which. */
  deleteLooseLinks(links: readonly BlobLink[]): Promise<BlobLink[]>;
  close(): Promise<void>;
}

/**
 * Small blobs, which the OCI side's store has as rows. What was put, or deleted, survives the death of the process, and with
 * the next durable change of the store a power cut. Throws `storage/…`.
 */
export interface BlobRows {
  find(digest: OciDigest): Promise<{ readonly size: number; readonly keptAtMs: number } | null>;
  read(digest: OciDigest): Promise<Uint8Array | null>;
  /** Whatever stands there is replaced. */
  put(digest: OciDigest, bytes: Uint8Array, keptAtMs: number): Promise<void>;
  delete(digest: OciDigest): Promise<void>;
  /** At most `limit` that come after `after`, in byte order. */
  list(after: OciDigest | null, limit: number): Promise<OciDigest[]>;
}

/** Blobs by the digest under which they were pushed. */
export interface BlobStore {
  /** `null` when it is not here. */
  size(digest: OciDigest): Promise<number | null>;
  /**
   * Throws `oci/blob-unknown`. Chunks share buffers: a chunk is the reader's until it asks for the next, or for the end. So
   * whoever writes it to a socket must have heard that it was written, before it asks.
   */
  read(digest: OciDigest, range: ByteRange): AsyncIterable<Uint8Array>;
  /**
   * Makes the bytes and the names of blobs durable, if they are not known to be: when it resolves, or, of small ones, with the
   * next durable change of the store. One of which an earlier process left that open is read first: a power cut may have taken
   * its bytes. Throws `oci/blob-unknown` for one that is missing, or was such.
   */
  makeDurable(digests: readonly OciDigest[]): Promise<void>;
  list(): AsyncIterable<OciDigest>;
  /** When it was last pushed or adopted, in Unix milliseconds; `null` when it is not here. */
  keptAtMs(digest: OciDigest): Promise<number | null>;
  delete(digest: OciDigest): Promise<void>;
  /**
   * Gives content of the log to the blobs, without copying where the disk can; durable as a blob that was pushed is. Throws
   * `content/not-found`.
   */
  adoptContent(digest: Digest): Promise<void>;
  /** Gives a blob to the log's content, which has it durably when this resolves. Throws `oci/blob-unknown`. */
  giveToContent(digest: Digest): Promise<void>;
}

/** How content of the log and a blob of the same bytes share a file: what the content store gives for it. */
export interface ContentLinks {
  /** The file of content that stands alone; `null` for other content, and for what is not here. */
  plainFile(digest: Digest): Promise<string | null>;
  /** Keeps a file as content, durably: it is durable itself, and its bytes have this digest. */
  keepFile(digest: Digest, file: string): Promise<void>;
}

/** An unfinished upload: its bytes outlive the process. While it has none, it need not. */
export interface UploadSession {
  /** A random UUID. */
  readonly id: string;
  readonly repository: RepositoryName;
  /** Who began it; `null` for nobody who was known. */
  readonly account: string | null;
  readonly startedAtMs: number;
  readonly touchedAtMs: number;
  /** Bytes that are here. */
  readonly length: number;
}

/**
 * Unfinished uploads. Whoever calls sees to it that one call at a time works on a session. After a restart a session has the
 * bytes that were written, and the first call that needs their hash reads them again.
 */
export interface UploadStore {
  start(session: Pick<UploadSession, 'repository' | 'account'>): Promise<UploadSession>;
  find(id: string): Promise<UploadSession | null>;
  /**
   * Adds chunks; what was written before a failure stays. Resolves with the new length. Throws `oci/size` before the session
   * would have more than `bytesMax` bytes, `storage/full`, `oci/upload-unknown`. `isLast`: the session is finished, cancelled or
   * set back next, and until then what is added need not outlive the process.
   */
  append(id: string, body: AsyncIterable<Uint8Array>, bytesMax: number, isLast?: boolean): Promise<number>;
  /** Sets a session back to fewer bytes: of a chunk that was refused on its way nothing stays. */
  truncate(id: string, length: number): Promise<void>;
  /**
   * Ends the session: its bytes become the blob `digest`, if that is their digest. Throws `oci/digest-mismatch`, after which
   * the session is gone, as after success.
   */
  finish(id: string, digest: OciDigest): Promise<number>;
  /** False when there is none. */
  cancel(id: string): Promise<boolean>;
  /** In no order. */
  list(): AsyncIterable<UploadSession>;
}
