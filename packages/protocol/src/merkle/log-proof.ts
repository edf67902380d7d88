import { equalBytes } from '../bytes/byte-array.ts';
import { RegistryError } from '../errors.ts';
import type { LogProofBundle } from '../wire/log-proof-bundle.ts';
import {
  foldPath,
  foldPeaks,
  logPeaks,
  nodeAtIndex,
  nodeIndex,
  nodesOfPath,
  pathToRoot,
  type LogNode,
} from './log-node.ts';
import { hashInTile, tileOfNode, type TileCoordinates } from './log-tile.ts';

/** What to prove, all to one size: older sizes (1..size) it continues, leaves (0..size-1) it includes. */
export interface LogProofRequest {
  readonly size: number;
  readonly consistentLengths: readonly number[];
  readonly leafIndexes: readonly number[];
}

/** A size and the root that belongs to it. */
export interface LogTree {
  readonly size: number;
  readonly root: Uint8Array;
}

/** Reads tiles in the order asked; those at the right edge may hold more than the size asked for. */
export type TileReader = (tiles: readonly TileCoordinates[]) => Promise<Uint8Array[]>;

/** Makes the bundle that the Rust server makes for the same request. Throws `request/proof` for what cannot be proven. */
export async function proveLog(request: LogProofRequest, readTiles: TileReader): Promise<LogProofBundle> {
  const nodes = bundleNodes(request);
  const tiles = new Map(nodes.map((node) => [tileKey(tileOfNode(node)), tileOfNode(node)]));
  const contents = await readTiles([...tiles.values()]);
  const byKey = new Map([...tiles.keys()].map((key, i) => [key, contents[i]]));
  return {
    logLength: request.size,
    consistentLengths: request.consistentLengths,
    includedIndices: request.leafIndexes.map((index) => index * 2),
    hashes: nodes.map((node) => ({
      index: nodeIndex(node),
      hash: hashInTile(node, byKey.get(tileKey(tileOfNode(node)))),
    })),
  };
}

function tileKey({ level, index }: TileCoordinates): string {
  return `${level}/${index}`;
}

/** Exactly the nodes that the bundle for a request holds, ascending by index. */
function bundleNodes(request: LogProofRequest): LogNode[] {
  if (request.leafIndexes.length + request.consistentLengths.length === 0) throw unprovable('nothing was asked');
  const indexes = new Set<number>();
  const add = (nodes: readonly LogNode[]): void => nodes.forEach((node) => indexes.add(nodeIndex(node)));
  for (const leaf of request.leafIndexes) add(nodesOfPath(pathWithin({ height: 0, position: leaf }, request.size)));
  for (const length of request.consistentLengths) {
    if (length < 1) throw unprovable('nothing can be proven of the empty log');
    for (const peak of logPeaks(length)) add([peak, ...nodesOfPath(pathWithin(peak, request.size))]);
  }
  return [...indexes].toSorted((a, b) => a - b).map(nodeAtIndex);
}

function pathWithin(node: LogNode, size: number): NonNullable<ReturnType<typeof pathToRoot>> {
  const path = pathToRoot(node, size);
  if (path === null) throw unprovable(`node ${nodeIndex(node)} is not within a log of ${size} records`);
  return path;
}

function unprovable(why: string): RegistryError {
  return new RegistryError('request/proof', why);
}

/**
 * Checks that every leaf stands at its index in the tree. The bundle must be exactly the answer to this question: its
 * size, its indices in order, and no hash missing or too many; from it come hashes alone.
 * Throws `proof/mismatch` for an answer to another question, `proof/root` for hashes that lead elsewhere.
 */
export function verifyLogInclusion(
  tree: LogTree & { readonly leaves: readonly { readonly index: number; readonly hash: Uint8Array }[] },
  bundle: LogProofBundle,
): void {
  const leafIndexes = tree.leaves.map(({ index }) => index);
  const hashOf = answeredHashes({ size: tree.size, consistentLengths: [], leafIndexes }, bundle);
  for (const { index, hash } of tree.leaves) {
    const leaf = { height: 0, position: index };
    requireRoot(foldPath(leaf, hash, pathWithin(leaf, tree.size), hashOf), tree.root);
  }
}

/** Checks that `to` continues `from` (both at least 1, `from` not longer). Throws as {@link verifyLogInclusion}. */
export function verifyLogConsistency(
  trees: { readonly from: LogTree; readonly to: LogTree },
  bundle: LogProofBundle,
): void {
  const { from, to } = trees;
  const hashOf = answeredHashes({ size: to.size, consistentLengths: [from.size], leafIndexes: [] }, bundle);
  const peaks = logPeaks(from.size);
  requireRoot(foldPeaks(peaks.map(hashOf)), from.root);
  for (const peak of peaks) requireRoot(foldPath(peak, hashOf(peak), pathWithin(peak, to.size), hashOf), to.root);
}

/** The older length whose consistency proof has the hash of a leaf in it: its last leaf, or the neighbour of that, is the one. */
export function lengthThatShows(leafIndex: number): number {
  return leafIndex % 2 === 0 ? leafIndex + 1 : leafIndex;
}

/**
 * The hash of the leaf that stands at an index, for who does not know which one does: `bundle` proves the consistency of
 * {@link lengthThatShows} with the tree. Throws as {@link verifyLogInclusion}.
 */
export function provenLeafHash({ size, root }: LogTree, leafIndex: number, bundle: LogProofBundle): Uint8Array {
  const request = { size, consistentLengths: [lengthThatShows(leafIndex)], leafIndexes: [] };
  const hashOf = answeredHashes(request, bundle);
  const leaf = { height: 0, position: leafIndex };
  const hash = hashOf(leaf);
  requireRoot(foldPath(leaf, hash, pathWithin(leaf, size), hashOf), root);
  return hash;
}

function requireRoot(found: Uint8Array, expected: Uint8Array): void {
  if (!equalBytes(found, expected)) throw new RegistryError('proof/root', 'the proof leads to another root');
}

/** The bundle's hashes by node, once it is known to answer exactly this request. */
function answeredHashes(request: LogProofRequest, bundle: LogProofBundle): (node: LogNode) => Uint8Array {
  const needed = bundleNodes(request).map(nodeIndex);
  const answersRequest =
    bundle.logLength === request.size &&
    sameNumbers(bundle.consistentLengths, request.consistentLengths) &&
    sameNumbers(
      bundle.includedIndices,
      request.leafIndexes.map((index) => index * 2),
    ) &&
    sameNumbers(
      bundle.hashes.map(({ index }) => index),
      needed,
    );
  if (!answersRequest) throw new RegistryError('proof/mismatch', 'the log proof answers another question');
  const byIndex = new Map(bundle.hashes.map(({ index, hash }) => [index, hash]));
  return (node) => {
    const hash = byIndex.get(nodeIndex(node));
    if (hash === undefined) throw new RegistryError('proof/mismatch', 'the log proof lacks a hash');
    return hash;
  };
}

function sameNumbers(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}
