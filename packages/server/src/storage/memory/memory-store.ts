import { RegistryError, type Digest, type LogId, type PackageName, type RecordId } from '@waybill/protocol';
import type { MapPageRef, TileCoordinates } from '@waybill/protocol';
import type {
  Commit,
  Holding,
  HoldingPlace,
  LogName,
  LogNotes,
  PendingRecord,
  PruneCursor,
  RecordRange,
  RegistryStore,
  StoredHead,
  StoredRecord,
} from '../../core/ports.ts';

/** What one memory store keeps. Stores over one of these see each other's writes, as processes on one file do. */
export interface MemoryState {
  readonly records: Map<number, StoredRecord>;
  readonly recordsById: Map<RecordId, StoredRecord>;
  /** The records of each log, by log position. */
  readonly logs: Map<LogId, Map<number, StoredRecord>>;
  readonly names: Map<LogId, PackageName>;
  readonly tiles: Map<string, Uint8Array>;
  readonly mapPages: Map<string, Uint8Array>;
  readonly heads: Map<number, StoredHead>;
  /** As they were signed at first. */
  readonly firstHeads: Map<number, StoredHead>;
  readonly pending: Map<RecordId, PendingRecord>;
  readonly holdings: Map<string, Holding>;
  newest: StoredHead | null;
  notes: LogNotes | null;
  mapFloor: number;
  holdingsGap: RecordRange | null;
}

/** Nothing yet. */
export function emptyMemoryState(): MemoryState {
  return {
    records: new Map(),
    recordsById: new Map(),
    logs: new Map(),
    names: new Map(),
    tiles: new Map(),
    mapPages: new Map(),
    heads: new Map(),
    firstHeads: new Map(),
    pending: new Map(),
    holdings: new Map(),
    newest: null,
    notes: null,
    mapFloor: 0,
    holdingsGap: null,
  };
}

/** A {@link RegistryStore} that ends with the process: for tests. Durable means here that another store sees it. */
export class MemoryStore implements RegistryStore {
  readonly #state: MemoryState;
  #closed = false;

  constructor(state: MemoryState = emptyMemoryState()) {
    this.#state = state;
  }

  async readHead(): Promise<StoredHead | null> {
    return this.#open().newest;
  }

  async commit(previousLength: number | null, commit: Commit): Promise<void> {
    const state = this.#open();
    const newest = state.newest?.checkpoint.contents.logLength ?? null;
    if (newest !== previousLength) {
      throw new RegistryError('head/conflict', `the stored head is at ${newest} records, not at ${previousLength}`);
    }
    const { timestamp = 0 } = state.newest?.checkpoint.contents ?? {};
    if (commit.head.checkpoint.contents.timestamp < timestamp) {
      throw new RegistryError('head/conflict', `the stored head was signed at ${timestamp}, after the new one`);
    }
    requireNew(state, commit);
    apply(state, commit);
  }

  async readHeadAt(logLength: number): Promise<StoredHead | null> {
    return this.#open().heads.get(logLength) ?? null;
  }

  async readHeadAsOf(timestamp: number): Promise<StoredHead | null> {
    const heads = [...this.#open().heads.values()].filter(
      ({ checkpoint }) => checkpoint.contents.timestamp <= timestamp,
    );
    return heads.toSorted((a, b) => a.checkpoint.contents.logLength - b.checkpoint.contents.logLength).at(-1) ?? null;
  }

