import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { utf8 } from '../../src/bytes/byte-array.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { emptySubtree } from '../../src/merkle/map-hash.ts';
import { decodeMapPage, EMPTY_PAGE, PAGE_SLOTS, pageWith, slotOfPage } from '../../src/merkle/map-page.ts';
import { foldMapProof } from '../../src/merkle/map-proof.ts';
import { emptyMapRoot, proveMap, updateMap, type MapRoot, type MapUpdate } from '../../src/merkle/map-tree.ts';
import { memoryMap } from '../memory-tree.ts';
import { outcome, settled } from './outcome.ts';
import { flipBit, plainMapRoot, type PlainKey } from './plain-trees.ts';

type Pages = ReturnType<typeof memoryMap>;

const keyOf = (name: number | string, leaf: number | string = name): MapUpdate => ({
  path: sha256(utf8(`key${name}`)),
  leafHash: sha256(utf8(`leaf${leaf}`)),
});

/** Checks that the map says exactly `keys`, and nothing of `absent`, each with a proof that leads to the root. */
async function checkMap(
  pages: Pages,
  root: MapRoot,
  keys: readonly PlainKey[],
  absent: readonly Uint8Array[],
): Promise<void> {
  assert.deepEqual(root.hash, plainMapRoot(keys));
  const present = await proveMap(
    root,
    keys.map(({ path }) => path),
    pages.read,
  );
  for (const [i, { path, leafHash }] of keys.entries()) {
    const { leafHash: found, proof } = present[i] ?? assert.fail();
    assert.deepEqual(found, leafHash);
    assert.deepEqual(foldMapProof(path, leafHash, proof), root.hash);
    assert.notDeepEqual(foldMapProof(path, emptySubtree(0), proof), root.hash);
  }
  const missing = await proveMap(root, absent, pages.read);
  for (const [i, path] of absent.entries()) {
    const { leafHash, proof } = missing[i] ?? assert.fail();
    assert.equal(leafHash, null);
    assert.deepEqual(foldMapProof(path, emptySubtree(0), proof), root.hash);
  }
}

test('§5.3 the empty map says nothing of any key', async () => {
  await checkMap(memoryMap(), emptyMapRoot(), [], [sha256(utf8('a')), new Uint8Array(32)]);
});

test('§5.3 the map equals its definition after every key', async () => {
  const pages = memoryMap();
  let root = emptyMapRoot();
  const keys: MapUpdate[] = [];
  const absent = [keyOf('none').path, keyOf('nothing').path, new Uint8Array(32)];
  for (let i = 0; i < 25; i++) {
    keys.push(keyOf(i));
    root = await pages.update(root, keys.slice(-1), i + 1);
    await checkMap(pages, root, keys, absent);
  }
});

test('§5.3 keys that part at any bit, and absent keys beside them', async () => {
  const { path } = keyOf('near');
  for (const depth of [0, 1, 3, 4, 5, 7, 8, 63, 127, 128, 200, 251, 252, 254, 255]) {
    const pages = memoryMap();
    const keys = [keyOf('near'), { path: flipBit(path, depth), leafHash: sha256(utf8('other')) }];
    const root = await pages.update(emptyMapRoot(), keys, 1);
    const absent = Array.from({ length: 256 }, (_, bit) => flipBit(path, bit)).filter((_, bit) => bit !== depth);
    await checkMap(
      pages,
      root,
      keys,
      absent.filter((_, i) => i % 17 === depth % 17),
    );
    const oneByOne = memoryMap();
    const first = await oneByOne.update(emptyMapRoot(), keys.slice(0, 1), 1);
    await checkMap(oneByOne, first, keys.slice(0, 1), [flipBit(path, depth)]);
    assert.deepEqual((await oneByOne.update(first, keys.slice(1), 2)).hash, root.hash);
  }
});

test('§5.3 the siblings of a lone pair reach down to where the two part', async () => {
  const { path } = keyOf('near');
  for (const depth of [0, 5, 255]) {
    const pages = memoryMap();
    const root = await pages.update(emptyMapRoot(), [keyOf('near'), { ...keyOf('x'), path: flipBit(path, depth) }], 1);
    const [proven] = await proveMap(root, [path], pages.read);
    assert.equal(proven?.proof.length, depth + 1);
    assert.deepEqual(
      proven?.proof.slice(1),
      Array.from({ length: depth }, (_, i) => emptySubtree(256 - depth + i)),
    );
  }
});

