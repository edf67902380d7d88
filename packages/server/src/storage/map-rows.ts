import { RegistryError } from '@waybill/protocol';
import type { MapPageWrite } from '../core/ports.ts';

/*
 * Pages of the map as rows: the pages that one commit wrote at an even nibble depth and right below share a row, so that a
 * record rewrites one row for every 8 levels of the map. A row is a bitmap of 17 (bit 16: the page at the row's own prefix,
 * bits 0 to 15: those one nibble below), then for each its length and its bytes.
 */

/** A row: `group` is the prefix of even length that its pages share. */
export interface MapRow {
  readonly group: string;
  readonly version: number;
  readonly bytes: Uint8Array;
}

/** Bytes of the bitmap at the start of a row. */
export const MAP_ROW_HEAD_BYTES = 4;

const OWN_BIT = 16;
const SLOTS = 17;
const LENGTH_BYTES = 2;

/** The row that a page is in. */
export function groupOf(prefix: string): string {
  return prefix.length % 2 === 0 ? prefix : prefix.slice(0, -1);
}

/** Packs the pages of one commit. */
export function packMapPages(pages: readonly MapPageWrite[]): MapRow[] {
  const groups = new Map<string, MapPageWrite[]>();
  for (const page of pages) {
    const group = groupOf(page.prefix);
    const below = groups.get(group);
    if (below === undefined) groups.set(group, [page]);
    else below.push(page);
  }
  return [...groups].map(([group, below]) => ({ group, version: below[0]?.version ?? 0, bytes: packRow(below) }));
}

function packRow(pages: readonly MapPageWrite[]): Uint8Array {
  const sorted = pages.toSorted((a, b) => bitOf(a.prefix) - bitOf(b.prefix));
  const length = sorted.reduce((sum, { bytes }) => sum + LENGTH_BYTES + bytes.length, MAP_ROW_HEAD_BYTES);
  const row = new Uint8Array(length);
  const view = new DataView(row.buffer);
  view.setUint32(
    0,
    sorted.reduce((bits, { prefix }) => bits + 2 ** bitOf(prefix), 0),
  );
  let offset = MAP_ROW_HEAD_BYTES;
  for (const { bytes } of sorted) {
    view.setUint16(offset, bytes.length);
    row.set(bytes, offset + LENGTH_BYTES);
    offset += LENGTH_BYTES + bytes.length;
  }
  return row;
}

/** The page at `prefix` in its row; `null` when the row has none. Throws `storage/damaged`. */
export function pageInRow(row: Uint8Array, prefix: string): Uint8Array | null {
  const wanted = bitOf(prefix);
  const bitmap = bitmapOf(row);
  const view = new DataView(row.buffer, row.byteOffset, row.byteLength);
  let offset = MAP_ROW_HEAD_BYTES;
  for (let bit = 0; bit < SLOTS; bit++) {
    if (!hasBit(bitmap, bit)) continue;
    if (offset + LENGTH_BYTES > row.length) throw damaged();
    const end = offset + LENGTH_BYTES + view.getUint16(offset);
    if (end > row.length) throw damaged();
    if (bit === wanted) return row.slice(offset + LENGTH_BYTES, end);
    offset = end;
  }
  return null;
}

/** How many pages a row has. Throws `storage/damaged` for a row that {@link packMapPages} would not have made. */
export function countPagesInRow(row: Uint8Array): number {
  const bitmap = bitmapOf(row);
  const view = new DataView(row.buffer, row.byteOffset, row.byteLength);
  let count = 0;
  let offset = MAP_ROW_HEAD_BYTES;
  for (let bit = 0; bit < SLOTS; bit++) {
    if (!hasBit(bitmap, bit)) continue;
    if (offset + LENGTH_BYTES > row.length) throw damaged();
    offset += LENGTH_BYTES + view.getUint16(offset);
    count++;
  }
  if (bitmap >= 2 ** SLOTS || count === 0 || offset !== row.length) throw damaged();
  return count;
}

/** Which pages a row has; `row` may be cut after {@link MAP_ROW_HEAD_BYTES}. Throws `storage/damaged`. */
export function bitmapOf(row: Uint8Array): number {
  if (row.length < MAP_ROW_HEAD_BYTES) throw damaged();
  return new DataView(row.buffer, row.byteOffset, row.byteLength).getUint32(0);
}

/** True when `seen` has every page of `bitmap`; both are of at most 17 bits. */
export function isCovered(bitmap: number, seen: number): boolean {
  return (bitmap & ~seen) === 0;
}

function bitOf(prefix: string): number {
  return prefix.length % 2 === 0 ? OWN_BIT : Number.parseInt(prefix.slice(-1), 16);
}

function hasBit(bitmap: number, bit: number): boolean {
  return (bitmap & (1 << bit)) !== 0;
}

function damaged(): RegistryError {
  return new RegistryError('storage/damaged', 'a row of the registry map is damaged: run "waybill fsck"');
}
