import type {
  Digest,
  Envelope,
  LogId,
  MapPageRef,
  PackageName,
  RecordId,
  SignedCheckpoint,
  TileCoordinates,
  TokenId,
} from '@waybill/protocol';

/*
 * What core asks of the outside: guarantees, not entities. Drivers own durability; core owns order and rules; the suites in
 * storage/conformance.ts and blobs/conformance.ts own the contract.
 */

/** A record with its place: `registryIndex` in the registry log, `logPosition` in its own log, both from 0. */
export interface StoredRecord {
  readonly registryIndex: number;
  readonly logId: LogId;
  readonly logPosition: number;
  readonly recordId: RecordId;
  readonly envelope: Envelope;
}

/** The newest checkpoint, with where the map's root page stands. */
export interface StoredHead {
  readonly checkpoint: SignedCheckpoint;
  /** Version of the map's root page at this head; `null` for the empty map. */
  readonly mapVersion: number | null;
  /** Leaves of the `heads` log up to this head, whose own leaf is the last of them. */
  readonly headsLength: number;
}

/** The newest heads of both logs as C2SP signed notes. */
export interface LogNotes {
  readonly records: string;
  readonly heads: string;
}

/** A release by the content that it names: entry `entryIndex`, from 0, of the record at `registryIndex`. */
export interface Holding {
  readonly digest: Digest;
  readonly registryIndex: number;
  readonly entryIndex: number;
}

/** Where a list of holdings goes on: after this one. */
export type HoldingPlace = Pick<Holding, 'registryIndex' | 'entryIndex'>;

/** Records from index `from` on, below `to`. */
export interface RecordRange {
  readonly from: number;
  readonly to: number;
}

/** `records`: the registry log. `heads`: the log of its heads, one leaf for each length at which one was signed. */
export type LogName = 'records' | 'heads';

/** The full new content of a tile that a commit touched. */
export interface TileWrite extends TileCoordinates {
  readonly log: LogName;
  readonly hashes: Uint8Array;
}

/** A page of the map that a commit made. Pages are never overwritten. */
export interface MapPageWrite extends MapPageRef {
  readonly bytes: Uint8Array;
  /** The version of the page that roots from this commit on do not need any more; `null` for a page at a new place. */
  readonly replaces: number | null;
}

/** Everything one batch changes; all of it or nothing becomes durable. */
export interface Commit {
  readonly records: readonly StoredRecord[];
  /** Names of the packages whose logs start here. */
  readonly names: readonly { readonly logId: LogId; readonly name: PackageName }[];
  /** Of the records. */
  readonly holdings: readonly Holding[];
  readonly tiles: readonly TileWrite[];
  readonly mapPages: readonly MapPageWrite[];
  readonly head: StoredHead;
  readonly notes: LogNotes;
  /** Pending records that this commit settles; their rows go. */
  readonly settled: readonly RecordId[];
}

/** A record that was accepted and waits for content, or was rejected while it waited. */
export interface PendingRecord {
  readonly recordId: RecordId;
  readonly logId: LogId;
  readonly name: PackageName;
  readonly envelope: Envelope;
  /** Why it was rejected; `null` while it waits. */
  readonly rejection: string | null;
  /** When the row was written, in Unix milliseconds. */
  readonly updatedAtMs: number;
}

/** Where a walk over the map's pages stands; drivers make and read it, nobody else. */
export type PruneCursor = Readonly<Record<string, string | number>>;

