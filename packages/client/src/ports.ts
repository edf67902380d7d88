import type { Digest, LogId, SignedCheckpoint, wargApi } from '@waybill/protocol';

/** What a client remembers of a registry between runs: the key it pinned and the newest checkpoint it believed. */
export interface RememberedRegistry {
  readonly operatorKeyId: Digest;
  readonly checkpoint: SignedCheckpoint;
}

/** A remembered registry with the revision that {@link TrustStore.replace} compares. */
export interface TrustRevision {
  readonly revision: number;
  readonly remembered: RememberedRegistry;
}

/** Remembers one registry. Many processes may share it. */
export interface TrustStore {
  /** `null` at first use. Throws `storage/damaged` for something unreadable: never silently a first use again. */
  read(): Promise<TrustRevision | null>;
  /** Compare-and-swap: false, and nothing changed, when another process has replaced `previous` (`null`: first use). */
  replace(previous: TrustRevision | null, next: RememberedRegistry): Promise<boolean>;
  /** Keeps the proof of a registry's misbehaviour; gives where a person finds it. */
  keepEvidence(evidence: string): Promise<string>;
}

/** Records of logs fetched before. Nothing in it is believed: it is replayed and checked like an answer. */
export interface LogCache {
  /** `null` when there is none, or nothing readable. */
  read(logId: LogId): Promise<readonly wargApi.PublishedRecord[] | null>;
  write(logId: LogId, records: readonly wargApi.PublishedRecord[]): Promise<void>;
}

/** Bytes of content on their way in; `keep` after the digest was checked. */
export interface ContentWriter {
  /** When it resolves, the chunk is the caller's again. */
  write(chunk: Uint8Array): Promise<void>;
  keep(): Promise<void>;
  discard(): Promise<void>;
}

/** Cached content that is open for reading. */
export interface CachedContent {
  /** Throws `content/not-found` where it does not reach that far. */
  read(slice: { readonly start: number; readonly end: number }): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** The cache as a place where parts of other content are. */
export interface PartsCache {
  /** What is cached, newest first. */
  newest(): Promise<readonly { readonly digest: Digest; readonly size: number }[]>;
  /** `null` when it has gone. */
  open(digest: Digest): Promise<CachedContent | null>;
  /** A list that was made here; `null` when there is none. */
  readList(digest: Digest): Promise<Uint8Array | null>;
  keepList(digest: Digest, list: Uint8Array): Promise<void>;
}

/** Content fetched before, by digest. What is read from it is hashed again. */
export interface ContentCache {
  /** `null` in a cache that gives no parts: everything is fetched whole. */
  readonly parts: PartsCache | null;
  /** `null` when it is not there. */
  read(digest: Digest): Promise<AsyncIterable<Uint8Array> | null>;
  /** Bytes of what is there, unread; `null` when it is not. */
  size(digest: Digest): Promise<number | null>;
  writer(digest: Digest): Promise<ContentWriter>;
  forget(digest: Digest): Promise<void>;
}

/** Unix milliseconds. */
export type Clock = () => number;

/** Cryptographically random bytes. */
export type Random = (length: number) => Uint8Array;
