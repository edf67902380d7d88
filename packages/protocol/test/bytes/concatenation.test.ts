import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concatBytes, utf8 } from '../../src/bytes/byte-array.ts';
import { encodeHex } from '../../src/bytes/hex.ts';
import { prefixedString } from '../../src/bytes/prefix-encoding.ts';
import { encodeUleb128 } from '../../src/bytes/uleb128.ts';
import { parseDigest } from '../../src/names/digest.ts';
import { parseLogId, parseRecordId } from '../../src/names/log-id.ts';
import { encodeCheckpoint, encodeTimestampedCheckpoint } from '../../src/wire/checkpoint.ts';
import { encodeLogLeaf, encodeMapLeaf } from '../../src/wire/log-leaf.ts';

/* Two statements must not have the same bytes: each is searched for among all that small alphabets of field values make. */

const NUMBERS = [0, 1, 0x7f, 0x80, 0x81, 0xff, 0x3fff, 0x4000, 2 ** 31, 2 ** 32];
const DIGESTS = ['00', '01', '47', 'ff'].map((byte) => parseDigest(`sha256:${byte.repeat(32)}`));
/** Lengths, contents that read like lengths, and the signs that end fields elsewhere. */
const TEXTS = ['', '\0', '\u0001', '\u0001a', 'a', 'aa', ':', '\n', 'WARG', '\u0002a', 'a'.repeat(0x80)];

class Statements {
  readonly #byBytes = new Map<string, string>();

  add(bytes: Uint8Array, ...statement: readonly unknown[]): void {
    const text = JSON.stringify(statement);
    const other = this.#byBytes.get(encodeHex(bytes));
    assert.equal(other, undefined, `${text} has the bytes of ${other}`);
    this.#byBytes.set(encodeHex(bytes), text);
  }

  get count(): number {
    return this.#byBytes.size;
  }

  /** What can be told apart only by its end can be made longer. */
  requirePrefixFree(): void {
    const sorted = [...this.#byBytes.keys()].toSorted();
    for (const [i, bytes] of sorted.entries()) {
      assert.ok(!sorted[i + 1]?.startsWith(bytes), `${this.#byBytes.get(bytes)} is the beginning of another`);
    }
  }
}

test('C11: no two leaves or checkpoints have the same bytes, and none is the beginning of another', () => {
  const found = new Statements();
  for (const logRoot of DIGESTS) {
    found.add(encodeMapLeaf(parseRecordId(logRoot)), 'map leaf', logRoot);
    for (const mapRoot of DIGESTS) {
      const leaf = { logId: parseLogId(logRoot), recordId: parseRecordId(mapRoot) };
      found.add(encodeLogLeaf(leaf), 'log leaf', leaf);
      for (const logLength of NUMBERS) {
        const checkpoint = { logLength, logRoot, mapRoot };
        found.add(encodeCheckpoint(checkpoint), 'checkpoint', checkpoint);
        for (const timestamp of NUMBERS) {
          found.add(encodeTimestampedCheckpoint({ ...checkpoint, timestamp }), 'timestamped', checkpoint, timestamp);
        }
      }
    }
  }
  assert.equal(found.count, 4 + 16 + 160 + 1_600);
  found.requirePrefixFree();
});

test('C11: no two lists of up to three texts and a number have the same bytes', () => {
  const found = new Statements();
  for (const a of TEXTS) {
    for (const b of TEXTS) {
      for (const c of TEXTS) {
        for (const number of NUMBERS) {
          const fields = [prefixedString(a), encodeUleb128(number), prefixedString(b), prefixedString(c)];
          found.add(concatBytes(utf8('WARG-'), ...fields), a, number, b, c);
        }
      }
    }
  }
  found.requirePrefixFree();
});