/** What can be asked of the durable state: committed data only. */
export interface RegistryReader {
  /** The newest head; `null` in a store that has never committed. */
  readHead(): Promise<StoredHead | null>;
  /** `null` when no head was ever signed at this length. */
  readHeadAt(logLength: number): Promise<StoredHead | null>;
  /** The newest head signed at or before `timestamp` (Unix seconds); `null` when there was none yet. */
  readHeadAsOf(timestamp: number): Promise<StoredHead | null>;
  /** The first head that covered the record with this index, as it was first signed: the same for ever. `null` while none does. */
  readHeadCovering(registryIndex: number): Promise<StoredHead | null>;
  /** The notes of the newest head; `null` in a store that has never committed. */
  readNotes(): Promise<LogNotes | null>;
  readRecord(recordId: RecordId): Promise<StoredRecord | null>;
  /** Records of one log with `logPosition >= fromPosition` and `registryIndex < belowIndex`, in order, at most `limit`. */
  readLog(
    logId: LogId,
    range: { readonly fromPosition: number; readonly belowIndex: number; readonly limit: number },
  ): Promise<StoredRecord[]>;
  /** Records with `registryIndex >= fromIndex`, in order, at most `limit`. */
  readRecords(fromIndex: number, limit: number): Promise<StoredRecord[]>;
  /** Names of known packages; unknown ids are absent from the answer. */
  readNames(logIds: readonly LogId[]): Promise<ReadonlyMap<LogId, PackageName>>;
  /**
   * Names of packages as paths, `demo/hello` for `demo:hello`, after `after` and in the order of their bytes, at most `limit`:
   * paths and names have two orders.
   */
  listNamePaths(after: string | null, limit: number): Promise<string[]>;
  /** Tiles as last committed, in the order asked; throws `storage/damaged` for one that is missing. */
  readTiles(log: LogName, tiles: readonly TileCoordinates[]): Promise<Uint8Array[]>;
  /** Pages in the order asked; throws `storage/damaged` for one that is missing. */
  readMapPages(pages: readonly MapPageRef[]): Promise<Uint8Array[]>;
  /** Pages of roots below this version may be gone; 0 while nothing was pruned. */
  readMapFloor(): Promise<number>;
  readPending(recordId: RecordId): Promise<PendingRecord | null>;
  listPending(): Promise<PendingRecord[]>;
  /** Holdings of a digest with `registryIndex < belowIndex`, by index and entry, at most `limit`. */
  readHoldings(
    digest: Digest,
    range: { readonly after: HoldingPlace | null; readonly belowIndex: number; readonly limit: number },
  ): Promise<Holding[]>;
  /** The records that were stored by a build without holdings, and have none yet; `null` when every record's are there. */
  readHoldingsGap(): Promise<RecordRange | null>;
}

/** Writes of records that wait. Each is durable when its promise resolves. */
export interface PendingWriter {
  /** Inserts or replaces a pending record. */
  putPending(pending: PendingRecord): Promise<void>;
  /** No error for an unknown id. */
  deletePending(recordId: RecordId): Promise<void>;
}

/** Writes the holdings of records that were stored without them. */
export interface HoldingsWriter {
  /**
   * Writes the holdings of the first records of the gap, those of `range`, which end it or leave the rest. Does nothing where the
   * gap begins elsewhere by now. Both in one transaction.
   */
  fillHoldings(range: RecordRange, holdings: readonly Holding[]): Promise<void>;
}

/**
 * The registry's durable state. Every promise of a write resolves only when the write would survive a power cut; one that
 * rejects with `storage/failed` leaves in doubt what is on the disk: the process must end, and the next start reads what is
 * really there.
 */
export interface RegistryStore extends RegistryReader, PendingWriter, HoldingsWriter {
  /** Both in one transaction. */
  writePending(puts: readonly PendingRecord[], deletes: readonly RecordId[]): Promise<void>;

  /**
   * Makes a commit durable and visible at once, if the stored head still has the log length `previousLength` (`null`: no
   * head) and was not signed at a later time. Equal lengths with no records re-sign the head. Throws `head/conflict` and
   * changes nothing when another writer was first; `storage/full` when there is no room.
   */
  commit(previousLength: number | null, commit: Commit): Promise<void>;

  /**
   * One step of deleting map pages that no root of version `floor` or newer needs, after durably raising the map floor to
   * it; looks at about `pages` pages. Resolves with where to go on, `null` at the end of the walk.
   */
  pruneMap(floor: number, after: PruneCursor | null, pages: number): Promise<PruneCursor | null>;

  close(): Promise<void>;
}

/** An access token as it is kept: never its text. Times in Unix seconds. */
export interface StoredToken {
  readonly id: TokenId;
  /** SHA-256 of the token's text. */
  readonly secretHash: Uint8Array;
  readonly account: string;
  /** What it allows, as core writes it. */
  readonly scope: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  /** Days since 1970; `null` when it was never used. */
  readonly lastUsedDay: number | null;
  readonly revokedAt: number | null;
}

