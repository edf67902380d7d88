import { constants, fdatasyncSync, writeSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { digestOf, isRegistryError, messageOf, parseDigest, RegistryError, utf8, utf8Text } from '@waybill/protocol';
import { FILE_MODE, syncFolder } from './blobs/durable-files.ts';
import type { LastSigned, SignedMark } from './core/ports.ts';

/** Two slots, written in turn: one that was torn by a crash leaves the other. */
const SLOT_BYTES = 4_096;
const SLOTS = 2;

/**
 * What was last signed, in a file of its own: `file` belongs on another disk than the store and in no backup, so that it
 * is not set back together with the store. Throws `storage/failed`, `storage/damaged`.
 */
export async function openLastSignedFile(file: string): Promise<LastSigned & { close(): Promise<void> }> {
  return openSlots(file, 'refused');
}

async function openSlots(
  file: string,
  cutFile: 'refused' | 'replaced',
): Promise<LastSigned & { close(): Promise<void> }> {
  const handle = await prepareFile(file, cutFile);
  let next = 0;
  return {
    async read() {
      const slots = await readSlots(handle, file);
      const newest = newestOf(slots);
      if (newest === null && slots.includes('torn')) throw damaged(file);
      next = newest === null ? 0 : (slots.indexOf(newest) + 1) % SLOTS;
      return newest;
    },
    async write(mark) {
      await orFailed(file, async () => {
        // At once: the thread that signs has nothing else to do meanwhile.
        const slot = encodeSlot(mark);
        for (let done = 0; done < slot.length;)
          done += writeSync(handle.fd, slot, done, slot.length - done, next * SLOT_BYTES + done);
        fdatasyncSync(handle.fd);
      });
      next = (next + 1) % SLOTS;
    },
    close: () => handle.close(),
  };
}

/** What is in the file as it lies there; `null` when there is none. */
export interface LastSignedState {
  /** The newest mark that is whole. */
  readonly mark: SignedMark | null;
  /** Slots that hold something else than a mark: a crash can tear one, and so can damage. */
  readonly tornSlots: number;
}

/** Reads without making or changing anything. Throws `storage/failed`. */
export async function inspectLastSigned(file: string): Promise<LastSignedState | null> {
  return orFailed(file, async () => {
    const handle = await open(file, constants.O_RDONLY).catch((failure: unknown) => {
      if (failure instanceof Error && 'code' in failure && failure.code === 'ENOENT') return null;
      throw failure;
    });
    if (handle === null) return null;
    try {
      if ((await handle.stat()).size < SLOTS * SLOT_BYTES) return { mark: null, tornSlots: SLOTS };
      const slots = await readSlots(handle, file);
      return { mark: newestOf(slots), tornSlots: slots.filter((slot) => slot === 'torn').length };
    } finally {
      await handle.close();
    }
  });
}

/** Makes `mark` the only one in the file, whatever it held. Throws `storage/full`, `storage/failed`. */
export async function replaceLastSigned(file: string, mark: SignedMark): Promise<void> {
  const lastSigned = await openSlots(file, 'replaced');
  try {
    // Both slots: the newer of two marks would go on being believed.
    for (let slot = 0; slot < SLOTS; slot++) await lastSigned.write(mark);
  } finally {
    await lastSigned.close();
  }
}

/** Made in full size at once, so that no later write needs room. Throws `storage/damaged` for a file that was cut, if that is refused. */
async function prepareFile(file: string, cutFile: 'refused' | 'replaced'): Promise<FileHandle> {
  return orFailed(file, async () => {
    const handle = await open(file, constants.O_RDWR | constants.O_CREAT, FILE_MODE);
    const { size } = await handle.stat();
    if (size >= SLOTS * SLOT_BYTES) return handle;
    // A crash while it was made leaves spaces alone; anything else was a mark, and must not be written over.
    const found = new Uint8Array(size);
    const { bytesRead } = await handle.read(found, 0, size, 0);
    if (cutFile === 'refused' && found.subarray(0, bytesRead).some((byte) => byte !== SPACE)) {
      await handle.close();
      throw damaged(file);
    }
    await writeWhole(handle, new Uint8Array(SLOTS * SLOT_BYTES).fill(SPACE), 0);
    await handle.sync();
    await syncFolder(path.dirname(file));
    return handle;
  });
}

const SPACE = 0x20;

/** One line of text, filled up with spaces: `waybill-last-signed 1 LENGTH LOG_ROOT MAP_ROOT TIMESTAMP CHECKSUM`. */
function encodeSlot({ logLength, logRoot, mapRoot, timestamp }: SignedMark): Uint8Array {
  const line = `waybill-last-signed 1 ${logLength} ${logRoot} ${mapRoot} ${timestamp}`;
  return utf8(`${line} ${digestOf(utf8(line))}`.padEnd(SLOT_BYTES - 1) + '\n');
}

const SLOT = /^(waybill-last-signed 1 ([0-9]{1,16}) (\S+) (\S+) ([0-9]{1,16})) (\S+) *\n$/;

type Slot = SignedMark | 'empty' | 'torn';

function decodeSlot(bytes: Uint8Array): Slot {
  if (bytes.every((byte) => byte === SPACE)) return 'empty';
  const match = SLOT.exec(utf8Text(bytes) ?? '');
  const [, line = '', length, logRoot = '', mapRoot = '', timestamp, checksum] = match ?? [];
  if (digestOf(utf8(line)) !== checksum) return 'torn';
  const roots = { logRoot: parseDigest(logRoot), mapRoot: parseDigest(mapRoot) };
  return { logLength: Number(length), ...roots, timestamp: Number(timestamp) };
}

async function readSlots(handle: FileHandle, file: string): Promise<Slot[]> {
  const bytes = new Uint8Array(SLOTS * SLOT_BYTES);
  const { bytesRead } = await orFailed(file, () => handle.read(bytes, 0, bytes.length, 0));
  if (bytesRead < bytes.length) throw damaged(file);
  return [0, 1].map((slot) => decodeSlot(bytes.subarray(slot * SLOT_BYTES, (slot + 1) * SLOT_BYTES)));
}

function newestOf(slots: readonly Slot[]): SignedMark | null {
  const marks = slots.filter((slot) => slot !== 'empty' && slot !== 'torn');
  return marks.toSorted((a, b) => a.logLength - b.logLength || a.timestamp - b.timestamp).at(-1) ?? null;
}

async function writeWhole(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}

async function orFailed<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (isRegistryError(cause)) throw cause;
    throw new RegistryError('storage/failed', `${file}: ${messageOf(cause)}`, {}, { cause });
  }
}

function damaged(file: string): RegistryError {
  const message = `${file} is damaged, so it is not known what was last signed: see "waybill operator adopt --help"`;
  return new RegistryError('storage/damaged', message);
}
