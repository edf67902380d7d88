import { equalBytes } from '../bytes/byte-array.ts';
import { encodeHex } from '../bytes/hex.ts';
import { RegistryError } from '../errors.ts';
import { MAP_HEIGHT, type MapProof } from '../wire/map-proof-bundle.ts';
import { emptySubtree, pathBit, singleSubtree } from './map-hash.ts';
import {
  decodeMapPage,
  EMPTY_PAGE,
  PAGE_HEIGHT,
  pageHash,
  pageHashes,
  pageHashesAfter,
  pageWith,
  siblingsInPage,
  slotHeight,
  slotOfPage,
  topOf,
  type ChildSlot,
  type MapPage,
  type MapSlot,
  type PageHashes,
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
  /** The version of the page that the new root has no need of any more, for this one; `null` for a page at a new place. */
  readonly replaces: number | null;
}

/** The map without keys. */
export function emptyMapRoot(): MapRoot {
  return { hash: emptySubtree(MAP_HEIGHT), version: null };
}

/**
 * Sets keys and gives the new root with the pages it needs, one for each page on the way to a changed key; of two updates
 * of one path the later stands. The pages that are replaced stay true for older roots. `version` must be new for this map. Throws `storage/damaged` for a page that is not the one its root names.
 */
export async function updateMap(
  root: MapRoot,
  updates: readonly MapUpdate[],
  version: number,
  readPages: MapPageReader,
): Promise<{ root: MapRoot; pages: WrittenPage[] }> {
  if (updates.length === 0) return { root, pages: [] };
  // Two equal paths would never part, whatever the depth.
  const newest = [...new Map(updates.map((update) => [encodeHex(update.path), update])).values()];
  const paths = newest.map(({ path }) => path);
  const batch = new MapBatch(version, await loadPages(root, paths, readPages));
  const hash = batch.rewrite('', newest);
  return { root: { hash, version }, pages: batch.pages };
}

class MapBatch {
  readonly pages: WrittenPage[] = [];
  readonly #version: number;
  readonly #standing: ReadonlyMap<string, StandingPage>;

  constructor(version: number, standing: ReadonlyMap<string, StandingPage>) {
    this.#version = version;
    this.#standing = standing;
  }

