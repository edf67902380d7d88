import { HASH_BYTES, sha256Into } from '../crypto/hash.ts';
import { equalBytes } from '../bytes/byte-array.ts';
import { RegistryError } from '../errors.ts';
import { MAP_HEIGHT } from '../wire/map-proof-bundle.ts';
import { emptySubtree } from './map-hash.ts';
import { NODE_PREFIX } from './log-hash.ts';

/** Levels of the map that one page spans, and its slots. */
export const PAGE_HEIGHT = 4;
export const PAGE_SLOTS = 16;

/** A subtree that holds one key: kept whole in its page, however deep its leaf is. */
export interface SingleSlot {
  readonly type: 'single';
  readonly path: Uint8Array;
  readonly leafHash: Uint8Array;
  readonly hash: Uint8Array;
}

/** A subtree with several keys: it has a page of its own, as written by the commit of that version. */
export interface ChildSlot {
  readonly type: 'child';
  readonly version: number;
  readonly hash: Uint8Array;
}

export type MapSlot = SingleSlot | ChildSlot | null;

/** Height of the subtrees in the slots of a page at nibble depth `depth`. */
export function slotHeight(depth: number): number {
  return MAP_HEIGHT - (depth + 1) * PAGE_HEIGHT;
}

/**
 * Four levels of the map below one nibble prefix, as they are stored: two 16-bit maps (of singles, of children), then the
 * slots that are not empty, left to right: path, leaf hash, hash; or hash, version. A slot is decoded when it is asked for:
 * whoever opens a page wants one or two.
 */
export interface MapPage {
  readonly bytes: Uint8Array;
  readonly singles: number;
  readonly children: number;
}

const BITMAPS_BYTES = 4;
const SINGLE_BYTES = 3 * HASH_BYTES;
const VERSION_BYTES = 8;
const CHILD_BYTES = HASH_BYTES + VERSION_BYTES;

export const EMPTY_PAGE: MapPage = { bytes: new Uint8Array(BITMAPS_BYTES), singles: 0, children: 0 };

/** A view of `bytes`, which must not change any more. Throws `storage/damaged`. */
export function decodeMapPage(bytes: Uint8Array): MapPage {
  if (bytes.length <= BITMAPS_BYTES) throw damaged();
  const view = viewOf(bytes);
  const page = { bytes, singles: view.getUint16(0), children: view.getUint16(2) };
  if ((page.singles & page.children) !== 0 || offsetOf(page, PAGE_SLOTS) !== bytes.length) throw damaged();
  for (let position = 0; position < PAGE_SLOTS; position++) {
    if (!hasBit(page.children, position)) continue;
    const version = view.getBigUint64(offsetOf(page, position) + HASH_BYTES);
    if (version > Number.MAX_SAFE_INTEGER) throw damaged();
  }
  return page;
}

/** What a page has at `position` (0..15). */
export function slotOfPage(page: MapPage, position: number): MapSlot {
  const { bytes, singles, children } = page;
  const offset = offsetOf(page, position);
  const hashAt = (start: number): Uint8Array => bytes.slice(offset + start, offset + start + HASH_BYTES);
  if (hasBit(singles, position)) {
    return { type: 'single', path: hashAt(0), leafHash: hashAt(HASH_BYTES), hash: hashAt(2 * HASH_BYTES) };
  }
  if (!hasBit(children, position)) return null;
  return { type: 'child', hash: hashAt(0), version: Number(viewOf(bytes).getBigUint64(offset + HASH_BYTES)) };
}

/** True when two pages have the same at `position`. */
export function hasSameSlot(page: MapPage, other: MapPage, position: number): boolean {
  const isSameType =
    hasBit(page.singles, position) === hasBit(other.singles, position) &&
    hasBit(page.children, position) === hasBit(other.children, position);
  return isSameType && equalBytes(encodedSlot(page, position), encodedSlot(other, position));
}

function encodedSlot(page: MapPage, position: number): Uint8Array {
  return page.bytes.subarray(offsetOf(page, position), offsetOf(page, position + 1));
}

/** The page with some slots set anew. */
export function pageWith(page: MapPage, changes: ReadonlyMap<number, SingleSlot | ChildSlot>): MapPage {
  let [singles, children] = [page.singles, page.children];
  for (const [position, { type }] of changes) {
    const bit = 1 << position;
    singles = type === 'single' ? singles | bit : singles & ~bit;
    children = type === 'child' ? children | bit : children & ~bit;
  }
  const length = BITMAPS_BYTES + countBits(singles) * SINGLE_BYTES + countBits(children) * CHILD_BYTES;
  const changed = { bytes: new Uint8Array(length), singles, children };
  const view = viewOf(changed.bytes);
  view.setUint16(0, singles);
  view.setUint16(2, children);
  // Whole runs of slots that stay are copied at once.
  let from = 0;
  for (const position of [...changes.keys()].toSorted((a, b) => a - b)) {
    copySlots(page, changed, from, position);
    writeSlot(view, offsetOf(changed, position), changes.get(position));
    from = position + 1;
  }
  copySlots(page, changed, from, PAGE_SLOTS);
  return changed;
}

function copySlots(from: MapPage, to: MapPage, start: number, end: number): void {
  if (start < end) to.bytes.set(from.bytes.subarray(offsetOf(from, start), offsetOf(from, end)), offsetOf(to, start));
}

