import { sha256 } from '../crypto/hash.ts';
import { digestBytes } from '../names/digest.ts';
import type { LogId } from '../names/log-id.ts';
import { MAP_HEIGHT } from '../wire/map-proof-bundle.ts';
import { hashLeaf, hashNode, hashNodeInto } from './log-hash.ts';

/** The hash of the map subtree without keys, by height 0..256. */
const EMPTY_SUBTREES: readonly Uint8Array[] = emptySubtrees();

function emptySubtrees(): Uint8Array[] {
  const hashes = [hashLeaf(new Uint8Array())];
  for (let height = 0; height < MAP_HEIGHT; height++) {
    const below = emptyAt(hashes, height);
    hashes.push(hashNode(below, below));
  }
  return hashes;
}

function emptyAt(hashes: readonly Uint8Array[], height: number): Uint8Array {
  const hash = hashes[height];
  if (hash === undefined) throw new RangeError(`the map has no height ${height}`);
  return hash;
}

/** E(height) of spec/merkle.md 3, height 0..256. */
export function emptySubtree(height: number): Uint8Array {
  return emptyAt(EMPTY_SUBTREES, height);
}

/** Hash of an encoded map leaf. */
export function hashMapLeaf(leaf: Uint8Array): Uint8Array {
  return hashLeaf(leaf);
}

/** Where a log stands in the map: its id is hashed again (spec/merkle.md 3). */
export function mapPath(logId: LogId): Uint8Array {
  return sha256(digestBytes(logId));
}

/** Bit `depth` of a path, counted from the root: 0 goes left, 1 right. */
export function pathBit(path: Uint8Array, depth: number): 0 | 1 {
  const byte = path[Math.floor(depth / 8)] ?? 0;
  return ((byte >> (7 - (depth % 8))) & 1) === 0 ? 0 : 1;
}

/** Climbs from `hash` at height `from` to height `to`, each sibling by its height. */
export function climbMap(
  path: Uint8Array,
  hash: Uint8Array,
  heights: { readonly from: number; readonly to: number },
  siblingAt: (height: number) => Uint8Array,
): Uint8Array {
  const current = hash.slice();
  for (let height = heights.from; height < heights.to; height++) {
    const aside = siblingAt(height);
    const isLeft = pathBit(path, MAP_HEIGHT - 1 - height) === 0;
    hashNodeInto(isLeft ? current : aside, isLeft ? aside : current, current);
  }
  return current;
}

/** The hash at `height` of the subtree that holds one key alone. */
export function singleSubtree(path: Uint8Array, leafHash: Uint8Array, height: number): Uint8Array {
  return climbMap(path, leafHash, { from: 0, to: height }, emptySubtree);
}
