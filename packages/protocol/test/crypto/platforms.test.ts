import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { utf8 } from '../../src/bytes/byte-array.ts';
import { platform as node } from '../../src/crypto/platform-node.ts';
import { platform as web } from '../../src/crypto/platform-web.ts';

const SCALAR = Uint8Array.from({ length: 32 }, (_, i) => i + 1);
const MESSAGE = utf8('the same bytes on every platform');

test('both platforms hash alike, whole and in chunks', () => {
  for (const length of [0, 1, 55, 56, 64, 65, 1_000]) {
    const message = Uint8Array.from(randomBytes(length));
    const hashes = [web, node].map((platform) => {
      const target = new Uint8Array(40);
      platform.sha256Into(message, target, 3);
      return target;
    });
    assert.deepEqual(hashes[0], hashes[1]);
    for (const platform of [web, node]) {
      const hash = platform.sha256Stream();
      hash.update(message.subarray(0, length / 2));
      hash.update(message.subarray(length / 2));
      assert.deepEqual(Uint8Array.from(hash.digest()), hashes[0]?.subarray(3, 35));
    }
  }
});

test('both platforms know the same points', () => {
  const point = node.p256PublicPoint(SCALAR);
  assert.deepEqual(web.p256PublicPoint(SCALAR), point);
  for (const tag of [0x02, 0x03]) {
    const compressed = Uint8Array.of(tag, ...point.subarray(1, 33));
    assert.deepEqual(web.p256Uncompress(compressed), node.p256Uncompress(compressed));
  }
  const wrong = Uint8Array.from(point);
  wrong[64] = (wrong[64] ?? 0) ^ 1;
  for (const bad of [wrong, Uint8Array.of(2, ...new Uint8Array(32).fill(0xff))]) {
    assert.equal(web.p256Uncompress(bad), null);
    assert.equal(node.p256Uncompress(bad), null);
  }
});

test('what one platform signs the other verifies, with high s too (warg.md trap 8)', async () => {
  const point = node.p256PublicPoint(SCALAR);
  let high = 0;
  for (let i = 0; i < 16; i++) {
    const message = Uint8Array.of(...MESSAGE, i);
    for (const signer of [node, web]) {
      const signature = await signer.p256Sign(SCALAR, message);
      if ((signature[32] ?? 0) >= 0x80) high++;
      for (const verifier of [node, web]) {
        assert.ok(await verifier.p256Verify(point, message, signature));
        assert.ok(!(await verifier.p256Verify(point, MESSAGE, signature)));
      }
    }
  }
  assert.ok(high > 0, 'no signature had a high s');
});
