import assert from 'node:assert/strict';
import { appendToLog, type LogEdge, type TileCoordinates } from '../src/merkle/log-tile.ts';
import { updateMap, type MapPageRef, type MapRoot, type MapUpdate } from '../src/merkle/map-tree.ts';

/** Tiles in memory, as a store would keep them. */
export function memoryTiles() {
  const tiles = new Map<string, Uint8Array>();
  return {
    append(edge: LogEdge, leafHashes: readonly Uint8Array[]): LogEdge {
      const grown = appendToLog(edge, leafHashes);
      for (const { level, index, hashes } of grown.tiles) tiles.set(`${level}/${index}`, hashes);
      return grown.edge;
    },
    read: async (wanted: readonly TileCoordinates[]): Promise<Uint8Array[]> =>
      wanted.map(({ level, index }) => tiles.get(`${level}/${index}`) ?? assert.fail(`tile ${level}/${index}`)),
  };
}

/** Map pages in memory; writing one twice fails. */
export function memoryMap() {
  const pages = new Map<string, Uint8Array>();
  const read = async (wanted: readonly MapPageRef[]): Promise<Uint8Array[]> =>
    wanted.map(({ prefix, version }) => pages.get(`${prefix}@${version}`) ?? assert.fail(`page ${prefix}@${version}`));
  return {
    read,
    async update(root: MapRoot, updates: readonly MapUpdate[], version: number): Promise<MapRoot> {
      const grown = await updateMap(root, updates, version, read);
      for (const { prefix, version: at, bytes } of grown.pages) {
        assert.ok(!pages.has(`${prefix}@${at}`));
        pages.set(`${prefix}@${at}`, bytes);
      }
      return grown.root;
    },
  };
}
