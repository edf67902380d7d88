import {
  appendToLog,
  digestBytes,
  edgeTileCoordinates,
  emptyLogEdge,
  emptyMapRoot,
  encodeCheckpoint,
  encodeLogLeaf,
  encodeMapLeaf,
  formatDigest,
  hashLogLeaf,
  hashMapLeaf,
  logEdgeFromTiles,
  logRootOfEdge,
  mapPath,
  RegistryError,
  updateMap,
  type Checkpoint,
  type LogEdge,
  type LogId,
  type MapRoot,
  type RecordId,
} from '@waybill/protocol';
import { noteContradicts } from './log-note.ts';
import type { LogName, MapPageWrite, RegistryReader, StoredHead, TileWrite } from './ports.ts';

/** The right edges of both logs and the root of the map: all that appending needs in memory. */
export interface RegistryTree {
  readonly records: LogEdge;
  readonly heads: LogEdge;
  readonly map: MapRoot;
}

/** A tree grown by a batch, and what has to be stored for it. */
export interface GrownTree {
  readonly tree: RegistryTree;
  readonly checkpoint: Checkpoint;
  readonly tiles: readonly TileWrite[];
  readonly mapPages: readonly MapPageWrite[];
  /** The pages of the map that were read for it, by prefix. */
  readonly standingPages: ReadonlyMap<string, Uint8Array>;
}

/** One leaf: the newest record of a log. */
export interface TreeLeaf {
  readonly logId: LogId;
  readonly recordId: RecordId;
}

/**
 * Loads the tree at a head: a few tiles, whatever the length of the log. Throws `storage/damaged` when the tiles do not
 * hash to the signed root.
 */
export async function loadTree(store: RegistryReader, head: StoredHead | null): Promise<RegistryTree> {
  if (head === null) return { records: emptyLogEdge(), heads: emptyLogEdge(), map: emptyMapRoot() };
  const { logLength, logRoot, mapRoot } = head.checkpoint.contents;
  const records = await loadEdge(store, 'records', logLength);
  if (formatDigest(logRootOfEdge(records)) !== logRoot) throw damagedTiles('records', logLength);
  const heads = await loadEdge(store, 'heads', head.headsLength);
  const note = (await store.readNotes())?.heads ?? '';
  if (noteContradicts(note, { size: heads.size, root: logRootOfEdge(heads) })) throw damagedTiles('heads', heads.size);
  return { records, heads, map: { hash: digestBytes(mapRoot), version: head.mapVersion } };
}

function damagedTiles(log: LogName, size: number): RegistryError {
  return new RegistryError(
    'storage/damaged',
    `the stored tiles of the log of ${log} do not hash to the signed root at ${size}: run "waybill fsck --repair"`,
  );
}

async function loadEdge(store: RegistryReader, log: LogName, size: number): Promise<LogEdge> {
  const coordinates = edgeTileCoordinates(size);
  const hashes = await store.readTiles(log, coordinates);
  return logEdgeFromTiles(
    size,
    coordinates.map((tile, i) => ({ ...tile, hashes: hashes[i] ?? new Uint8Array() })),
  );
}

/**
 * Appends leaves; a log that stands twice in a batch ends at its later record. The tree given is not changed. Without leaves
 * the head stays what it is, and so does the `heads` log.
 */
export async function growTree(
  store: RegistryReader,
  tree: RegistryTree,
  leaves: readonly TreeLeaf[],
): Promise<GrownTree> {
  const grown = appendToLog(
    tree.records,
    leaves.map((leaf) => hashLogLeaf(encodeLogLeaf(leaf))),
  );
  const records = grown.edge;
  const standingPages = new Map<string, Uint8Array>();
  const { root: map, pages } = await updateMap(tree.map, mapUpdates(leaves), records.size, async (refs) => {
    const read = await store.readMapPages(refs);
    for (const [i, bytes] of read.entries()) standingPages.set(refs[i]?.prefix ?? '', bytes);
    return read;
  });
  const checkpoint = {
    logLength: records.size,
    logRoot: formatDigest(logRootOfEdge(records)),
    mapRoot: formatDigest(map.hash),
  };
  const isNewHead = leaves.length > 0 || tree.heads.size === 0;
  const heads = appendToLog(tree.heads, isNewHead ? [hashLogLeaf(encodeCheckpoint(checkpoint))] : []);
  const tiles = [...tilesOf('records', grown.tiles), ...tilesOf('heads', heads.tiles)];
  return { tree: { records, heads: heads.edge, map }, checkpoint, tiles, mapPages: pages, standingPages };
}

/** What leaves set in the map: each log its newest record. */
export function mapUpdates(leaves: readonly TreeLeaf[]): { path: Uint8Array; leafHash: Uint8Array }[] {
  const newest = new Map(leaves.map(({ logId, recordId }) => [logId, recordId]));
  return [...newest].map(([logId, recordId]) => ({
    path: mapPath(logId),
    leafHash: hashMapLeaf(encodeMapLeaf(recordId)),
  }));
}

function tilesOf(log: LogName, tiles: readonly Omit<TileWrite, 'log'>[]): TileWrite[] {
  return tiles.map((tile) => ({ ...tile, log }));
}
