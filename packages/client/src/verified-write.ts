import { digestHex, encodeHex, sha256Stream, type Digest } from '@waybill/protocol';
import type { ContentWriter } from './ports.ts';

/** Bytes that are hashed and written in one go: in smaller pieces the way to the disk and back costs more than the bytes. */
export const BLOCK_BYTES = 1024 * 1024;

/** A piece of so many bytes is a block by itself, where nothing waits before it. */
const WHOLE_BYTES_MIN = 256 * 1024;

/** The same bytes in blocks. Pieces keep their bytes; a block does until the one after the next is asked for. */
export async function* joinedBlocks(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  let [block, other] = [new Uint8Array(BLOCK_BYTES), new Uint8Array(BLOCK_BYTES)];
  let filled = 0;
  for await (const piece of pieces) {
    if (filled === 0 && piece.length >= WHOLE_BYTES_MIN) {
      yield piece;
      continue;
    }
    for (let at = 0; at < piece.length;) {
      const taken = piece.subarray(at, at + BLOCK_BYTES - filled);
      block.set(taken, filled);
      at += taken.length;
      filled += taken.length;
      if (filled < BLOCK_BYTES) continue;
      yield block;
      [block, other] = [other, block];
      filled = 0;
    }
  }
  if (filled > 0) yield block.subarray(0, filled);
}

/**
 * Writes the blocks and keeps them if they are the content; else nothing is kept, and what `otherwise` gives for the digest
 * that was found is thrown. Each block is written while it is hashed and the next one comes.
 */
export async function writeVerified(
  blocks: AsyncIterable<Uint8Array>,
  writer: ContentWriter,
  { digest, otherwise }: { readonly digest: Digest; readonly otherwise: (found: string) => Error },
): Promise<void> {
  const hash = sha256Stream();
  let writing = Promise.resolve();
  try {
    for await (const block of blocks) {
      await writing;
      writing = writer.write(block);
      // Told where it is waited for, which may be later than it fails.
      writing.catch(() => undefined);
      hash.update(block);
    }
    await writing;
    const found = encodeHex(hash.digest());
    if (found !== digestHex(digest)) throw otherwise(`sha256:${found}`);
    await writer.keep();
  } catch (failure) {
    await writing.catch(() => undefined);
    // What went wrong first is what has to be told.
    await writer.discard().catch(() => undefined);
    throw failure;
  }
}