  async readHeadCovering(registryIndex: number): Promise<StoredHead | null> {
    const lengths = [...this.#open().firstHeads.keys()].filter((logLength) => logLength > registryIndex);
    return this.#open().firstHeads.get(Math.min(...lengths)) ?? null;
  }

  async readNotes(): Promise<LogNotes | null> {
    return this.#open().notes;
  }

  async readRecord(recordId: RecordId): Promise<StoredRecord | null> {
    const record = this.#open().recordsById.get(recordId);
    return record === undefined ? null : copyOf(record);
  }

  async readLog(
    logId: LogId,
    { fromPosition, belowIndex, limit }: { fromPosition: number; belowIndex: number; limit: number },
  ): Promise<StoredRecord[]> {
    const log = [...(this.#open().logs.get(logId)?.values() ?? [])];
    return log
      .filter(({ logPosition, registryIndex }) => logPosition >= fromPosition && registryIndex < belowIndex)
      .toSorted((a, b) => a.logPosition - b.logPosition)
      .slice(0, limit)
      .map(copyOf);
  }

  async readRecords(fromIndex: number, limit: number): Promise<StoredRecord[]> {
    return [...this.#open().records.values()]
      .filter(({ registryIndex }) => registryIndex >= fromIndex)
      .toSorted((a, b) => a.registryIndex - b.registryIndex)
      .slice(0, limit)
      .map(copyOf);
  }

  async readNames(logIds: readonly LogId[]): Promise<ReadonlyMap<LogId, PackageName>> {
    const { names } = this.#open();
    return new Map(
      logIds.flatMap((logId) => {
        const name = names.get(logId);
        return name === undefined ? [] : [[logId, name] as const];
      }),
    );
  }

  async listNamePaths(after: string | null, limit: number): Promise<string[]> {
    const paths = [...this.#open().names.values()].map((name) => name.replace(':', '/'));
    return paths
      .toSorted((a, b) => (a < b ? -1 : 1))
      .filter((path) => after === null || path > after)
      .slice(0, limit);
  }

  async readTiles(log: LogName, tiles: readonly TileCoordinates[]): Promise<Uint8Array[]> {
    const stored = this.#open().tiles;
    return tiles.map((tile) => requireBytes(stored, tileKey({ ...tile, log })));
  }

  async readMapPages(pages: readonly MapPageRef[]): Promise<Uint8Array[]> {
    const stored = this.#open().mapPages;
    return pages.map((page) => requireBytes(stored, pageKey(page)));
  }

  async readMapFloor(): Promise<number> {
    return this.#open().mapFloor;
  }

  async writePending(puts: readonly PendingRecord[], deletes: readonly RecordId[]): Promise<void> {
    for (const pending of puts) await this.putPending(pending);
    for (const recordId of deletes) await this.deletePending(recordId);
  }

  async putPending(pending: PendingRecord): Promise<void> {
    this.#open().pending.set(pending.recordId, copyOf(pending));
  }

  async readPending(recordId: RecordId): Promise<PendingRecord | null> {
    const pending = this.#open().pending.get(recordId);
    return pending === undefined ? null : copyOf(pending);
  }

  async listPending(): Promise<PendingRecord[]> {
    return [...this.#open().pending.values()].toSorted((a, b) => a.updatedAtMs - b.updatedAtMs).map(copyOf);
  }

  async deletePending(recordId: RecordId): Promise<void> {
    this.#open().pending.delete(recordId);
  }

  async readHoldings(
    digest: Digest,
    { after, belowIndex, limit }: { after: HoldingPlace | null; belowIndex: number; limit: number },
  ): Promise<Holding[]> {
    return [...this.#open().holdings.values()]
      .filter((holding) => holding.digest === digest && holding.registryIndex < belowIndex)
      .filter((holding) => after === null || inOrder(after, holding) < 0)
      .toSorted(inOrder)
      .slice(0, limit);
  }

  async readHoldingsGap(): Promise<RecordRange | null> {
    return this.#open().holdingsGap;
  }

  async fillHoldings({ from, to }: RecordRange, holdings: readonly Holding[]): Promise<void> {
    const state = this.#open();
    const gap = state.holdingsGap;
    if (gap?.from !== from) return;
    for (const holding of holdings) state.holdings.set(holdingKey(holding), holding);
    state.holdingsGap = to < gap.to ? { from: to, to: gap.to } : null;
  }

  /** In one step, whatever the number of pages. */
  async pruneMap(floor: number): Promise<PruneCursor | null> {
    const state = this.#open();
    state.mapFloor = Math.max(state.mapFloor, floor);
    const seen = new Set<string>();
    const pages = [...state.mapPages.keys()].map((key) => ({ key, ...parsePageKey(key) }));
    for (const { key, prefix, version } of pages.toSorted((a, b) => b.version - a.version)) {
      if (version > floor) continue;
      if (seen.has(prefix)) state.mapPages.delete(key);
      seen.add(prefix);
    }
    return null;
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #open(): MemoryState {
    if (this.#closed) throw new Error('the store is closed');
    return this.#state;
  }
}

/** Checked before anything is written, so that a commit that does not fit changes nothing. */
function requireNew(state: MemoryState, { records, names, mapPages, holdings }: Commit): void {
  const taken =
    holdings.some((holding) => state.holdings.has(holdingKey(holding))) ||
    records.some((record) => state.records.has(record.registryIndex) || state.recordsById.has(record.recordId)) ||
    records.some(({ logId, logPosition }) => state.logs.get(logId)?.has(logPosition)) ||
    names.some(({ logId }) => state.names.has(logId)) ||
    mapPages.some((page) => state.mapPages.has(pageKey(page)));
  const repeated =
    new Set(holdings.map(holdingKey)).size < holdings.length ||
    new Set(records.map(({ recordId }) => recordId)).size < records.length ||
    new Set(records.map(({ registryIndex }) => registryIndex)).size < records.length ||
    new Set(records.map(({ logId, logPosition }) => `${logId}/${logPosition}`)).size < records.length ||
    new Set(names.map(({ logId }) => logId)).size < names.length ||
    new Set(mapPages.map(pageKey)).size < mapPages.length;
  if (taken || repeated) {
    throw new RegistryError(
      'storage/damaged',
      'the commit brings a record, name, holding or page that is there already',
    );
  }
}

function apply(state: MemoryState, commit: Commit): void {
  const { records, names, holdings, tiles, mapPages, head, notes, settled } = commit;
  for (const record of records.map(copyOf)) {
    state.records.set(record.registryIndex, record);
    state.recordsById.set(record.recordId, record);
    const log = state.logs.get(record.logId) ?? new Map<number, StoredRecord>();
    state.logs.set(record.logId, log.set(record.logPosition, record));
  }
  for (const { logId, name } of names) state.names.set(logId, name);
  for (const holding of holdings) state.holdings.set(holdingKey(holding), holding);
  for (const tile of tiles) state.tiles.set(tileKey(tile), tile.hashes.slice());
  for (const page of mapPages) state.mapPages.set(pageKey(page), page.bytes.slice());
  for (const recordId of settled) state.pending.delete(recordId);
  const { logLength } = head.checkpoint.contents;
  state.heads.set(logLength, head);
  if (!state.firstHeads.has(logLength)) state.firstHeads.set(logLength, head);
  state.newest = head;
  state.notes = notes;
}

function inOrder(a: HoldingPlace, b: HoldingPlace): number {
  return a.registryIndex - b.registryIndex || a.entryIndex - b.entryIndex;
}

function holdingKey({ digest, registryIndex, entryIndex }: Holding): string {
  return `${digest} ${registryIndex}.${entryIndex}`;
}

/** The caller may use its buffer again, and so may whoever reads. */
function copyOf<T extends StoredRecord | PendingRecord>(row: T): T {
  return { ...row, envelope: { ...row.envelope, contents: row.envelope.contents.slice() } };
}

function requireBytes(stored: ReadonlyMap<string, Uint8Array>, key: string): Uint8Array {
  const bytes = stored.get(key);
  if (bytes === undefined) throw new RegistryError('storage/damaged', `${key} is missing from the store`);
  return bytes.slice();
}

function tileKey({ log, level, index }: TileCoordinates & { readonly log: LogName }): string {
  return `tile ${level}/${index} of ${log}`;
}

function pageKey({ prefix, version }: MapPageRef): string {
  return `map page '${prefix}'@${version}`;
}

function parsePageKey(key: string): { prefix: string; version: number } {
  const match = /^map page '([0-9a-f]*)'@([0-9]+)$/.exec(key);
  return { prefix: match?.[1] ?? '', version: Number(match?.[2]) };
}
