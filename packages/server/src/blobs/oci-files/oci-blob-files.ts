import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { RegistryError, type Digest } from '@waybill/protocol';
import { parseOciDigest, type OciDigest } from '@waybill/protocol/oci';
import type { BlobStore, ContentLinks } from '../../core/oci-ports.ts';
import type { ByteRange, ContentStore } from '../../core/ports.ts';
import { FILE_MODE, FOLDER_MODE, linkUnlessRefused, openUnlessGone } from '../durable-files.ts';
import { hasSystemCode, withFileFailures } from '../file-failure.ts';
import { BlobDurability, unknownBlob } from './blob-durability.ts';
import { writeAt } from './block-writer.ts';
import { fileChunks } from './file-chunks.ts';
import { blobFileOf, findBlob, surveyOciFiles, uploadsFolder } from './oci-places.ts';

/** The log's content, with which blobs share files. */
export type SharedContentStore = ContentLinks & Pick<ContentStore, 'size' | 'read' | 'keepBytes'>;

/** Blobs as files named by digest. Paths come from parsed digests only, and a link in place of one is refused. */
export class OciBlobFiles implements BlobStore {
  readonly #root: string;
  readonly #content: SharedContentStore;
  readonly #durability: BlobDurability;

  constructor(root: string, content: SharedContentStore, durableFolders: readonly string[]) {
    this.#root = root;
    this.#content = content;
    this.#durability = new BlobDurability(root, durableFolders);
  }

  async size(digest: OciDigest): Promise<number | null> {
    return findBlob(this.#root, digest)?.size ?? null;
  }

  async keptAtMs(digest: OciDigest): Promise<number | null> {
    return findBlob(this.#root, digest)?.keptAtMs ?? null;
  }

  /** A power cut may have left other bytes under the name, of the same length even: those are nobody's. */
  async *read(digest: OciDigest, range: ByteRange): AsyncGenerator<Uint8Array, void, undefined> {
    if (!(await this.#durability.checkWhole(digest))) throw unknownBlob(digest);
    yield* readBlobFile(this.#root, digest, range);
  }

  async *list(): AsyncGenerator<OciDigest, void, undefined> {
    for await (const { digest } of surveyOciFiles(this.#root)) if (digest !== null) yield digest;
  }

  delete(digest: OciDigest): Promise<void> {
    return this.#durability.delete(digest);
  }

  /** A whole file becomes the blob, without waiting for the disk: a crash may take it, a power cut may take its bytes. */
  async take(temporary: string, digest: OciDigest): Promise<void> {
    const { folder, file } = blobFileOf(this.#root, digest);
    const giveName = (): Promise<void> =>
      withFileFailures(file, () => renameInto(folder, { from: temporary, to: file }), 'storage/failed');
    await this.#durability.replace(digest, temporary, giveName);
  }

  makeDurable(digests: readonly OciDigest[]): Promise<void> {
    return this.#durability.makeDurable(digests);
  }

  async adoptContent(digest: Digest): Promise<void> {
    const temporary = path.join(uploadsFolder(this.#root), `${randomUUID()}.adopted`);
    try {
      const plain = await this.#content.plainFile(digest);
      const isLinked =
        plain !== null && (await withFileFailures(plain, () => linkUnlessRefused(plain, temporary), 'storage/failed'));
      if (!isLinked) await this.#copyContent(digest, temporary);
      const blob = parseOciDigest(digest);
      await this.take(temporary, blob);
      // A file that came from a blob says so still, but of another name.
      const found = findBlob(this.#root, blob);
      if (found?.isDurable === true) await this.#durability.syncNames(found.folder);
    } finally {
      // Where both were names of one file already, the renaming did nothing.
      await rm(temporary, { force: true });
    }
  }

  async #copyContent(digest: Digest, temporary: string): Promise<void> {
    const size = await this.#content.size(digest);
    if (size === null) throw new RegistryError('content/not-found', `there is no content ${digest}`, { digest });
    const hash = createHash('sha256');
    const handle = await withFileFailures(temporary, () => open(temporary, 'wx', FILE_MODE), 'storage/failed');
    try {
      let position = 0;
      for await (const chunk of this.#content.read(digest, { start: 0, end: size })) {
        hash.update(chunk);
        await writeAt(handle, { file: temporary, chunk, position });
        position += chunk.length;
      }
    } finally {
      await handle.close();
    }
    if (`sha256:${hash.digest('hex')}` !== digest)
      throw new RegistryError('storage/damaged', `content ${digest} is damaged`);
  }

  async giveToContent(digest: Digest): Promise<void> {
    const blob = parseOciDigest(digest);
    await this.makeDurable([blob]);
    const found = findBlob(this.#root, blob);
    if (found === null) throw unknownBlob(blob);
    await this.#content.keepFile(digest, found.file);
  }
}

/** Throws `oci/blob-unknown`. */
export async function* readBlobFile(
  root: string,
  digest: OciDigest,
  range: ByteRange,
): AsyncGenerator<Uint8Array, void, undefined> {
  const found = findBlob(root, digest);
  const handle = found && (await openUnlessGone(found.file));
  if (found === null || handle === null) throw unknownBlob(digest);
  try {
    yield* fileChunks(handle, found.file, range);
  } finally {
    await handle.close();
  }
}

/** 256 folders for each algorithm: once they are there, nothing is asked before. */
async function renameInto(folder: string, { from, to }: { readonly from: string; readonly to: string }): Promise<void> {
  try {
    await rename(from, to);
  } catch (failure) {
    if (!hasSystemCode(failure, 'ENOENT')) throw failure;
    await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
    await rename(from, to);
  }
}
