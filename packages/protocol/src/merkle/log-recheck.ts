import { equalBytes } from '../bytes/byte-array.ts';
import { HASH_BYTES } from '../crypto/hash.ts';
import { RegistryError } from '../errors.ts';
import { EMPTY_LOG_ROOT, hashNode } from './log-hash.ts';
import { foldPeaks, logPeaks } from './log-node.ts';
import { hashInTile, logRootOfEdge, TILE_HEIGHT, TILE_WIDTH, type LogEdge, type Tile } from './log-tile.ts';

/**
 * A log as nothing but the roots of its perfect subtrees, tallest first: a second way to its root, which shares no bytes with
 * the tiles. One flipped bit in memory must not become part of what is signed (SECURITY.md L7).
 */
export interface LogStack {
  readonly size: number;
  readonly peaks: readonly Uint8Array[];
}

/** The stack of an edge whose root is known to be right. */
export function logStackOf(edge: LogEdge): LogStack {
  const peaks = logPeaks(edge.size).map((peak) => hashInTile(peak, edge.levels[Math.floor(peak.height / TILE_HEIGHT)]));
  return { size: edge.size, peaks };
}

/** The root of the whole log. */
export function logRootOfStack({ peaks }: LogStack): Uint8Array {
  return peaks.length === 0 ? EMPTY_LOG_ROOT : foldPeaks(peaks);
}

/**
 * Appends leaf hashes and compares what `appendToLog` made of the same: the root of its edge, and every tile.
 * Throws `head/unconfirmed` when the two are not one.
 */
export function recheckLog(
  before: LogStack,
  leafHashes: readonly Uint8Array[],
  grown: { readonly edge: LogEdge; readonly tiles: readonly Tile[] },
): LogStack {
  const { stack, fullTiles } = push(before, leafHashes);
  const isRoot = grown.edge.size === stack.size && equalBytes(logRootOfEdge(grown.edge), logRootOfStack(stack));
  if (!isRoot) throw unconfirmed(`the root of a log at ${stack.size}`);
  const full = grown.tiles.filter(({ hashes }) => hashes.length === TILE_WIDTH * HASH_BYTES);
  if (full.length !== fullTiles.size) throw unconfirmed('the number of full tiles');
  for (const { level, index, hashes } of grown.tiles) {
    const root = fullTiles.get(`${level}/${index}`);
    const isRight =
      root === undefined
        ? equalBytes(hashes, grown.edge.levels[level] ?? new Uint8Array())
        : equalBytes(logRootOfStack(push({ size: 0, peaks: [] }, split(hashes)).stack), root);
    if (!isRight) throw unconfirmed(`tile ${level}/${index}`);
  }
  return stack;
}

/** `fullTiles`: the roots of the tiles that became full, by level and index. */
function push(
  { size, peaks }: LogStack,
  leafHashes: readonly Uint8Array[],
): { readonly stack: LogStack; readonly fullTiles: ReadonlyMap<string, Uint8Array> } {
  const standing = [...peaks];
  const fullTiles = new Map<string, Uint8Array>();
  for (const [i, leafHash] of leafHashes.entries()) {
    let current = leafHash;
    let position = size + i;
    for (let height = 1; position % 2 === 1; height++) {
      current = hashNode(standing.pop() ?? EMPTY_LOG_ROOT, current);
      position = (position - 1) / 2;
      if (height % TILE_HEIGHT === 0) fullTiles.set(`${height / TILE_HEIGHT - 1}/${position}`, current);
    }
    standing.push(current);
  }
  return { stack: { size: size + leafHashes.length, peaks: standing }, fullTiles };
}

function split(hashes: Uint8Array): Uint8Array[] {
  return Array.from({ length: hashes.length / HASH_BYTES }, (_, i) =>
    hashes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES),
  );
}

/** What failed is memory or a processor, or this program: nothing that was computed here can be trusted. */
export function unconfirmed(what: string): RegistryError {
  return new RegistryError(
    'head/unconfirmed',
    `${what} came out differently when it was computed a second time: nothing was signed. Check the memory of this machine`,
  );
}