/** Reads tokens as last written, by whichever process. */
export interface TokenReader {
  readToken(id: TokenId): Promise<StoredToken | null>;
  /** Oldest first, at most `limit`. */
  listTokens(limit: number): Promise<StoredToken[]>;
}

/** That a token was used on a day. */
export interface TokenUse {
  readonly id: TokenId;
  readonly day: number;
}

/** Writes that a token was used. */
export interface TokenUseWriter {
  /** A later day that is stored stays; no error for an unknown id. */
  markTokensUsed(uses: readonly TokenUse[]): Promise<void>;
}

/** Access tokens. Each write is durable, and seen by every reader, when its promise resolves. */
export interface TokenStore extends TokenReader, TokenUseWriter {
  /** Throws `storage/damaged` for an id that is there already. */
  addToken(token: StoredToken): Promise<void>;
  /** Revoking again keeps the first time. False for an unknown id. */
  revokeToken(id: TokenId, revokedAt: number): Promise<boolean>;
  /** Drops the tokens that expired, or were revoked, before `endedBefore`. */
  forgetTokens(endedBefore: number): Promise<void>;
}

/** A row as an inspection finds it: its value, or why it has none. */
export type Inspected<T, K = number> =
  | { readonly key: K; readonly value: T }
  | { readonly key: K; readonly problem: string };

/** A record with the bytes that its row has for a name. */
export interface InspectedRecord extends StoredRecord {
  readonly name: Uint8Array | null;
}

/**
 * The durable state as it lies there, damaged or not: rows that make no sense are told apart from those that do, and what is
 * missing is `null`. What cannot be read at all throws `storage/damaged`.
 */
export interface StoreInspection {
  /** What the store's own check finds wrong with its file. */
  checkFile(): Promise<string[]>;
  /** By registry index, which is the key; in pages. */
  recordsInOrder(): AsyncIterable<readonly Inspected<InspectedRecord>[]>;
  /** Log by log, each by its position; the key is the registry index. */
  recordsByLog(): AsyncIterable<readonly Inspected<InspectedRecord>[]>;
  /** By log length, which is the key. */
  heads(): AsyncIterable<readonly Inspected<StoredHead>[]>;
  /** The key is what {@link StoreRepairs} takes. */
  listPending(): Promise<readonly Inspected<PendingRecord, string>[]>;
  /** None in a store that was last opened before there were any. */
  listTokens(): Promise<readonly Inspected<StoredToken, string>[]>;
  readTile(log: LogName, tile: TileCoordinates): Promise<Uint8Array | null>;
  listTiles(): Promise<readonly StoredTileName[]>;
  readMapPage(page: MapPageRef): Promise<Uint8Array | null>;
  /** How many pages there are, and what is wrong with the form they are stored in. */
  surveyMap(): Promise<{ readonly pages: number; readonly problems: readonly string[] }>;
  readMapFloor(): Promise<number>;
  readNotes(): Promise<LogNotes | null>;
  /** `null` in a store that was last opened before there were any. */
  surveyHoldings(): Promise<{ readonly rows: number; readonly gap: RecordRange | null } | null>;
  hasHolding(holding: Holding): Promise<boolean>;
}

/** A tile by the name it is stored under, which may be that of no log. */
export interface StoredTileName extends TileCoordinates {
  /** What {@link StoreRepairs} takes. */
  readonly key: bigint;
  readonly log: string;
}

/** What an inspection has derived anew from sound records. */
export interface StoreRepairs {
  readonly reindex: boolean;
  readonly tiles: readonly TileWrite[];
  readonly surplusTiles: readonly StoredTileName[];
  /** Every page that the newest root needs, with its version, to stand instead of all that are there; `null`: leave them. */
  readonly map: { readonly floor: number; readonly pages: Iterable<MapPageWrite> } | null;
  readonly notes: LogNotes | null;
  readonly recordIds: readonly { readonly registryIndex: number; readonly recordId: RecordId }[];
  readonly names: readonly { readonly registryIndex: number; readonly name: PackageName | null }[];
  /** All holdings go, and the gap is all records. */
  readonly emptyHoldings: boolean;
  /** Keys of pending records that cannot be used. */
  readonly pending: readonly string[];
}

