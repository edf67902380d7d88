import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isRegistryError } from '@waybill/protocol';
import type { MapPageWrite } from '../../src/core/ports.ts';
import {
  bitmapOf,
  countPagesInRow,
  groupOf,
  packMapPages,
  pageInRow,
  replacedRows,
  rowWithout,
} from '../../src/storage/map-rows.ts';

/** Bytes of the bitmap that a row begins with. */
const HEAD_BYTES = 4;

const isDamage = (thrown: unknown): boolean => isRegistryError(thrown, 'storage/damaged');

function page(prefix: string, length = 5, replaces: number | null = null): MapPageWrite {
  return { prefix, version: 7, bytes: new Uint8Array(length).fill(prefix.length + 1), replaces };
}

/** The one row of pages that share a group. */
function rowOf(pages: readonly MapPageWrite[]): Uint8Array {
  const [row, ...rest] = packMapPages(pages);
  assert.ok(row !== undefined && rest.length === 0);
  return row.bytes;
}

test('pages at an even depth and right below it share a row, in any order', () => {
  const pages = ['', 'a', '3', 'ab', 'ab0', 'abf', 'abcd'].map((prefix) => page(prefix));
  const rows = packMapPages(pages.toReversed());
  assert.deepEqual(rows.map(({ group }) => group).toSorted(), ['', 'ab', 'abcd']);
  for (const { prefix, bytes } of pages) {
    const row = rows.find(({ group }) => group === groupOf(prefix));
    assert.equal(row?.version, 7);
    assert.deepEqual(pageInRow(row.bytes, prefix), bytes);
  }
});

test('every one of the 17 places of a row comes back, and no other', () => {
  const prefixes = ['ab', ...Array.from({ length: 16 }, (_, i) => `ab${i.toString(16)}`)];
  for (const prefix of prefixes) {
    const row = rowOf([page(prefix)]);
    for (const other of prefixes) assert.equal(pageInRow(row, other) === null, other !== prefix);
  }
  const full = rowOf(prefixes.map((prefix, i) => page(prefix, i * 100)));
  for (const [i, prefix] of prefixes.entries()) assert.equal(pageInRow(full, prefix)?.length, i * 100);
  assert.equal(countPagesInRow(full), 17);
  assert.equal(bitmapOf(full), 2 ** 17 - 1);
});

test('an empty page is there; nothing packs to nothing', () => {
  assert.deepEqual(pageInRow(rowOf([page('', 0)]), ''), new Uint8Array());
  assert.deepEqual(packMapPages([]), []);
});

test('a row says once which rows its pages replace', () => {
  const rows = packMapPages([page('', 5, 3), page('a', 5, 6), page('b', 5, 3), page('c'), page('ab', 5, 4)]);
  assert.deepEqual(
    rows.map(({ group, replaces }) => [group, replaces]),
    [
      ['', [3, 6]],
      ['ab', [4]],
    ],
  );
});

test('rows that do not say it are compared, from the oldest on', () => {
  const rows = [['', 'a'], ['', 'b'], ['a'], ['', 'a', 'b', 'c']].map((prefixes, i) => ({
    version: i + 1,
    bytes: rowOf(prefixes.map((prefix) => page(prefix))),
  }));
  assert.deepEqual(
    replacedRows(rows).map(({ replaces }) => replaces),
    [[], [1], [1], [2, 3]],
  );
});

test('a row loses the pages that a newer one has too, and the others stay', () => {
  const row = rowOf([page('', 9), page('a', 1), page('f', 2)]);
  const left = rowWithout(row, rowOf([page('a'), page('b'), page('')]));
  assert.deepEqual(left, rowOf([page('f', 2)]));
  assert.equal(rowWithout(row, rowOf([page('b')])), row);
  assert.equal(rowWithout(row, rowOf([page('f'), page('a'), page('')])), null);
  assert.throws(() => rowWithout(row.subarray(0, row.length - 1), rowOf([page('a')])), isDamage);
});

test('a row that was cut anywhere is damaged, not short of a page', () => {
  const row = rowOf([page('a'), page('b'), page('')]);
  assert.equal(countPagesInRow(row), 3);
  for (let length = 0; length < row.length; length++) {
    const cut = row.subarray(0, length);
    assert.throws(() => countPagesInRow(cut), isDamage);
    // The page at the row's own prefix is the last.
    assert.throws(() => pageInRow(cut, ''), isDamage);
  }
});

test('a row with a wrong length or surplus bytes is damaged', () => {
  const row = rowOf([page('a'), page('')]);
  const longer = row.slice();
  longer[HEAD_BYTES + 1] = 200;
  assert.throws(() => pageInRow(longer, ''), isDamage);
  assert.throws(() => pageInRow(longer, 'a'), isDamage);
  assert.throws(() => countPagesInRow(Uint8Array.of(...row, 0)), isDamage);
  const unknownBit = row.slice();
  unknownBit[0] = 1;
  assert.throws(() => countPagesInRow(unknownBit), isDamage);
  assert.throws(() => countPagesInRow(new Uint8Array(HEAD_BYTES)), isDamage);
});

test('a row is read from a view into a larger buffer', () => {
  const row = rowOf([page('a'), page('')]);
  const view = Uint8Array.of(1, 2, 3, ...row, 4).subarray(3, 3 + row.length);
  assert.deepEqual(pageInRow(view, 'a'), page('a').bytes);
  assert.equal(countPagesInRow(view), 2);
});
