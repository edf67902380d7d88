import { equalBytes } from '../bytes/byte-array.ts';
import { encodeHex } from '../bytes/hex.ts';
import { MAP_HEIGHT, type MapProof } from '../wire/map-proof-bundle.ts';
import { emptySubtree, pathBit, singleSubtree } from './map-hash.ts';
import {
  decodeMapPage,
  EMPTY_PAGE,
  encodeMapPage,
  PAGE_HEIGHT,
  pageHash,
  pageRows,
  slotHeight,
  type MapPage,
  type MapSlot,
  type SingleSlot,
} from './map-page.ts';

/** Which page: the nibbles (hex digits) above it, and the log length of the commit that wrote it. */
export interface MapPageRef {
  readonly prefix: string;
  readonly version: number;
}

/** Reads encoded pages in the order asked. */
export type MapPageReader = (pages: readonly MapPageRef[]) => Promise<Uint8Array[]>;

/** The map as of one commit: its root hash and the version of its top page, `null` for the empty map. */
export interface MapRoot {
  readonly hash: Uint8Array;
  readonly version: number | null;
}

/** A key's place and the hash of its leaf. */
export interface MapUpdate {
  readonly path: Uint8Array;
  readonly leafHash: Uint8Array;
}

/** A page made by an update. */
export interface WrittenPage extends MapPageRef {
  readonly bytes: Uint8Array;
}

/** The map without keys. */
export function emptyMapRoot(): MapRoot {
  return { hash: emptySubtree(MAP_HEIGHT), version: null };
}

/**
 * Sets keys (distinct paths) and gives the new root with the pages it needs, one for each page on the way to a changed key.
 * Pages of older versions stay true for their roots. `version` must be new for this map.
 */
export async function updateMap(
  root: MapRoot,
  updates: readonly MapUpdate[],
  version: number,
  readPages: MapPageReader,
): Promise<{ root: MapRoot; pages: WrittenPage[] }> {
  if (updates.length === 0) return { root, pages: [] };
  const update = new MapBatch(version, readPages);
  const top = root.version === null ? EMPTY_PAGE : await update.page({ prefix: '', version: root.version });
  const hash = await update.rewrite('', top, updates);
  return { root: { hash, version }, pages: update.pages };
}

class MapBatch {
  readonly pages: WrittenPage[] = [];
  readonly #version: number;
  readonly #readPages: MapPageReader;

  constructor(version: number, readPages: MapPageReader) {
    this.#version = version;
    this.#readPages = readPages;
  }

  async page(ref: MapPageRef): Promise<MapPage> {
    const [bytes] = await this.#readPages([ref]);
    return decodeMapPage(bytes ?? new Uint8Array());
  }

