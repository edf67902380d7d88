import { hashNode } from './log-hash.ts';

/*
 * Nodes of the log tree by height and position: the node covers leaves position·2^height to (position+1)·2^height - 1.
 * Plain arithmetic only: sizes go to 2^53, where bitwise operators would cut them to 32 bits.
 */

/** A perfect subtree. */
export interface LogNode {
  readonly height: number;
  readonly position: number;
}

const HEIGHT_MAX = 53;

/** In-order number of a node, as Warg's bundles write it: leaf i is 2i (spec/merkle.md 1). */
export function nodeIndex({ height, position }: LogNode): number {
  return position * 2 ** (height + 1) + 2 ** height - 1;
}

/** The node of an in-order number. */
export function nodeAtIndex(index: number): LogNode {
  let height = 0;
  let rest = index;
  while (rest % 2 === 1) {
    height++;
    rest = (rest - 1) / 2;
  }
  return { height, position: rest / 2 };
}

/** One perfect subtree for each set bit of the size, tallest first: Warg's "balanced roots". */
export function logPeaks(size: number): LogNode[] {
  const peaks: LogNode[] = [];
  let covered = 0;
  for (let height = HEIGHT_MAX; height >= 0; height--) {
    const width = 2 ** height;
    if (size - covered < width) continue;
    peaks.push({ height, position: covered / width });
    covered += width;
  }
  return peaks;
}

/** The root of a log from its peaks' hashes, tallest first; at least one. */
export function foldPeaks(hashes: readonly Uint8Array[]): Uint8Array {
  return hashes.reduceRight((right, left) => hashNode(left, right));
}

function sibling({ height, position }: LogNode): LogNode {
  return { height, position: position % 2 === 0 ? position + 1 : position - 1 };
}

function parent({ height, position }: LogNode): LogNode {
  return { height: height + 1, position: Math.floor(position / 2) };
}

function sameNode(a: LogNode, b: LogNode): boolean {
  return a.height === b.height && a.position === b.position;
}

/** The way from a node to the root of a log of `size`: siblings up to its peak, then the other peaks. */
export interface PathToRoot {
  readonly siblings: readonly LogNode[];
  readonly peaks: readonly LogNode[];
  /** Which of `peaks` the node lies under. */
  readonly peakNumber: number;
}

/** `null` when the node is not wholly within a log of this size. */
export function pathToRoot(node: LogNode, size: number): PathToRoot | null {
  // A position that is no natural number never meets a peak: the climb below would not end.
  if (!Number.isSafeInteger(node.position) || node.position < 0) return null;
  if ((node.position + 1) * 2 ** node.height > size) return null;
  const peaks = logPeaks(size);
  const siblings: LogNode[] = [];
  let current = node;
  let peakNumber = -1;
  for (;;) {
    peakNumber = peaks.findIndex((peak) => sameNode(peak, current));
    if (peakNumber >= 0) return { siblings, peaks, peakNumber };
    siblings.push(sibling(current));
    current = parent(current);
  }
}

/** Every node whose hash a proof of `path` needs. */
export function nodesOfPath({ siblings, peaks, peakNumber }: PathToRoot): LogNode[] {
  return [...siblings, ...peaks.filter((_, i) => i !== peakNumber)];
}

/** The root that `hash`, standing at `node`, leads to. */
export function foldPath(
  node: LogNode,
  hash: Uint8Array,
  path: PathToRoot,
  hashOf: (node: LogNode) => Uint8Array,
): Uint8Array {
  let current = hash;
  let { position } = node;
  for (const aside of path.siblings) {
    current = position % 2 === 0 ? hashNode(current, hashOf(aside)) : hashNode(hashOf(aside), current);
    position = Math.floor(position / 2);
  }
  return foldPeaks(path.peaks.map((peak, i) => (i === path.peakNumber ? current : hashOf(peak))));
}
