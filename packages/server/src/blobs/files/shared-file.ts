import { type FileHandle } from 'node:fs/promises';
import {
  concatBytes,
  parseDigest,
  parseJson,
  RegistryError,
  utf8,
  type Digest,
  type JsonValue,
} from '@waybill/protocol';
import type { ByteRange, SharedSlice } from '../../core/ports.ts';

/*
 * Content that is stored as slices of other content: "wbs", version 1; the length of a JSON text, as u32 little-endian; the
 * text, which names the base and the slices; then the bytes that the base does not have.
 */
const MAGIC = 0x01_73_62_77;
const START_BYTES = 8;
/** Every look at the content reads it, and every reader keeps it. */
const HEADER_BYTES_MAX = 128 * 1024;

export interface SharedContent {
  readonly base: Digest;
  readonly size: number;
  readonly slices: readonly SharedSlice[];
  /** Where the last byte is that it has from the base: so many the base has at least. */
  readonly baseEnd: number;
  /** Where the bytes of its own start in the file. */
  readonly ownStart: number;
}

/** What is before the bytes of its own. */
export function encodeSharedHeader(base: Digest, slices: readonly SharedSlice[]): Uint8Array {
  const text = utf8(JSON.stringify({ base, slices: slices.map(({ baseStart, length }) => [baseStart, length]) }));
  const start = new Uint8Array(START_BYTES);
  const view = new DataView(start.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, text.length, true);
  return concatBytes(start, text);
}

/** Throws `storage/damaged`. */
export async function readSharedHeader(handle: Pick<FileHandle, 'read'>, file: string): Promise<SharedContent> {
  const start = await readExactly(handle, { file, at: 0, length: START_BYTES });
  const view = new DataView(start.buffer, start.byteOffset);
  const length = view.getUint32(4, true);
  if (view.getUint32(0, true) !== MAGIC || length > HEADER_BYTES_MAX)
    throw damaged(file, 'it does not start as it should');
  const text = await readExactly(handle, { file, at: START_BYTES, length });
  try {
    const header = parseJson(text);
    if (typeof header !== 'object' || header === null || Array.isArray(header))
      throw damaged(file, 'it names no slices');
    const base = parseDigest(typeof header['base'] === 'string' ? header['base'] : '');
    const slices = slicesOf(header['slices'], file);
    const size = slices.reduce((sum, slice) => sum + slice.length, 0);
    const ends = slices.map((slice) => (slice.baseStart === null ? 0 : slice.baseStart + slice.length));
    const baseEnd = ends.reduce((end, other) => Math.max(end, other), 0);
    return { base, size, slices, baseEnd, ownStart: START_BYTES + length };
  } catch (cause) {
    if (cause instanceof RegistryError && cause.code === 'storage/damaged') throw cause;
    throw damaged(file, 'its header makes no sense');
  }
}

function slicesOf(value: JsonValue | undefined, file: string): readonly SharedSlice[] {
  if (!Array.isArray(value)) throw damaged(file, 'it names no slices');
  return value.map((pair) => {
    const [baseStart, length] = Array.isArray(pair) && pair.length === 2 ? pair : [];
    if (!isOffset(length) || !(baseStart === null || isOffset(baseStart)))
      throw damaged(file, 'a slice makes no sense');
    return { baseStart, length };
  });
}

function isOffset(value: JsonValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** A stretch of one of the two files. */
export interface Stretch {
  readonly in: 'base' | 'own';
  readonly start: number;
  readonly end: number;
}

/** Where the bytes of ranges of the content are, which are in ascending order: the slices are gone over once. */
export function* stretchesOf(
  { slices, ownStart }: SharedContent,
  ranges: readonly ByteRange[],
): Generator<Stretch, void, undefined> {
  let next = 0;
  let [at, own] = [0, ownStart];
  for (const { baseStart, length } of slices) {
    const origin = baseStart ?? own;
    for (let range = ranges[next]; range !== undefined && range.start < at + length; range = ranges[next]) {
      const from = Math.max(range.start - at, 0);
      const to = Math.min(range.end - at, length);
      if (from < to) yield { in: baseStart === null ? 'own' : 'base', start: origin + from, end: origin + to };
      if (range.end > at + length) break;
      next++;
    }
    at += length;
    if (baseStart === null) own += length;
  }
}

async function readExactly(
  handle: Pick<FileHandle, 'read'>,
  { file, at, length }: { readonly file: string; readonly at: number; readonly length: number },
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length;) {
    const { bytesRead } = await handle.read(bytes, done, length - done, at + done);
    if (bytesRead === 0) throw damaged(file, 'it ends in its header');
    done += bytesRead;
  }
  return bytes;
}

function damaged(file: string, why: string): RegistryError {
  return new RegistryError('storage/damaged', `${file} is damaged: ${why}`);
}
