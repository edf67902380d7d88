import {
  appendToLog,
  digestBytes,
  edgeTileCoordinates,
  emptyLogEdge,
  emptyMapRoot,
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
import type { MapPageWrite, RegistryStore, StoredHead, TileWrite } from './ports.ts';

/** The right edge of the registry log and the root of the map: all that appending needs in memory. */
export interface RegistryTree {
  readonly edge: LogEdge;
  readonly map: MapRoot;
}

/** A tree grown by a batch, and what has to be stored for it. */
export interface GrownTree {
  readonly tree: RegistryTree;
  readonly checkpoint: Checkpoint;
  readonly tiles: readonly TileWrite[];
  readonly mapPages: readonly MapPageWrite[];
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
export async function loadTree(store: RegistryStore, head: StoredHead | null): Promise<RegistryTree> {
  if (head === null) return { edge: emptyLogEdge(), map: emptyMapRoot() };
  const { logLength, logRoot, mapRoot } = head.checkpoint.contents;
  const coordinates = edgeTileCoordinates(logLength);
  const hashes = await store.readTiles(coordinates);
  const edge = logEdgeFromTiles(
    logLength,
    coordinates.map((tile, i) => ({ ...tile, hashes: hashes[i] ?? new Uint8Array() })),
  );
  if (formatDigest(logRootOfEdge(edge)) !== logRoot) {
    throw new RegistryError(
      'storage/damaged',
      `the stored tiles do not hash to the signed root at ${logLength} records`,
    );
  }
  return { edge, map: { hash: digestBytes(mapRoot), version: head.mapVersion } };
}

/** Appends leaves; a log that stands twice in a batch ends at its later record. The tree given is not changed. */
export async function growTree(
  store: RegistryStore,
  tree: RegistryTree,
  leaves: readonly TreeLeaf[],
): Promise<GrownTree> {
  const { edge, tiles } = appendToLog(
    tree.edge,
    leaves.map((leaf) => hashLogLeaf(encodeLogLeaf(leaf))),
  );
  const newest = new Map(leaves.map(({ logId, recordId }) => [logId, hashMapLeaf(encodeMapLeaf(recordId))]));
  const updates = [...newest].map(([logId, leafHash]) => ({ path: mapPath(logId), leafHash }));
  const { root, pages } = await updateMap(tree.map, updates, edge.size, (refs) => store.readMapPages(refs));
  const checkpoint = {
    logLength: edge.size,
    logRoot: formatDigest(logRootOfEdge(edge)),
    mapRoot: formatDigest(root.hash),
  };
  return { tree: { edge, map: root }, checkpoint, tiles, mapPages: pages };
}
