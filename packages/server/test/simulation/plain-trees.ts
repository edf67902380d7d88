import { concatBytes, decodeHex, sha256, utf8 } from '@waybill/protocol';

/*
 * Both trees by their definitions, apart from the code under test: RFC 6962 section 2.1 for the logs, a sparse tree of height
 * 256 for the map, and the leaves byte by byte as spec/merkle.md writes them.
 */

const HEIGHT = 256;

/** A key of the map with the newest record of its log, both as `sha256:…`. */
export interface PlainEntry {
  readonly logId: string;
  readonly recordId: string;
}

export function recordLeaf({ logId, recordId }: PlainEntry): Uint8Array {
  return leafOf(concatBytes(utf8('WARG-LOG-LEAF-V0'), text(logId), text(recordId)));
}

export function headLeaf(head: {
  readonly logLength: number;
  readonly logRoot: string;
  readonly mapRoot: string;
}): Uint8Array {
  return leafOf(concatBytes(utf8('WARG-CHECKPOINT-V0'), uleb(head.logLength), text(head.logRoot), text(head.mapRoot)));
}

/** Tree hash over leaf hashes. */
export function plainLogRoot(leaves: readonly Uint8Array[]): Uint8Array {
  const [first] = leaves;
  if (first === undefined) return sha256(new Uint8Array());
  if (leaves.length === 1) return first;
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return nodeOf(plainLogRoot(leaves.slice(0, split)), plainLogRoot(leaves.slice(split)));
}

/** The map over distinct logs; keeps what it has hashed of each entry, which stays right for ever. */
export class PlainMap {
  readonly #climbs = new Map<string, Climb>();

  root(entries: readonly PlainEntry[]): Uint8Array {
    return subtree(
      entries.map((entry) => this.#climb(entry)),
      HEIGHT,
    );
  }

  #climb(entry: PlainEntry): Climb {
    const key = `${entry.logId} ${entry.recordId}`;
    const climb = this.#climbs.get(key) ?? climbOf(entry);
    this.#climbs.set(key, climb);
    return climb;
  }
}

/** The root that the siblings of a map proof lead to, the lowest given first and those below it empty. */
export function plainMapFold(entry: PlainEntry, siblings: readonly (Uint8Array | null)[]): Uint8Array {
  const { path, hashes } = climbOf(entry);
  let hash = hashes[0] ?? emptyRoot(0);
  const missing = HEIGHT - siblings.length;
  for (let height = 0; height < HEIGHT; height++) {
    const aside = siblings[height - missing] ?? emptyRoot(height);
    hash = isRight(path, height) ? nodeOf(aside, hash) : nodeOf(hash, aside);
  }
  return hash;
}

/** One entry: its path, and the hash of the subtree that holds it alone at each height so far. */
interface Climb {
  readonly path: Uint8Array;
  readonly hashes: Uint8Array[];
}

function climbOf({ logId, recordId }: PlainEntry): Climb {
  const path = sha256(decodeHex(logId.slice('sha256:'.length)));
  return { path, hashes: [leafOf(concatBytes(utf8('WARG-MAP-LEAF-V0'), text(recordId)))] };
}

function subtree(climbs: readonly Climb[], height: number): Uint8Array {
  const [only] = climbs;
  if (only === undefined) return emptyRoot(height);
  if (climbs.length === 1) return alone(only, height);
  const right = climbs.filter(({ path }) => isRight(path, height - 1));
  const left = climbs.filter((climb) => !right.includes(climb));
  return nodeOf(subtree(left, height - 1), subtree(right, height - 1));
}

function alone({ path, hashes }: Climb, height: number): Uint8Array {
  for (let at = hashes.length; at <= height; at++) {
    const below = hashes[at - 1] ?? emptyRoot(0);
    hashes.push(isRight(path, at - 1) ? nodeOf(emptyRoot(at - 1), below) : nodeOf(below, emptyRoot(at - 1)));
  }
  return hashes[height] ?? emptyRoot(height);
}

/** Whether the path turns right where a subtree of `height` hangs. */
function isRight(path: Uint8Array, height: number): boolean {
  const depth = HEIGHT - 1 - height;
  const byte = path[Math.floor(depth / 8)] ?? 0;
  return Math.floor(byte / 2 ** (7 - (depth % 8))) % 2 === 1;
}

const emptyRoots = [leafOf(new Uint8Array())];

function emptyRoot(height: number): Uint8Array {
  for (let at = emptyRoots.length; at <= height; at++) {
    const below = emptyRoots[at - 1] ?? new Uint8Array();
    emptyRoots.push(nodeOf(below, below));
  }
  return emptyRoots[height] ?? new Uint8Array();
}

function leafOf(bytes: Uint8Array): Uint8Array {
  return sha256(concatBytes(Uint8Array.of(0), bytes));
}

const node = new Uint8Array(65);

function nodeOf(left: Uint8Array, right: Uint8Array): Uint8Array {
  node[0] = 1;
  node.set(left, 1);
  node.set(right, 33);
  return sha256(node);
}

function text(value: string): Uint8Array {
  return concatBytes(uleb(value.length), utf8(value));
}

function uleb(value: number): Uint8Array {
  const low = value % 128;
  return value < 128 ? Uint8Array.of(low) : concatBytes(Uint8Array.of(low + 128), uleb(Math.floor(value / 128)));
}
