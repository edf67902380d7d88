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
  /** Versions of the rows of the same group that have pages which this row's replace, ascending. */
  readonly replaces: readonly number[];
  readonly bytes: Uint8Array;
}

/** Bytes of the bitmap at the start of a row. */
const HEAD_BYTES = 4;

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
  return [...groups].map(([group, below]) => ({
    group,
    version: below[0]?.version ?? 0,
    replaces: ascending(below.flatMap(({ replaces }) => replaces ?? [])),
    bytes: packRow(below.map(({ prefix, bytes }) => ({ bit: bitOf(prefix), bytes }))),
  }));
}

interface PackedPage {
  readonly bit: number;
  readonly bytes: Uint8Array;
}

function packRow(pages: readonly PackedPage[]): Uint8Array {
  const sorted = pages.toSorted((a, b) => a.bit - b.bit);
  const length = sorted.reduce((sum, { bytes }) => sum + LENGTH_BYTES + bytes.length, HEAD_BYTES);
  const row = new Uint8Array(length);
  const view = new DataView(row.buffer);
  view.setUint32(
    0,
    sorted.reduce((bits, { bit }) => bits + 2 ** bit, 0),
  );
  let offset = HEAD_BYTES;
  for (const { bytes } of sorted) {
    view.setUint16(offset, bytes.length);
    row.set(bytes, offset + LENGTH_BYTES);
    offset += LENGTH_BYTES + bytes.length;
  }
  return row;
}

/** A view of the page at `prefix` in its row; `null` when the row has none. Throws `storage/damaged`. */
export function pageInRow(row: Uint8Array, prefix: string): Uint8Array | null {
  const wanted = bitOf(prefix);
  for (const { bit, bytes } of pagesOf(row)) if (bit === wanted) return bytes;
  return null;
}

/**
 * A row without the pages that a newer row of its group has too; `null` when none are left, the row itself when it keeps all.
 * Throws `storage/damaged`.
 */
export function rowWithout(row: Uint8Array, newer: Uint8Array): Uint8Array | null {
  const gone = bitmapOf(newer);
  if ((bitmapOf(row) & gone) === 0) return row;
  const left = [...pagesOf(row)].filter(({ bit }) => !hasBit(gone, bit));
  return left.length === 0 ? null : packRow(left);
}

/** Views of the pages, in the order of their bits. Throws `storage/damaged` at one that is cut off. */
function* pagesOf(row: Uint8Array): Generator<PackedPage, void, undefined> {
  const bitmap = bitmapOf(row);
  const view = new DataView(row.buffer, row.byteOffset, row.byteLength);
  let offset = HEAD_BYTES;
  for (let bit = 0; bit < SLOTS; bit++) {
    if (!hasBit(bitmap, bit)) continue;
    if (offset + LENGTH_BYTES > row.length) throw damaged();
    const end = offset + LENGTH_BYTES + view.getUint16(offset);
    if (end > row.length) throw damaged();
    yield { bit, bytes: row.subarray(offset + LENGTH_BYTES, end) };
    offset = end;
  }
}

/** How many pages a row has. Throws `storage/damaged` for a row that {@link packMapPages} would not have made. */
export function countPagesInRow(row: Uint8Array): number {
  const pages = [...pagesOf(row)];
  const end = pages.reduce((sum, { bytes }) => sum + LENGTH_BYTES + bytes.length, HEAD_BYTES);
  if (bitmapOf(row) >= 2 ** SLOTS || pages.length === 0 || end !== row.length) throw damaged();
  return pages.length;
}

/** Which rows each row of one group replaces, of rows from the oldest to the newest that do not say it. */
export function replacedRows(
  rows: readonly { readonly version: number; readonly bytes: Uint8Array }[],
): { version: number; replaces: number[] }[] {
  const newest = new Map<number, number>();
  return rows.map(({ version, bytes }) => {
    const bits = [...pagesOf(bytes)].map(({ bit }) => bit);
    const replaces = ascending(bits.flatMap((bit) => newest.get(bit) ?? []));
    for (const bit of bits) newest.set(bit, version);
    return { version, replaces };
  });
}

function ascending(versions: readonly number[]): number[] {
  return [...new Set(versions)].toSorted((a, b) => a - b);
}

/** Which pages a row has: a bit for each. Throws `storage/damaged`. */
export function bitmapOf(row: Uint8Array): number {
  if (row.length < HEAD_BYTES) throw damaged();
  return new DataView(row.buffer, row.byteOffset, row.byteLength).getUint32(0);
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
