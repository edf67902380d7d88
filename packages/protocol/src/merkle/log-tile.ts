import { joinBytes } from '../bytes/byte-array.ts';
import { HASH_BYTES } from '../crypto/hash.ts';
import { RegistryError } from '../errors.ts';
import { EMPTY_LOG_ROOT, hashNode } from './log-hash.ts';
import { foldPeaks, logPeaks, type LogNode } from './log-node.ts';

/** Levels of the tree that one tile spans, and the hashes it holds: the shape of C2SP tlog-tiles. */
export const TILE_HEIGHT = 8;
export const TILE_WIDTH = 256;

/** Tile `index` of `level` holds the nodes of height 8·level from position 256·index on. */
export interface TileCoordinates {
  readonly level: number;
  readonly index: number;
}

/** A tile with its hashes one after another: 1 to 256 of them, 32 bytes each. */
export interface Tile extends TileCoordinates {
  readonly hashes: Uint8Array;
}

/** The right edge of a log: for each level the hashes of its last tile, empty where that tile is full. */
export interface LogEdge {
  readonly size: number;
  readonly levels: readonly Uint8Array[];
}

/** The log without records. */
export function emptyLogEdge(): LogEdge {
  return { size: 0, levels: [] };
}

/** The partial tiles that {@link logEdgeFromTiles} needs: at most one a level. */
export function edgeTileCoordinates(size: number): TileCoordinates[] {
  const coordinates: TileCoordinates[] = [];
  for (let level = 0, width = size; width > 0; level++, width = Math.floor(width / TILE_WIDTH)) {
    if (width % TILE_WIDTH > 0) coordinates.push({ level, index: Math.floor(width / TILE_WIDTH) });
  }
  return coordinates;
}

/** Throws `storage/damaged` when a tile is missing or too short. A tile may hold more than the edge at this size. */
export function logEdgeFromTiles(size: number, tiles: readonly Tile[]): LogEdge {
  const levels: Uint8Array[] = [];
  for (let level = 0, width = size; width > 0; level++, width = Math.floor(width / TILE_WIDTH)) {
    const length = (width % TILE_WIDTH) * HASH_BYTES;
    const tile = tiles.find((candidate) => candidate.level === level);
    const hashes = length === 0 ? new Uint8Array() : tile?.hashes.slice(0, length);
    if (hashes?.length !== length)
      throw new RegistryError('storage/damaged', `tile of level ${level} is missing or short`);
    levels.push(hashes);
  }
  return { size, levels };
}

/** Appends leaf hashes; the edge given stays as it is. `tiles` are the touched tiles with their full new content. */
export function appendToLog(edge: LogEdge, leafHashes: readonly Uint8Array[]): { edge: LogEdge; tiles: Tile[] } {
  const tiles: Tile[] = [];
  const levels = [...edge.levels];
  let incoming = leafHashes;
  let before = edge.size;
  for (let level = 0; incoming.length > 0; level++) {
    const hashes = joinBytes([levels[level] ?? new Uint8Array(), ...incoming]);
    const first = Math.floor(before / TILE_WIDTH);
    const full: Uint8Array[] = [];
    for (let offset = 0; offset < hashes.length; offset += TILE_WIDTH * HASH_BYTES) {
      const tile = hashes.slice(offset, offset + TILE_WIDTH * HASH_BYTES);
      tiles.push({ level, index: first + offset / (TILE_WIDTH * HASH_BYTES), hashes: tile });
      if (tile.length === TILE_WIDTH * HASH_BYTES) full.push(perfectRoot(tile));
    }
    levels[level] = hashes.slice(full.length * TILE_WIDTH * HASH_BYTES);
    incoming = full;
    before = first;
  }
  return { edge: { size: edge.size + leafHashes.length, levels }, tiles };
}

/** The root of the whole log. */
export function logRootOfEdge(edge: LogEdge): Uint8Array {
  if (edge.size === 0) return EMPTY_LOG_ROOT;
  const hashes = logPeaks(edge.size).map((peak) =>
    hashInTile(peak, edge.levels[Math.floor(peak.height / TILE_HEIGHT)]),
  );
  return foldPeaks(hashes);
}

/** The tile in which a node's hash is, or from whose hashes it is computed. */
export function tileOfNode({ height, position }: LogNode): TileCoordinates {
  const level = Math.floor(height / TILE_HEIGHT);
  return { level, index: Math.floor((position * 2 ** (height - level * TILE_HEIGHT)) / TILE_WIDTH) };
}

/** A node's hash from its tile. Throws `storage/damaged` when the tile does not reach that far. */
export function hashInTile({ height, position }: LogNode, tile: Uint8Array | undefined): Uint8Array {
  const width = 2 ** (height % TILE_HEIGHT);
  const start = ((position * width) % TILE_WIDTH) * HASH_BYTES;
  const hashes = tile?.subarray(start, start + width * HASH_BYTES);
  if (hashes?.length !== width * HASH_BYTES) {
    throw new RegistryError('storage/damaged', `node ${height}/${position} is not in its tile`);
  }
  return perfectRoot(hashes);
}

function perfectRoot(hashes: Uint8Array): Uint8Array {
  let row: Uint8Array[] = [];
  for (let offset = 0; offset < hashes.length; offset += HASH_BYTES)
    row.push(hashes.slice(offset, offset + HASH_BYTES));
  while (row.length > 1) {
    const next: Uint8Array[] = [];
    for (let i = 0; i < row.length; i += 2) next.push(hashNode(row[i] ?? EMPTY_LOG_ROOT, row[i + 1] ?? EMPTY_LOG_ROOT));
    row = next;
  }
  return row[0] ?? EMPTY_LOG_ROOT;
}