  /** Writes the page at `prefix` anew with `updates` below it; returns its hash. */
  rewrite(prefix: string, updates: readonly MapUpdate[]): Uint8Array {
    const standing = this.#standing.get(prefix);
    const before = standing?.page ?? EMPTY_PAGE;
    const changed = new Map<number, SingleSlot | ChildSlot>();
    for (const [slot, below] of bySlot(updates, ({ path }) => path, prefix.length)) {
      changed.set(slot, this.#place(`${prefix}${slot.toString(16)}`, slotOfPage(before, slot), below));
    }
    const page = pageWith(before, changed);
    this.pages.push({ prefix, version: this.#version, bytes: page.bytes, replaces: standing?.version ?? null });
    return standing === undefined
      ? pageHash(page, prefix.length)
      : topOf(pageHashesAfter(standing.hashes, page, changed.keys()));
  }

  #place(prefix: string, standing: MapSlot, updates: readonly MapUpdate[]): SingleSlot | ChildSlot {
    const keys = standing?.type === 'single' ? withStanding(standing, updates) : updates;
    const [only] = keys;
    if (standing?.type !== 'child' && only !== undefined && keys.length === 1) {
      return singleSlot(only, prefix.length - 1);
    }
    return { type: 'child', version: this.#version, hash: this.rewrite(prefix, keys) };
  }
}

function withStanding(standing: SingleSlot, updates: readonly MapUpdate[]): readonly MapUpdate[] {
  return updates.some(({ path }) => equalBytes(path, standing.path)) ? updates : [standing, ...updates];
}

function singleSlot({ path, leafHash }: MapUpdate, depth: number): SingleSlot {
  return { type: 'single', path, leafHash, hash: singleSubtree(path, leafHash, slotHeight(depth)) };
}

/** A page as its store gave it, found true to the hash above it. */
interface StandingPage {
  readonly version: number;
  readonly page: MapPage;
  readonly hashes: PageHashes;
}

interface WantedPage extends MapPageRef {
  readonly hash: Uint8Array;
  readonly paths: readonly Uint8Array[];
}

/** Every page on the ways to `paths`, by prefix; one read for each level, whatever the number of paths. */
async function loadPages(
  root: MapRoot,
  paths: readonly Uint8Array[],
  readPages: MapPageReader,
): Promise<Map<string, StandingPage>> {
  const loaded = new Map<string, StandingPage>();
  let wanted: WantedPage[] =
    root.version === null ? [] : [{ prefix: '', version: root.version, hash: root.hash, paths }];
  while (wanted.length > 0) {
    const contents = await readPages(wanted.map(({ prefix, version }) => ({ prefix, version })));
    const below: WantedPage[] = [];
    for (const [i, ref] of wanted.entries()) {
      const standing = openPage(ref, contents[i] ?? new Uint8Array());
      loaded.set(ref.prefix, standing);
      below.push(...childrenOnTheWay(ref, standing.page));
    }
    wanted = below;
  }
  return loaded;
}

function openPage({ prefix, version, hash }: WantedPage, bytes: Uint8Array): StandingPage {
  const page = decodeMapPage(bytes);
  const hashes = pageHashes(page, prefix.length);
  // A damaged page must not become part of a root that is then signed.
  if (!equalBytes(topOf(hashes), hash)) {
    throw new RegistryError('storage/damaged', `map page '${prefix}' of version ${version} has another hash`);
  }
  return { version, page, hashes };
}

function childrenOnTheWay({ prefix, paths }: WantedPage, page: MapPage): WantedPage[] {
  const children: WantedPage[] = [];
  for (const [position, below] of bySlot(paths, (path) => path, prefix.length)) {
    const slot = slotOfPage(page, position);
    if (slot?.type !== 'child') continue;
    children.push({
      prefix: `${prefix}${position.toString(16)}`,
      version: slot.version,
      hash: slot.hash,
      paths: below,
    });
  }
  return children;
}

/** Items by the slot that their path takes in a page at nibble depth `depth`. */
export function bySlot<T>(items: readonly T[], pathOf: (item: T) => Uint8Array, depth: number): Map<number, T[]> {
  const slots = new Map<number, T[]>();
  for (const item of items) {
    const slot = slotOf(pathOf(item), depth);
    const below = slots.get(slot);
    if (below === undefined) slots.set(slot, [item]);
    else below.push(item);
  }
  return slots;
}

/** Nibble `depth` of a path, high half of a byte first. */
function slotOf(path: Uint8Array, depth: number): number {
  const byte = path[Math.floor(depth / 2)];
  if (byte === undefined) throw new RangeError(`a map path has no nibble ${depth}`);
  return depth % 2 === 0 ? byte >> 4 : byte & 0x0f;
}

/** What the map says of a path, and the proof of it. */
export interface ProvenKey {
  /** `null`: the key is not in the map, and the proof leads up from the empty leaf. */
  readonly leafHash: Uint8Array | null;
  readonly proof: MapProof;
}

/**
 * Proves presence or absence of each path, with the siblings that the Rust server gives. Throws `storage/damaged` for a
 * page that is not the one its root names.
 */
export async function proveMap(
  root: MapRoot,
  paths: readonly Uint8Array[],
  readPages: MapPageReader,
): Promise<ProvenKey[]> {
  const loaded = await loadPages(root, paths, readPages);
  return paths.map((path) => provePath(path, loaded));
}

function provePath(path: Uint8Array, loaded: ReadonlyMap<string, StandingPage>): ProvenKey {
  // From the root down; turned round at the end.
  const siblings: Uint8Array[] = [];
  let prefix = '';
  let standing = loaded.get(prefix);
  while (standing !== undefined) {
    const depth = prefix.length;
    const position = slotOf(path, depth);
    siblings.push(...siblingsInPage(standing.hashes, position));
    const slot = slotOfPage(standing.page, position);
    if (slot?.type === 'single') {
      if (equalBytes(slot.path, path)) return { leafHash: slot.leafHash, proof: compressed(siblings, 1) };
      siblings.push(...siblingsDownToFork(slot, path, depth));
    }
    prefix += position.toString(16);
    standing = slot?.type === 'child' ? loaded.get(prefix) : undefined;
  }
  return { leafHash: null, proof: compressed(siblings, 0) };
}

/** Another key stands alone where ours would be: empty siblings down to the bit where they part, then that key's subtree. */
function siblingsDownToFork(other: SingleSlot, path: Uint8Array, depth: number): Uint8Array[] {
  const siblings: Uint8Array[] = [];
  let bit = (depth + 1) * PAGE_HEIGHT;
  for (; pathBit(other.path, bit) === pathBit(path, bit); bit++) siblings.push(emptySubtree(MAP_HEIGHT - 1 - bit));
  siblings.push(singleSubtree(other.path, other.leafHash, MAP_HEIGHT - 1 - bit));
  return siblings;
}

/**
 * Bottom-up siblings without the empty ones below the first that is not: the reader supplies those (spec/merkle.md 3). The Rust
 * server keeps the topmost sibling of a present key also where the map holds nothing else.
 */
function compressed(fromTop: readonly Uint8Array[], kept: 0 | 1): Uint8Array[] {
  const last = fromTop.findLastIndex((hash, depth) => !equalBytes(hash, emptySubtree(MAP_HEIGHT - 1 - depth)));
  return fromTop.slice(0, Math.max(last + 1, kept)).toReversed();
}