/** What was last signed, kept apart from the store so that a store set back to an older state is noticed. */
export interface SignedMark {
  readonly logLength: number;
  readonly logRoot: Digest;
  readonly mapRoot: Digest;
  /** Unix seconds. */
  readonly timestamp: number;
}

/** Keeps one {@link SignedMark}. */
export interface LastSigned {
  /** `null` when nothing was ever signed, or the file is gone. Throws `storage/damaged`. */
  read(): Promise<SignedMark | null>;
  /** Durable when it resolves. Throws `storage/full`, `storage/failed`. */
  write(mark: SignedMark): Promise<void>;
}

/** Signs the checkpoints of one C2SP log; the key never leaves it. */
export interface LogSigner {
  /** The log's origin, which is the name of its key too. */
  readonly origin: string;
  /** The key as note tools read it. */
  readonly verifierKey: string;
  /** A signed note of the log at this size; `root` is 32 bytes. */
  sign(size: number, root: Uint8Array): string;
}

/** One upload on its way into the {@link ContentStore}. Exactly one of `keep` and `discard` ends it. */
export interface ContentUpload {
  /** Throws `storage/full` when there is no room. */
  write(chunk: Uint8Array): Promise<void>;
  /** Makes the bytes durable under their digest, which the caller has checked. Keeping what is there already is no error. */
  keep(digest: Digest): Promise<void>;
  /** Leaves no trace. Never throws. */
  discard(): Promise<void>;
}

/** Bytes `start` to `end` (exclusive). */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Content by digest; immutable once kept. */
export interface ContentStore {
  /** Size in bytes; `null` when the content is not here. */
  size(digest: Digest): Promise<number | null>;
  /** When the content was kept, in Unix milliseconds; `null` when it is not here. */
  keptAtMs(digest: Digest): Promise<number | null>;
  startUpload(): Promise<ContentUpload>;
  /** An upload of bytes that are in memory, and whose digest is known: see {@link ContentUpload.keep}. */
  keepBytes(digest: Digest, bytes: Uint8Array): Promise<void>;
  /** Bytes `start` to `end` (exclusive) in chunks. Throws `content/not-found`. */
  read(digest: Digest, range: ByteRange): AsyncIterable<Uint8Array>;
  /** Many ranges in ascending order, one after another, at the cost of one look for the content. Throws as {@link read}. */
  readSlices(digest: Digest, ranges: readonly ByteRange[]): AsyncIterable<Uint8Array>;
  /** What is kept, in no order that means anything; what is kept or goes meanwhile may or may not be in it. */
  list(): AsyncIterable<Digest>;
}

/** Bytes of content in a row: `length` of them, from `baseStart` on in other content, or its own (`null`). */
export interface SharedSlice {
  readonly baseStart: number | null;
  readonly length: number;
}

/**
 * Content that is stored as slices of other content, its base. To whoever reads it, it is as any other. A base stands alone:
 * whoever shares sees to it that it goes on doing so.
 */
export interface ContentSharing {
  /** `null` for content that stands alone, or is not here. Throws `storage/damaged`. */
  baseOf(digest: Digest): Promise<Digest | null>;
  /**
   * Stores `digest` by slices, in the order of its bytes, which are read back and hashed before anything goes. Whole in one
   * form or the other after a crash. Throws `storage/damaged` where the slices are those of other content, `storage/full`, `storage/failed`.
   */
  share(digest: Digest, base: Digest, slices: readonly SharedSlice[]): Promise<void>;
  /** Lets it stand alone again. Throws as {@link share}. */
  unshare(digest: Digest): Promise<void>;
}

/** Lists of the parts of content, beside it. Each can be made anew: who reads one checks it. */
export interface PartsListStore {
  /** `null` when there is none. */
  readList(digest: Digest): Promise<Uint8Array | null>;
  /** After a crash it is whole or absent. Throws `storage/full`, `storage/failed`. */
  keepList(digest: Digest, list: Uint8Array): Promise<void>;
}

/** Unix milliseconds. */
export type Clock = () => number;
