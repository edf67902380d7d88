import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { concatBytes, utf8 } from '../../src/bytes/byte-array.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { EMPTY_LOG_ROOT, hashNode } from '../../src/merkle/log-hash.ts';
import {
  appendToLog,
  edgeTileCoordinates,
  emptyLogEdge,
  hashInTile,
  logEdgeFromTiles,
  logRootOfEdge,
  TILE_WIDTH,
  tileOfNode,
  type LogEdge,
} from '../../src/merkle/log-tile.ts';
import { memoryTiles } from '../memory-tree.ts';
import { outcome } from './outcome.ts';
import { plainLogRoot, testLeaves } from './plain-trees.ts';

const hashOf = (text: string): Uint8Array => sha256(utf8(text));

test('RFC 6962: the root of every size 0..80', () => {
  let edge = emptyLogEdge();
  assert.deepEqual(logRootOfEdge(edge), EMPTY_LOG_ROOT);
  const leaves = testLeaves(80);
  for (const [i, leaf] of leaves.entries()) {
    edge = appendToLog(edge, [leaf]).edge;
    assert.equal(edge.size, i + 1);
    assert.deepEqual(logRootOfEdge(edge), plainLogRoot(leaves.slice(0, i + 1)));
  }
});

test('RFC 6962: roots around tile borders, whatever the batches; the edge given stays as it was', () => {
  const leaves = testLeaves(1100);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 6 }), (batches) => {
      let edge = emptyLogEdge();
      for (const batch of batches) {
        const before = edge.size;
        const root = logRootOfEdge(edge);
        const grown = appendToLog(edge, leaves.slice(before, before + batch));
        assert.equal(edge.size, before);
        assert.deepEqual(logRootOfEdge(edge), root);
        edge = grown.edge;
      }
      assert.deepEqual(logRootOfEdge(edge), plainLogRoot(leaves.slice(0, edge.size)));
    }),
    { numRuns: 25 },
  );
  for (const size of [255, 256, 257, 511, 512, 513]) {
    const edge = appendToLog(emptyLogEdge(), leaves.slice(0, size)).edge;
    assert.deepEqual(logRootOfEdge(edge), plainLogRoot(leaves.slice(0, size)));
  }
});

test('C2SP: an append gives each touched tile whole', () => {
  const leaves = testLeaves(600);
  const first = appendToLog(emptyLogEdge(), leaves.slice(0, 250));
  const { tiles } = appendToLog(first.edge, leaves.slice(250));
  const shape = tiles.map(({ level, index, hashes }) => ({ level, index, width: hashes.length / 32 }));
  assert.deepEqual(shape, [
    { level: 0, index: 0, width: 256 },
    { level: 0, index: 1, width: 256 },
    { level: 0, index: 2, width: 88 },
    { level: 1, index: 0, width: 2 },
  ]);
  assert.deepEqual(tiles[0]?.hashes, concatBytes(...leaves.slice(0, 256)));
  assert.deepEqual(tiles[2]?.hashes, concatBytes(...leaves.slice(512)));
  assert.deepEqual(tiles[3]?.hashes.slice(0, 32), plainLogRoot(leaves.slice(0, 256)));
  assert.deepEqual(appendToLog(first.edge, []).tiles, []);
});

test('C2SP: any perfect subtree can be read from its one tile', () => {
  const leaves = testLeaves(600);
  const { tiles } = appendToLog(emptyLogEdge(), leaves);
  for (let height = 0; height <= 9; height++) {
    for (let position = 0; (position + 1) * 2 ** height <= 600; position++) {
      const at = tileOfNode({ height, position });
      const tile = tiles.find(({ level, index }) => level === at.level && index === at.index);
      const expected = plainLogRoot(leaves.slice(position * 2 ** height, (position + 1) * 2 ** height));
      assert.deepEqual(hashInTile({ height, position }, tile?.hashes), expected);
    }
  }
  assert.equal(
    outcome(() => hashInTile({ height: 0, position: 5 }, new Uint8Array(5 * 32))),
    'storage/damaged',
  );
  assert.equal(
    outcome(() => hashInTile({ height: 2, position: 1 }, new Uint8Array(7 * 32))),
    'storage/damaged',
  );
  assert.equal(
    outcome(() => hashInTile({ height: 0, position: 0 }, undefined)),
    'storage/damaged',
  );
});

/** The edge of a store that holds at least `size` leaves, as a starting server reads it. */
async function reloaded(store: ReturnType<typeof memoryTiles>, size: number): Promise<LogEdge> {
  const coordinates = edgeTileCoordinates(size);
  const hashes = await store.read(coordinates);
  return logEdgeFromTiles(
    size,
    coordinates.map((at, i) => ({ ...at, hashes: hashes[i] ?? new Uint8Array() })),
  );
}

test('an edge loaded from the store goes on like the one in memory, also where the tiles hold more', async () => {
  const leaves = testLeaves(800);
  const store = memoryTiles();
  store.append(emptyLogEdge(), leaves);
  for (const size of [0, 1, 255, 256, 257, 511, 512, 600, 768, 800]) {
    const edge = await reloaded(store, size);
    assert.deepEqual(logRootOfEdge(edge), plainLogRoot(leaves.slice(0, size)));
    const grown = appendToLog(edge, leaves.slice(size, size + 30)).edge;
    assert.deepEqual(logRootOfEdge(grown), plainLogRoot(leaves.slice(0, size + 30)));
  }
});

test('an edge is refused from tiles that are missing or short', () => {
  const tile = { level: 0, index: 0, hashes: new Uint8Array(4 * 32) };
  assert.equal(
    outcome(() => logEdgeFromTiles(4, [tile])),
    'ok',
  );
  assert.equal(
    outcome(() => logEdgeFromTiles(5, [tile])),
    'storage/damaged',
  );
  assert.equal(
    outcome(() => logEdgeFromTiles(4, [])),
    'storage/damaged',
  );
  assert.equal(
    outcome(() => logEdgeFromTiles(4, [{ ...tile, hashes: new Uint8Array(4 * 32 - 1) }])),
    'storage/damaged',
  );
  assert.equal(
    outcome(() => logEdgeFromTiles(256, [])),
    'storage/damaged',
  );
});

test('edges above 2^32 leaves', () => {
  assert.deepEqual(edgeTileCoordinates(2 ** 33), [{ level: 4, index: 0 }]);
  assert.deepEqual(edgeTileCoordinates(2 ** 33 + 257), [
    { level: 0, index: 2 ** 25 + 1 },
    { level: 1, index: 2 ** 17 },
    { level: 4, index: 0 },
  ]);
  assert.equal(edgeTileCoordinates(Number.MAX_SAFE_INTEGER)[0]?.index, 2 ** 45 - 1);

  const [left, right] = [hashOf('left'), hashOf('right')];
  const edge = logEdgeFromTiles(2 ** 33, [{ level: 4, index: 0, hashes: concatBytes(left, right) }]);
  const peak = hashNode(left, right);
  assert.deepEqual(logRootOfEdge(edge), peak);

  const leaves = testLeaves(TILE_WIDTH + 1);
  const grown = appendToLog(edge, leaves);
  assert.equal(grown.edge.size, 2 ** 33 + TILE_WIDTH + 1);
  assert.deepEqual(
    grown.tiles.map(({ level, index }) => [level, index]),
    [
      [0, 2 ** 25],
      [0, 2 ** 25 + 1],
      [1, 2 ** 17],
    ],
  );
  assert.deepEqual(logRootOfEdge(grown.edge), hashNode(peak, plainLogRoot(leaves)));
});
