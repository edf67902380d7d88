import { setImmediate as nextTurn } from 'node:timers/promises';
import { RegistryError, type Digest } from '@waybill/protocol';
import { algorithmOf, ociDigestOf, parseOciDigest, type OciDigest } from '@waybill/protocol/oci';
import type { BlobRows, BlobStore } from '../../core/oci-ports.ts';
import type { ByteRange } from '../../core/ports.ts';
import type { OciBlobFiles, SharedContentStore } from './oci-blob-files.ts';

/** Of fewer bytes are most configurations and many components: SQLite reads and writes such rows faster than files. */
export const SMALL_BLOB_BYTES_MAX = 64 * 1024;
/** Rows listed at once. */
const ROWS_PAGE = 256;
/** Rows looked for in one turn of the event loop, which is some milliseconds. */
const LOOKS_A_TURN = 256;

/**
 * Blobs of every size: a small one is a row, which costs a push a tenth of what a file and its name do, and a large one is a
 * file. One of few bytes may be both: then the row counts, and both go together.
 */
export class OciBlobs implements BlobStore {
  readonly #rows: BlobRows;
  readonly #files: OciBlobFiles;
  readonly #content: SharedContentStore;

  constructor(rows: BlobRows, files: OciBlobFiles, content: SharedContentStore) {
    this.#rows = rows;
    this.#files = files;
    this.#content = content;
  }

  async size(digest: OciDigest): Promise<number | null> {
    return (await this.#rows.find(digest))?.size ?? this.#files.size(digest);
  }

  async keptAtMs(digest: OciDigest): Promise<number | null> {
    const [row, file] = [await this.#rows.find(digest), await this.#files.keptAtMs(digest)];
    return row === null ? file : Math.max(row.keptAtMs, file ?? 0);
  }

  async *read(digest: OciDigest, range: ByteRange): AsyncGenerator<Uint8Array, void, undefined> {
    const bytes = await this.#rows.read(digest);
    if (bytes === null) return yield* this.#files.read(digest, range);
    if (range.end > bytes.length) throw new RegistryError('storage/damaged', `${digest} ends before ${range.end}`);
    if (range.end > range.start) yield bytes.subarray(range.start, range.end);
  }

  /** A whole file becomes the blob: see {@link OciBlobFiles.take}. */
  async take(temporary: string, digest: OciDigest): Promise<void> {
    await this.#files.take(temporary, digest);
    await this.#wholeRow(digest);
  }

  /** Bytes that are in memory become the blob, fewer than {@link SMALL_BLOB_BYTES_MAX}. */
  keep(digest: OciDigest, bytes: Uint8Array): Promise<void> {
    return this.#rows.put(digest, bytes, Date.now());
  }

  async makeDurable(digests: readonly OciDigest[]): Promise<void> {
    const large: OciDigest[] = [];
    for (const [i, digest] of digests.entries()) {
      if (i % LOOKS_A_TURN === LOOKS_A_TURN - 1) await nextTurn();
      if ((await this.#rows.find(digest)) === null) large.push(digest);
    }
    if (large.length > 0) await this.#files.makeDurable(large);
  }

  /** Files first: to take one away makes room on a full disk, where to take a row away needs some. */
  async *list(): AsyncGenerator<OciDigest, void, undefined> {
    yield* this.#files.list();
    for (let after: OciDigest | null = null; ;) {
      const page: readonly OciDigest[] = await this.#rows.list(after, ROWS_PAGE);
      yield* page;
      after = page.at(-1) ?? null;
      if (after === null) return;
    }
  }

  /** The file first: see {@link list}. */
  async delete(digest: OciDigest): Promise<void> {
    await this.#files.delete(digest);
    if ((await this.#rows.find(digest)) !== null) await this.#rows.delete(digest);
  }

  async adoptContent(digest: Digest): Promise<void> {
    await this.#files.adoptContent(digest);
    await this.#wholeRow(parseOciDigest(digest));
  }

  async giveToContent(digest: Digest): Promise<void> {
    const bytes = await this.#wholeRow(parseOciDigest(digest));
    if (bytes === null) return this.#files.giveToContent(digest);
    if ((await this.#content.size(digest)) === bytes.length) return;
    await this.#content.keepBytes(digest, bytes);
  }

  /** One whose bytes are not its digest's goes: it would count before a file that is right, and before content that is. */
  async #wholeRow(digest: OciDigest): Promise<Uint8Array | null> {
    const bytes = await this.#rows.read(digest);
    if (bytes === null || ociDigestOf(algorithmOf(digest), bytes) === digest) return bytes;
    // Whoever has just seen a row takes the blob for durable.
    if ((await this.#files.size(digest)) !== null) await this.#files.makeDurable([digest]);
    await this.#rows.delete(digest);
    return null;
  }
}
