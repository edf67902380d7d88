import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '@waybill/protocol';
import type { ContentWriter } from '../src/ports.ts';
import { BLOCK_BYTES, joinedBlocks, writeVerified } from '../src/verified-write.ts';

const BYTES = Uint8Array.from({ length: 3 * BLOCK_BYTES + 5 }, (_, i) => (i * 7) % 251);
const otherwise = (found: string): Error => new Error(`found ${found}`);

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

function memoryWriter(write: (chunk: Uint8Array) => Promise<void> = async () => undefined) {
  const written: Uint8Array[] = [];
  const ends: string[] = [];
  const writer: ContentWriter = {
    async write(chunk) {
      // Late, as a disk is: the block has to be the same until then.
      await new Promise((resolve) => void setTimeout(resolve, 2));
      await write(chunk);
      written.push(chunk.slice());
    },
    keep: async () => void ends.push('kept'),
    discard: async () => void ends.push('discarded'),
  };
  return { written, ends, writer };
}

test('what is written is what was hashed, whatever the size of the pieces', async () => {
  for (const size of [1_000, 65_536, BLOCK_BYTES, BLOCK_BYTES + 1, BYTES.length]) {
    const { written, ends, writer } = memoryWriter();
    await writeVerified(joinedBlocks(inPieces(BYTES, size)), writer, { digest: digestOf(BYTES), otherwise });
    assert.deepEqual(Buffer.compare(Buffer.concat(written), BYTES), 0);
    if (size < BLOCK_BYTES / 4) {
      assert.deepEqual(
        written.map(({ length }) => length),
        [BLOCK_BYTES, BLOCK_BYTES, BLOCK_BYTES, 5],
      );
    }
    assert.deepEqual(ends, ['kept']);
  }
});

test('T2: other bytes are discarded and told; so is what breaks off, and a disk that is full', async () => {
  const wanted = { digest: digestOf(BYTES), otherwise };
  const bent = BYTES.slice();
  bent[BLOCK_BYTES] = (bent[BLOCK_BYTES] ?? 0) ^ 1;
  const first = memoryWriter();
  await assert.rejects(writeVerified(joinedBlocks(inPieces(bent, 1_000)), first.writer, wanted), /found sha256:/);
  assert.deepEqual(first.ends, ['discarded']);

  const second = memoryWriter();
  const breaking = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    yield* inPieces(BYTES.subarray(0, 2 * BLOCK_BYTES), 1_000);
    throw new Error('broke off');
  };
  await assert.rejects(writeVerified(joinedBlocks(breaking()), second.writer, wanted), /broke off/);
  assert.deepEqual(second.ends, ['discarded']);

  const third = memoryWriter(() => Promise.reject(new Error('full')));
  await assert.rejects(writeVerified(joinedBlocks(inPieces(BYTES, 1_000)), third.writer, wanted), /full/);
  assert.deepEqual(third.ends, ['discarded']);
});
