import { concatBytes, utf8 } from '../../src/bytes/byte-array.ts';
import { sha256 } from '../../src/crypto/hash.ts';

/*
 * The trees by their definitions (RFC 6962 section 2.1, warg.md 5.3), written apart from the code under test and slow.
 */

const EMPTY_LEAF = sha256(Uint8Array.of(0));

function node(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(concatBytes(Uint8Array.of(1), left, right));
}

/** Leaf hashes of the log "leaf0", "leaf1", …. */
export function testLeaves(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => sha256(concatBytes(Uint8Array.of(0), utf8(`leaf${i}`))));
}

/** Tree hash of RFC 6962 over leaf hashes. */
export function plainLogRoot(leafHashes: readonly Uint8Array[]): Uint8Array {
  const [first] = leafHashes;
  if (first === undefined) return sha256(new Uint8Array());
  if (leafHashes.length === 1) return first;
  let split = 1;
  while (split * 2 < leafHashes.length) split *= 2;
  return node(plainLogRoot(leafHashes.slice(0, split)), plainLogRoot(leafHashes.slice(split)));
}

/** A key of the map and its leaf hash. */
export interface PlainKey {
  readonly path: Uint8Array;
  readonly leafHash: Uint8Array;
}

/** Root of the sparse map of height 256 over distinct keys. */
export function plainMapRoot(keys: readonly PlainKey[], depth = 0): Uint8Array {
  const height = 256 - depth;
  if (keys.length === 0) return emptyRoot(height);
  if (height === 0) return keys[0]?.leafHash ?? EMPTY_LEAF;
  const left = keys.filter(({ path }) => bit(path, depth) === '0');
  const right = keys.filter(({ path }) => bit(path, depth) === '1');
  return node(plainMapRoot(left, depth + 1), plainMapRoot(right, depth + 1));
}

const emptyRoots = [EMPTY_LEAF];

function emptyRoot(height: number): Uint8Array {
  for (let at = emptyRoots.length; at <= height; at++) {
    const below = emptyRoots[at - 1] ?? EMPTY_LEAF;
    emptyRoots.push(node(below, below));
  }
  return emptyRoots[height] ?? EMPTY_LEAF;
}

function bit(path: Uint8Array, depth: number): string {
  const byte = path[Math.floor(depth / 8)] ?? 0;
  return byte
    .toString(2)
    .padStart(8, '0')
    .charAt(depth % 8);
}

/** A copy with bit `depth` (0 = most significant of byte 0) turned over. */
export function flipBit(bytes: Uint8Array, depth: number): Uint8Array {
  const copy = bytes.slice();
  const at = Math.floor(depth / 8);
  copy[at] = (copy[at] ?? 0) ^ (2 ** (7 - (depth % 8)));
  return copy;
}
