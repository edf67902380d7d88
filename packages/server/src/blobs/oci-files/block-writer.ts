import type { Hash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { FILE_MODE } from '../durable-files.ts';
import { withFileFailures } from '../file-failure.ts';

/** As a socket gives them, chunks are small: each write of one costs as much as one of these. */
const BLOCK_BYTES = 512 * 1024;
/** Of all uploads together. */
const BLOCKS_MAX = 32;
/** Free ones that are kept. */
const FREE_MAX = 16;

const free: Uint8Array[] = [];
let lent = 0;

function takeBlock(): Uint8Array | null {
  if (lent === BLOCKS_MAX) return null;
  lent++;
  return free.pop() ?? new Uint8Array(BLOCK_BYTES);
}

function giveBlock(block: Uint8Array): void {
  lent--;
  if (free.length < FREE_MAX) free.push(block);
}

/**
 * Hashes chunks and writes them in blocks; while one block is written the next one fills. Where too many uploads have blocks
 * already, each chunk is written by itself.
 */
export class BlockWriter {
  readonly #handle: FileHandle;
  readonly #file: string;
  readonly #hash: Hash;
  readonly #blocks: Uint8Array[] = [];
  /** Bytes of the first block that are not written. */
  #filled = 0;
  #position: number;
  #writing: Promise<void> = Promise.resolve();

  constructor(parts: {
    readonly handle: FileHandle;
    readonly file: string;
    readonly position: number;
    readonly hash: Hash;
  }) {
    this.#handle = parts.handle;
    this.#file = parts.file;
    this.#hash = parts.hash;
    this.#position = parts.position;
  }

  /** Of the file, with what is not written yet. */
  get length(): number {
    return this.#position + this.#filled;
  }

  /** The chunk is its sender's again when this resolves. */
  async add(chunk: Uint8Array): Promise<void> {
    const block = this.#block();
    if (block === null) {
      await this.#write(chunk);
      return this.#writing;
    }
    for (let done = 0; done < chunk.length;) {
      const [target = block] = this.#blocks;
      const count = Math.min(chunk.length - done, target.length - this.#filled);
      target.set(chunk.subarray(done, done + count), this.#filled);
      this.#filled += count;
      done += count;
      if (this.#filled === target.length) await this.#flush();
    }
  }

  /** Everything is written when this resolves; the hash has what was written. */
  async end(): Promise<void> {
    try {
      await this.#flush();
      await this.#writing;
    } finally {
      // Until then the system may read one of them.
      await this.#writing.catch(() => undefined);
      for (const block of this.#blocks.splice(0)) giveBlock(block);
    }
  }

  #block(): Uint8Array | null {
    const [first] = this.#blocks;
    if (first !== undefined) return first;
    const [one, other] = [takeBlock(), takeBlock()];
    if (one !== null && other !== null) {
      this.#blocks.push(one, other);
      return one;
    }
    if (one !== null) giveBlock(one);
    return null;
  }

  async #flush(): Promise<void> {
    const [block, other] = this.#blocks;
    if (this.#filled === 0 || block === undefined || other === undefined) return;
    const filled = block.subarray(0, this.#filled);
    this.#filled = 0;
    await this.#write(filled);
    this.#blocks.splice(0, 2, other, block);
  }

  /** Resolves when the one before is written, and this one is on its way. */
  async #write(bytes: Uint8Array): Promise<void> {
    await this.#writing;
    const position = this.#position;
    this.#position += bytes.length;
    this.#writing = writeAt(this.#handle, { file: this.#file, chunk: bytes, position });
    // Told when it is waited for.
    this.#writing.catch(() => undefined);
    this.#hash.update(bytes);
  }
}

/** All of a chunk. Throws `storage/full`, `storage/failed`. */
export async function writeAt(
  handle: FileHandle,
  { file, chunk, position }: { readonly file: string; readonly chunk: Uint8Array; readonly position: number },
): Promise<void> {
  const write = async (): Promise<void> => {
    for (let done = 0; done < chunk.length;) {
      done += (await handle.write(chunk, done, chunk.length - done, position + done)).bytesWritten;
    }
  };
  await withFileFailures(file, write, 'storage/failed');
}

/** A file that must not be there yet. Throws `storage/full`, `storage/failed`. */
export async function writeNew(file: string, bytes: Uint8Array): Promise<void> {
  const handle = await withFileFailures(file, () => open(file, 'wx', FILE_MODE), 'storage/failed');
  try {
    await writeAt(handle, { file, chunk: bytes, position: 0 });
  } finally {
    await handle.close();
  }
}