/** Paths that crowd together: few leading bits, with a random or a constant rest. */
const crowdedPath = fc.tuple(fc.nat({ max: 255 }), fc.nat({ max: 3 }), fc.boolean()).map(([first, last, constant]) => {
  const path = constant ? new Uint8Array(32) : sha256(Uint8Array.of(first, last));
  path[0] = first % 8;
  path[31] = last;
  return path;
});
const batch = fc
  .uniqueArray(fc.tuple(crowdedPath, fc.nat({ max: 1000 })), { maxLength: 8, selector: ([path]) => path.join() })
  .map((keys) => keys.map(([path, leaf]) => ({ path, leafHash: sha256(utf8(`leaf${leaf}`)) })));

test('a batch equals its updates one by one, and the definition; older roots keep their proofs', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(batch, { maxLength: 4 }), crowdedPath, async (batches, probe) => {
      const [pages, singly] = [memoryMap(), memoryMap()];
      let [root, other] = [emptyMapRoot(), emptyMapRoot()];
      const history: { root: MapRoot; keys: PlainKey[] }[] = [];
      const standing = new Map<string, PlainKey>();
      for (const [i, updates] of batches.entries()) {
        root = await pages.update(root, updates, 100 * (i + 1));
        for (const [j, update] of updates.entries()) other = await singly.update(other, [update], 100 * i + j + 1);
        for (const update of updates) standing.set(update.path.join(), update);
        assert.deepEqual(root.hash, other.hash);
        history.push({ root, keys: [...standing.values()] });
      }
      for (const { root: at, keys } of history) {
        await checkMap(pages, at, keys, keys.some(({ path }) => path.join() === probe.join()) ? [] : [probe]);
      }
    }),
    { numRuns: 25 },
  );
});

test('an update that is thrown away leaves the map as it was', async () => {
  const pages = memoryMap();
  const keys = Array.from({ length: 40 }, (_, i) => keyOf(i));
  const root = await pages.update(emptyMapRoot(), keys, 1);
  const lost = await updateMap(root, [keyOf(3, 'new'), keyOf(99)], 2, pages.read);
  assert.notDeepEqual(lost.root.hash, root.hash);
  await checkMap(pages, root, keys, [keyOf(99).path]);
  const again = await updateMap(root, [keyOf(99), keyOf(3, 'new')], 2, pages.read);
  assert.deepEqual(again.root, lost.root);
});

test('a batch writes each changed page once', async () => {
  const pages = memoryMap();
  const root = await pages.update(
    emptyMapRoot(),
    Array.from({ length: 300 }, (_, i) => keyOf(i)),
    1,
  );
  const { pages: written } = await updateMap(
    root,
    Array.from({ length: 300 }, (_, i) => keyOf(i, 'new')),
    2,
    pages.read,
  );
  assert.equal(new Set(written.map(({ prefix }) => prefix)).size, written.length);
  assert.ok(written.every(({ version }) => version === 2));
  assert.deepEqual((await updateMap(root, [], 2, pages.read)).pages, []);
});

test('pages keep what they hold; damaged ones are refused', async () => {
  const pages = memoryMap();
  const root = await pages.update(
    emptyMapRoot(),
    Array.from({ length: 40 }, (_, i) => keyOf(i)),
    2 ** 40,
  );
  const [bytes = assert.fail()] = await pages.read([{ prefix: '', version: root.version ?? assert.fail() }]);
  const page = decodeMapPage(bytes);
  const slots = Array.from({ length: PAGE_SLOTS }, (_, position) => slotOfPage(page, position));
  const filled = new Map([...slots.entries()].flatMap(([position, slot]) => (slot === null ? [] : [[position, slot]])));
  assert.deepEqual(pageWith(EMPTY_PAGE, filled).bytes, bytes);
  assert.ok(slots.some((slot) => slot?.type === 'child' && slot.version === 2 ** 40));
  for (let length = 0; length < bytes.length; length++) {
    assert.equal(
      outcome(() => decodeMapPage(bytes.slice(0, length))),
      'storage/damaged',
    );
  }
  assert.equal(
    outcome(() => decodeMapPage(Uint8Array.of(...bytes, 0))),
    'storage/damaged',
  );
  const bothKinds = bytes.slice();
  bothKinds.set([0xff, 0xff, 0xff, 0xff]);
  assert.equal(
    outcome(() => decodeMapPage(bothKinds)),
    'storage/damaged',
  );
  const short = async (): Promise<Uint8Array[]> => [bytes.slice(0, -1)];
  assert.equal(await settled(proveMap(root, [keyOf(1).path], short)), 'storage/damaged');
  assert.equal(await settled(updateMap(root, [keyOf(1)], 2 ** 40 + 1, short)), 'storage/damaged');
});