function writeSlot(view: DataView, offset: number, slot: MapSlot | undefined): void {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  if (slot?.type === 'single') {
    bytes.set(slot.path, offset);
    bytes.set(slot.leafHash, offset + HASH_BYTES);
    bytes.set(slot.hash, offset + 2 * HASH_BYTES);
  } else if (slot?.type === 'child') {
    bytes.set(slot.hash, offset);
    view.setBigUint64(offset + HASH_BYTES, BigInt(slot.version));
  }
}

/** Where the slot at `position` begins, or would. */
function offsetOf({ singles, children }: MapPage, position: number): number {
  const before = (1 << position) - 1;
  return BITMAPS_BYTES + countBits(singles & before) * SINGLE_BYTES + countBits(children & before) * CHILD_BYTES;
}

function countBits(bits: number): number {
  let count = 0;
  for (let left = bits; left !== 0; left &= left - 1) count++;
  return count;
}

function hasBit(bitmap: number, position: number): boolean {
  return ((bitmap >> position) & 1) === 1;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * The hashes of a page's subtrees, numbered as in a heap: 1 is the page's root, below node n are 2n and 2n + 1, and the slots
 * are 16 to 31. The two below a node lie side by side behind the prefix of a node, ready to be hashed: one buffer and no
 * copies, for a commit hashes a page or two at every level for each record.
 */
export type PageHashes = Uint8Array;

const FIRST_SLOT_NODE = PAGE_SLOTS;
const PAIR_BYTES = 1 + 2 * HASH_BYTES;

function placeOf(node: number): number {
  return (node >> 1) * PAIR_BYTES + 1 + (node & 1) * HASH_BYTES;
}

/** All hashes of a page at nibble depth `depth`. */
export function pageHashes(page: MapPage, depth: number): PageHashes {
  const hashes = new Uint8Array(PAGE_SLOTS * PAIR_BYTES);
  hashPage(hashes, page, depth);
  return hashes;
}

// Hashing is synchronous, so one buffer serves every page of which only the root is wanted.
const scratch: PageHashes = new Uint8Array(PAGE_SLOTS * PAIR_BYTES);

/** Hash of the subtree that a page is the top of. */
export function pageHash(page: MapPage, depth: number): Uint8Array {
  hashPage(scratch, page, depth);
  return topOf(scratch);
}

function hashPage(hashes: PageHashes, page: MapPage, depth: number): void {
  const height = slotHeight(depth);
  // Bit n: something is in the subtree of node n.
  let filled = 0;
  for (let position = 0; position < PAGE_SLOTS; position++) {
    const node = FIRST_SLOT_NODE + position;
    if (setSlotHash(hashes, page, position)) filled |= 1 << node;
    else hashes.set(emptySubtree(height), placeOf(node));
  }
  for (let node = FIRST_SLOT_NODE - 1; node >= 1; node--) {
    hashes[node * PAIR_BYTES] = NODE_PREFIX;
    if (((filled >>> (2 * node)) & 3) === 0) {
      hashes.set(emptySubtree(height + PAGE_HEIGHT - levelOf(node)), placeOf(node));
    } else {
      filled |= 1 << node;
      hashFromBelow(hashes, node);
    }
  }
}

/** {@link pageHashes} of a page in which some slots of another were set: only what is above them is hashed anew. */
export function pageHashesAfter(standing: PageHashes, page: MapPage, changed: Iterable<number>): PageHashes {
  const hashes = standing.slice();
  let stale = 0;
  for (const position of changed) {
    setSlotHash(hashes, page, position);
    stale |= 1 << (FIRST_SLOT_NODE + position);
  }
  for (let node = FIRST_SLOT_NODE - 1; node >= 1; node--) {
    if (((stale >>> (2 * node)) & 3) === 0) continue;
    stale |= 1 << node;
    hashFromBelow(hashes, node);
  }
  return hashes;
}

/** The hash of a node of a page, in the order of {@link PageHashes}. */
export function hashOfNode(hashes: PageHashes, node: number): Uint8Array {
  return hashes.slice(placeOf(node), placeOf(node) + HASH_BYTES);
}

/** The page's root. */
export function topOf(hashes: PageHashes): Uint8Array {
  return hashOfNode(hashes, 1);
}

/** The hashes beside the way from a page's root down to a slot, the uppermost first. */
export function siblingsInPage(hashes: PageHashes, position: number): Uint8Array[] {
  const siblings: Uint8Array[] = [];
  for (let above = PAGE_HEIGHT - 1; above >= 0; above--) {
    siblings.push(hashOfNode(hashes, ((FIRST_SLOT_NODE + position) >> above) ^ 1));
  }
  return siblings;
}

/** False for a slot that is empty. */
function setSlotHash(hashes: PageHashes, page: MapPage, position: number): boolean {
  const isSingle = hasBit(page.singles, position);
  if (!isSingle && !hasBit(page.children, position)) return false;
  const start = offsetOf(page, position) + (isSingle ? 2 * HASH_BYTES : 0);
  const to = placeOf(FIRST_SLOT_NODE + position);
  for (let i = 0; i < HASH_BYTES; i++) hashes[to + i] = page.bytes[start + i] ?? 0;
  return true;
}

function hashFromBelow(hashes: PageHashes, node: number): void {
  sha256Into(hashes.subarray(node * PAIR_BYTES, (node + 1) * PAIR_BYTES), hashes, placeOf(node));
}

/** 0 for a page's root, 4 for its slots. */
function levelOf(node: number): number {
  return 31 - Math.clz32(node);
}

function damaged(): RegistryError {
  return new RegistryError('storage/damaged', 'a page of the registry map is damaged');
}
