import type { FileHandle } from 'node:fs/promises';
import { RegistryError } from '@waybill/protocol';
import type { ByteRange } from '../../core/ports.ts';
import { withFileFailures } from '../file-failure.ts';

const CHUNK_BYTES = 512 * 1024;
/** Of readers beyond {@link LARGE_MAX} buffers, so that many slow ones do not take the memory. */
const SMALL_CHUNK_BYTES = 64 * 1024;
const LARGE_MAX = 64;
/** Free ones that are kept: what more readers at once had is given back. */
const FREE_MAX = 16;

/** A gigabyte that is read leaves no garbage of its own size. */
const free: Uint8Array[] = [];
let lent = 0;

/** No `Buffer`, whose `slice` would copy nothing. */
function takeBuffer(length: number): Uint8Array {
  if (length <= SMALL_CHUNK_BYTES || lent >= LARGE_MAX) return new Uint8Array(Math.min(length, SMALL_CHUNK_BYTES));
  lent++;
  return free.pop() ?? new Uint8Array(CHUNK_BYTES);
}

function giveBuffer(buffer: Uint8Array): void {
  if (buffer.length !== CHUNK_BYTES) return;
  lent--;
  if (free.length < FREE_MAX) free.push(buffer);
}

/**
 * A range of a file; while a chunk is with its reader, the next one is on its way. A chunk is its reader's until the next one
 * is asked for. Throws `storage/damaged` for a file that ends before.
 */
export async function* fileChunks(
  handle: FileHandle,
  file: string,
  { start, end }: ByteRange,
): AsyncGenerator<Uint8Array, void, undefined> {
  let current = takeBuffer(end - start);
  // What fits into one needs no other.
  let other = takeBuffer(Math.max(0, end - start - current.length));
  const begin = (buffer: Uint8Array, position: number): Promise<number> => {
    const reading = readInto(handle, file, { buffer, position, end });
    // Told when it is waited for, which a reader that stops never does.
    reading.catch(() => undefined);
    return reading;
  };
  let position = start;
  let reading = position < end ? begin(current, position) : Promise.resolve(0);
  try {
    while (position < end) {
      const bytesRead = await reading;
      if (bytesRead === 0) throw new RegistryError('storage/damaged', `${file} ends at ${position}, before ${end}`);
      position += bytesRead;
      if (position < end) reading = begin(other, position);
      yield current.subarray(0, bytesRead);
      [current, other] = [other, current];
    }
  } finally {
    // Until then the system may write to one of them.
    await reading.catch(() => undefined);
    giveBuffer(current);
    giveBuffer(other);
  }
}

async function readInto(
  handle: FileHandle,
  file: string,
  { buffer, position, end }: { readonly buffer: Uint8Array; readonly position: number; readonly end: number },
): Promise<number> {
  const length = Math.min(buffer.length, end - position);
  return (await withFileFailures(file, () => handle.read(buffer, 0, length, position))).bytesRead;
}
