import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { logPeaks, nodeAtIndex, nodeIndex, nodesOfPath, pathToRoot } from '../../src/merkle/log-node.ts';

test('§5.1 nodes are numbered in order', () => {
  const expected = [
    [0, 0, 0],
    [1, 1, 0],
    [2, 0, 1],
    [3, 2, 0],
    [4, 0, 2],
    [5, 1, 1],
    [6, 0, 3],
    [7, 3, 0],
    [11, 2, 1],
    [13, 1, 3],
    [14, 0, 7],
  ];
  for (const [index = 0, height = 0, position = 0] of expected) {
    assert.deepEqual(nodeAtIndex(index), { height, position });
    assert.equal(nodeIndex({ height, position }), index);
  }
});

test('§5.1 numbers and coordinates are inverse up to 2^53', () => {
  fc.assert(
    fc.property(fc.nat({ max: Number.MAX_SAFE_INTEGER }), (index) => {
      assert.equal(nodeIndex(nodeAtIndex(index)), index);
    }),
  );
  assert.equal(nodeIndex({ height: 0, position: 2 ** 32 + 5 }), 2 ** 33 + 10);
  assert.equal(nodeIndex({ height: 33, position: 1 }), 3 * 2 ** 33 - 1);
  assert.deepEqual(nodeAtIndex(3 * 2 ** 33 - 1), { height: 33, position: 1 });
});

test('§5.1 a size has one peak for each set bit, tallest first, side by side', () => {
  assert.deepEqual(logPeaks(0), []);
  assert.deepEqual(logPeaks(2 ** 33 + 2), [
    { height: 33, position: 0 },
    { height: 1, position: 2 ** 32 },
  ]);
  fc.assert(
    fc.property(fc.nat({ max: Number.MAX_SAFE_INTEGER }), (size) => {
      const peaks = logPeaks(size);
      assert.equal(peaks.length, size.toString(2).replaceAll('0', '').length);
      let covered = 0;
      for (const { height, position } of peaks) {
        assert.equal(position * 2 ** height, covered);
        covered += 2 ** height;
      }
      assert.equal(covered, size);
    }),
  );
});

test('§5.2 the nodes of a path cover every leaf but those under the node, once each', () => {
  for (let size = 1; size <= 40; size++) {
    for (let index = 0; nodeAtIndex(index).position < size && index < 2 * size - 1; index++) {
      const node = nodeAtIndex(index);
      const path = pathToRoot(node, size);
      const covered: number[] = [];
      for (const { height, position } of path === null ? [] : [node, ...nodesOfPath(path)]) {
        for (let leaf = position * 2 ** height; leaf < (position + 1) * 2 ** height; leaf++) covered.push(leaf);
      }
      const whole = (node.position + 1) * 2 ** node.height <= size;
      assert.equal(path === null, !whole);
      assert.deepEqual(
        covered.toSorted((a, b) => a - b),
        Array.from({ length: whole ? size : 0 }, (_, i) => i),
      );
    }
  }
});

test('§5.2 a path above 2^32 leaves', () => {
  const path = pathToRoot({ height: 0, position: 2 ** 33 + 1 }, 2 ** 33 + 3);
  assert.ok(path !== null);
  assert.deepEqual(nodesOfPath(path), [
    { height: 0, position: 2 ** 33 },
    { height: 33, position: 0 },
    { height: 0, position: 2 ** 33 + 2 },
  ]);
  assert.equal(pathToRoot({ height: 0, position: 2 ** 33 + 3 }, 2 ** 33 + 3), null);
  assert.equal(pathToRoot({ height: 34, position: 0 }, 2 ** 33 + 3), null);
});
