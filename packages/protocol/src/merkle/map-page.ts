import { HASH_BYTES } from '../crypto/hash.ts';
import { RegistryError } from '../errors.ts';
import { MAP_HEIGHT } from '../wire/map-proof-bundle.ts';
import { emptySubtree } from './map-hash.ts';
import { hashNode } from './log-hash.ts';

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

/** Four levels of the map below one nibble prefix: 16 slots, left to right. */
export type MapPage = readonly MapSlot[];

export const EMPTY_PAGE: MapPage = Array.from({ length: PAGE_SLOTS }, () => null);

/** Height of the subtrees in the slots of a page at nibble depth `depth`. */
export function slotHeight(depth: number): number {
  return MAP_HEIGHT - (depth + 1) * PAGE_HEIGHT;
}

/** The page's subtree hashes, row by row from the 16 slots up to the one root. */
export function pageRows(page: MapPage, depth: number): Uint8Array[][] {
  const height = slotHeight(depth);
  const rows = [page.map((slot) => slot?.hash ?? emptySubtree(height))];
  for (let above = 0; above < PAGE_HEIGHT; above++) {
    const below = rows[above] ?? [];
    const empty = emptySubtree(height + above);
    const row: Uint8Array[] = [];
    for (let i = 0; i < below.length; i += 2) {
      const left = below[i] ?? empty;
      const right = below[i + 1] ?? empty;
      row.push(left === empty && right === empty ? emptySubtree(height + above + 1) : hashNode(left, right));
    }
    rows.push(row);
  }
  return rows;
}

/** {@link pageRows} of a page in which some slots of `standing` were replaced: only what is above them is hashed anew. */
export function pageRowsAfter(
  standing: readonly (readonly Uint8Array[])[],
  page: MapPage,
  changed: Iterable<number>,
): Uint8Array[][] {
  const rows = standing.map((row) => [...row]);
  let positions = new Set(changed);
  for (const position of positions) {
    const hash = page[position]?.hash;
    if (hash !== undefined && rows[0] !== undefined) rows[0][position] = hash;
  }
  for (let above = 1; above <= PAGE_HEIGHT; above++) {
    positions = new Set([...positions].map((position) => Math.floor(position / 2)));
    for (const position of positions) {
      const [left, right] = [rows[above - 1]?.[position * 2], rows[above - 1]?.[position * 2 + 1]];
      const row = rows[above];
      if (left === undefined || right === undefined || row === undefined) throw new RangeError('a page has five rows');
      row[position] = hashNode(left, right);
    }
  }
  return rows;
}

/** Hash of the subtree that a page is the top of. */
export function pageHash(page: MapPage, depth: number): Uint8Array {
  return topOf(pageRows(page, depth));
}

/** The hash above all rows of a page. */
export function topOf(rows: readonly (readonly Uint8Array[])[]): Uint8Array {
  const [root] = rows[PAGE_HEIGHT] ?? [];
  if (root === undefined) throw new RangeError('a page has one root');
  return root;
}

const BITMAPS_BYTES = 4;
const SINGLE_BYTES = 3 * HASH_BYTES;
const VERSION_BYTES = 8;
const CHILD_BYTES = HASH_BYTES + VERSION_BYTES;

/** Two 16-bit maps (singles, children), then the slots in order: path, leaf hash, hash; or hash, version. */
export function encodeMapPage(page: MapPage): Uint8Array {
  const length = page.reduce((sum, slot) => sum + slotBytes(slot), BITMAPS_BYTES);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  let offset = BITMAPS_BYTES;
  for (const [i, slot] of page.entries()) {
    if (slot === null) continue;
    const bitmap = slot.type === 'single' ? 0 : 2;
    view.setUint16(bitmap, view.getUint16(bitmap) | (1 << i));
    if (slot.type === 'single') {
      bytes.set(slot.path, offset);
      bytes.set(slot.leafHash, offset + HASH_BYTES);
      bytes.set(slot.hash, offset + 2 * HASH_BYTES);
    } else {
      bytes.set(slot.hash, offset);
      view.setBigUint64(offset + HASH_BYTES, BigInt(slot.version));
    }
    offset += slotBytes(slot);
  }
  return bytes;
}

function slotBytes(slot: MapSlot): number {
  if (slot === null) return 0;
  return slot.type === 'single' ? SINGLE_BYTES : CHILD_BYTES;
}

/** Throws `storage/damaged`. */
export function decodeMapPage(bytes: Uint8Array): MapPage {
  if (bytes.length < BITMAPS_BYTES) throw damaged();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const singles = view.getUint16(0);
  const children = view.getUint16(2);
  const page: MapSlot[] = [];
  let offset = BITMAPS_BYTES;
  for (let i = 0; i < PAGE_SLOTS; i++) {
    const slot = readSlot(bytes, view, offset, { single: hasBit(singles, i), child: hasBit(children, i) });
    offset += slotBytes(slot);
    page.push(slot);
  }
  if (offset !== bytes.length || page.every((slot) => slot === null)) throw damaged();
  return page;
}

function hasBit(bitmap: number, position: number): boolean {
  return ((bitmap >> position) & 1) === 1;
}

function readSlot(
  bytes: Uint8Array,
  view: DataView,
  offset: number,
  marked: { readonly single: boolean; readonly child: boolean },
): MapSlot {
  if (!marked.single && !marked.child) return null;
  const needed = marked.single ? SINGLE_BYTES : CHILD_BYTES;
  if (marked.single === marked.child || offset + needed > bytes.length) throw damaged();
  const hashAt = (position: number): Uint8Array => bytes.slice(offset + position, offset + position + HASH_BYTES);
  if (marked.single)
    return { type: 'single', path: hashAt(0), leafHash: hashAt(HASH_BYTES), hash: hashAt(2 * HASH_BYTES) };
  const version = Number(view.getBigUint64(offset + HASH_BYTES));
  if (!Number.isSafeInteger(version)) throw damaged();
  return { type: 'child', hash: hashAt(0), version };
}

function damaged(): RegistryError {
  return new RegistryError('storage/damaged', 'a page of the registry map is damaged');
}
