import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../../src/bytes/byte-array.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { isRegistryError } from '../../src/errors.ts';
import { recheckMap } from '../../src/merkle/map-recheck.ts';
import {
  emptyMapRoot,
  KnownPages,
  updateMap,
  type MapPageRef,
  type MapRoot,
  type MapUpdate,
} from '../../src/merkle/map-tree.ts';
import { Dice, FULL, SEED } from '@waybill/tools/test-scale';
import { memoryMap } from '../memory-tree.ts';

const ROUNDS = FULL ? 300 : 40;
const FLIPS = FULL ? 2_000 : 200;
const KEYS = 2_000;

function draw(dice: Dice, version: number): MapUpdate[] {
  const names = new Set(Array.from({ length: 1 + dice.below(30) }, () => dice.below(KEYS)));
  return [...names].map((name) => ({
    path: sha256(utf8(`key${name}`)),
    leafHash: sha256(utf8(`leaf${name} ${version}`)),
  }));
}

for (const pagesMax of [1, 20, 10_000]) {
  test(`with ${pagesMax} pages known every update is what it is without`, async () => {
    const dice = new Dice(SEED + pagesMax);
    const pages = memoryMap();
    const known = new KnownPages(pagesMax);
    let root = emptyMapRoot();
    const reads = { with: 0, without: 0 };
    const reader =
      (kind: keyof typeof reads) =>
      (wanted: readonly MapPageRef[]): Promise<Uint8Array[]> => {
        reads[kind] += wanted.length;
        return pages.read(wanted);
      };
    for (let version = 1; version <= ROUNDS; version++) {
      const updates = draw(dice, version);
      // One in four is not stored: its pages are known, and belong to no map.
      if (dice.oneIn(4)) await updateMap(root, draw(dice, version), version, pages.read, known);
      const plain = await updateMap(root, updates, version, reader('without'));
      assert.deepEqual(await updateMap(root, updates, version, reader('with'), known), plain);
      root = await pages.update(root, updates, version);
    }
    if (pagesMax > KEYS) assert.ok(reads.with < reads.without / 2, JSON.stringify(reads));
  });
}

/** A map of three updates, and what is known after them. */
async function grown(): Promise<{ pages: ReturnType<typeof memoryMap>; known: KnownPages; root: MapRoot }> {
  const dice = new Dice(7);
  const pages = memoryMap();
  const known = new KnownPages(10_000);
  let root = emptyMapRoot();
  for (const version of [1, 2, 3]) {
    const updates = draw(dice, version);
    await updateMap(root, updates, version, pages.read, known);
    root = await pages.update(root, updates, version);
  }
  return { pages, known, root };
}

test('a bit that flips in a page that is known is found before its map is signed (threats L7)', async () => {
  const dice = new Dice(SEED);
  const updates = draw(dice, 4);
  const { pages: sound, root: standing } = await grown();
  const right = await updateMap(standing, updates, 4, sound.read);
  let found = 0;
  for (let flip = 0; flip < FLIPS; flip++) {
    const { pages, known, root } = await grown();
    const top = known.find({ prefix: '', version: root.version ?? 0, hash: root.hash }) ?? assert.fail();
    const hashes = [top.bytes, ...top.rows.flat(), ...top.page.flatMap((slot) => slot?.hash ?? [])];
    const bytes = hashes[dice.below(hashes.length)] ?? assert.fail();
    const bit = dice.below(bytes.length * 8);
    bytes[Math.floor(bit / 8)] = (bytes[Math.floor(bit / 8)] ?? 0) ^ (1 << (bit % 8));
    try {
      const grownMap = await updateMap(root, updates, 4, pages.read, known);
      recheckMap({ ...grownMap, updates });
      // A hash that the update has made anew.
      assert.deepEqual(grownMap.root, right.root);
      assert.deepEqual(grownMap.pages, right.pages);
    } catch (thrown) {
      assert.ok(isRegistryError(thrown, 'head/unconfirmed', 'storage/damaged'), String(thrown));
      found++;
    }
  }
  assert.ok(found > FLIPS / 10, `${found} of ${FLIPS}`);
});