  /** Writes the page at `prefix` anew with `updates` below it; resolves with its hash. */
  async rewrite(prefix: string, page: MapPage, updates: readonly MapUpdate[]): Promise<Uint8Array> {
    const slots = [...page];
    for (const [slot, below] of bySlot(updates, prefix.length)) {
      slots[slot] = await this.#place(`${prefix}${slot.toString(16)}`, page[slot] ?? null, below);
    }
    this.pages.push({ prefix, version: this.#version, bytes: encodeMapPage(slots) });
    return pageHash(slots, prefix.length);
  }

  async #place(prefix: string, standing: MapSlot, updates: readonly MapUpdate[]): Promise<MapSlot> {
    if (standing?.type === 'child') {
      const child = await this.page({ prefix, version: standing.version });
      return { type: 'child', version: this.#version, hash: await this.rewrite(prefix, child, updates) };
    }
    const keys = standing === null ? updates : withStanding(standing, updates);
    const [only] = keys;
    if (only !== undefined && keys.length === 1) return singleSlot(only, prefix.length - 1);
    return { type: 'child', version: this.#version, hash: await this.rewrite(prefix, EMPTY_PAGE, keys) };
  }
}

function withStanding(standing: SingleSlot, updates: readonly MapUpdate[]): readonly MapUpdate[] {
  return updates.some(({ path }) => equalBytes(path, standing.path)) ? updates : [standing, ...updates];
}

function singleSlot({ path, leafHash }: MapUpdate, depth: number): SingleSlot {
  return { type: 'single', path, leafHash, hash: singleSubtree(path, leafHash, slotHeight(depth)) };
}

function bySlot(updates: readonly MapUpdate[], depth: number): Map<number, MapUpdate[]> {
  const slots = new Map<number, MapUpdate[]>();
  for (const update of updates) {
    const slot = slotOf(update.path, depth);
    const below = slots.get(slot);
    if (below === undefined) slots.set(slot, [update]);
    else below.push(update);
  }
  return slots;
}

function slotOf(path: Uint8Array, depth: number): number {
  return Number.parseInt(
    encodeHex(path.subarray(Math.floor(depth / 2), Math.floor(depth / 2) + 1))[depth % 2] ?? '',
    16,
  );
}

/** What the map says of a path, and the proof of it. */
export interface ProvenKey {
  /** `null`: the key is not in the map, and the proof leads up from the empty leaf. */
  readonly leafHash: Uint8Array | null;
  readonly proof: MapProof;
}

/** Proves presence or absence of each path, with the siblings that the Rust server gives. */
export async function proveMap(
  root: MapRoot,
  paths: readonly Uint8Array[],
  readPages: MapPageReader,
): Promise<ProvenKey[]> {
  const proven: ProvenKey[] = [];
  for (const path of paths) proven.push(await provePath(root, path, readPages));
  return proven;
}

async function provePath(root: MapRoot, path: Uint8Array, readPages: MapPageReader): Promise<ProvenKey> {
  // From the root down; turned round at the end.
  const siblings: Uint8Array[] = [];
  let leafHash: Uint8Array | null = null;
  let ref: MapPageRef | null = root.version === null ? null : { prefix: '', version: root.version };
  while (ref !== null) {
    const depth: number = ref.prefix.length;
    const [bytes] = await readPages([ref]);
    const page: MapPage = decodeMapPage(bytes ?? new Uint8Array());
    const position = slotOf(path, depth);
    siblings.push(...siblingsInPage(page, depth, position));
    const slot: MapSlot = page[position] ?? null;
    ref = slot?.type === 'child' ? { prefix: `${ref.prefix}${position.toString(16)}`, version: slot.version } : null;
    if (slot?.type !== 'single') continue;
    if (equalBytes(slot.path, path)) leafHash = slot.leafHash;
    else siblings.push(...siblingsDownToFork(slot, path, depth));
  }
  return { leafHash, proof: compressed(siblings.toReversed()) };
}

function siblingsInPage(page: MapPage, depth: number, position: number): Uint8Array[] {
  const rows = pageRows(page, depth);
  const siblings: Uint8Array[] = [];
  for (let row = PAGE_HEIGHT - 1; row >= 0; row--) {
    const column = Math.floor(position / 2 ** row);
    const aside = rows[row]?.[column % 2 === 0 ? column + 1 : column - 1];
    if (aside !== undefined) siblings.push(aside);
  }
  return siblings;
}

/** Another key stands alone where ours would be: empty siblings down to the bit where they part, then that key's subtree. */
function siblingsDownToFork(other: SingleSlot, path: Uint8Array, depth: number): Uint8Array[] {
  const siblings: Uint8Array[] = [];
  let bit = (depth + 1) * PAGE_HEIGHT;
  for (; pathBit(other.path, bit) === pathBit(path, bit); bit++) siblings.push(emptySubtree(MAP_HEIGHT - 1 - bit));
  siblings.push(singleSubtree(other.path, other.leafHash, MAP_HEIGHT - 1 - bit));
  return siblings;
}

/** Bottom-up siblings without the empty ones below the first that is not: the reader supplies those (warg.md 5.3). */
function compressed(siblings: readonly Uint8Array[]): Uint8Array[] {
  const bottom = MAP_HEIGHT - siblings.length;
  const first = siblings.findIndex((hash, i) => !equalBytes(hash, emptySubtree(bottom + i)));
  return first < 0 ? [] : siblings.slice(first);
}
