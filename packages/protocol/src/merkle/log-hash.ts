import { HASH_BYTES, sha256, sha256Into } from '../crypto/hash.ts';
import { concatBytes } from '../bytes/byte-array.ts';

const LEAF_PREFIX = Uint8Array.of(0x00);
/** The first byte of what a node's hash is made of. */
export const NODE_PREFIX = 0x01;

/** Root of the log without records: the hash of nothing. */
export const EMPTY_LOG_ROOT: Uint8Array = sha256(new Uint8Array());

/** RFC 6962 leaf hash; the map's leaves are hashed the same way. */
export function hashLeaf(leaf: Uint8Array): Uint8Array {
  return sha256(concatBytes(LEAF_PREFIX, leaf));
}

/** RFC 6962 leaf hash of an encoded log leaf. */
export function hashLogLeaf(leaf: Uint8Array): Uint8Array {
  return hashLeaf(leaf);
}

// Hashing is synchronous, so one buffer serves every node and nothing is allocated but the result.
const nodeInput = new Uint8Array(1 + 2 * HASH_BYTES);
nodeInput[0] = NODE_PREFIX;

/** RFC 6962 node hash; both children are 32 bytes. */
export function hashNode(left: Uint8Array, right: Uint8Array): Uint8Array {
  const hash = new Uint8Array(HASH_BYTES);
  hashNodeInto(left, right, hash);
  return hash;
}

/** {@link hashNode} written over `target`, which may be one of the children. */
export function hashNodeInto(left: Uint8Array, right: Uint8Array, target: Uint8Array): void {
  nodeInput.set(left, 1);
  nodeInput.set(right, 1 + HASH_BYTES);
  sha256Into(nodeInput, target, 0);
}
