import { RegistryError, type Digest } from '@waybill/protocol';
import { TREE_BYTES_MAX, TREE_COMPONENT_PATH, TREE_FILES_MAX, type TreeFile } from '@waybill/protocol/content';
import type { NamedContent } from './named-content.ts';

interface WantedFile {
  readonly named: NamedContent[];
  /** How often the trees name it: as many copies a client writes. */
  count: number;
  /** `null` until it is here. */
  bytes: number | null;
}

/** The files that the trees of one record name, and how large they are together (spec/content.md 4.6). */
export class TreeFiles {
  readonly #indexes = new Set<Digest>();
  readonly #files = new Map<Digest, WantedFile>();
  #names = 0;
  #bytes = 0;

  /** True for an index that was added. */
  has(index: Digest): boolean {
    return this.#indexes.has(index);
  }

  get digests(): Iterable<Digest> {
    return this.#files.keys();
  }

  /** Reading an index again changes nothing. Throws `content/tree` when the trees of the record name too many files. */
  add(index: Digest, files: readonly TreeFile[]): void {
    if (this.#indexes.has(index)) return;
    if (this.#names + files.length > TREE_FILES_MAX) {
      throw new RegistryError('content/tree', `the trees of one record name more than ${TREE_FILES_MAX} files`);
    }
    this.#indexes.add(index);
    this.#names += files.length;
    for (const { path, digest } of files) {
      const file = this.#files.get(digest) ?? { named: [], count: 0, bytes: null };
      this.#files.set(digest, file);
      file.count++;
      const kind = path === TREE_COMPONENT_PATH ? 'component' : 'other';
      // One row for each kind: what asks the same of the bytes need not be asked twice.
      if (file.named.some((one) => one.kind === kind)) continue;
      file.named.push({ digest, by: 'tree', claim: null, kind, version: null, at: `${path} of tree ${index}` });
    }
  }

  /** What the trees say of a content; nothing where they do not name it. */
  named(digest: Digest): readonly NamedContent[] {
    return this.#files.get(digest)?.named ?? [];
  }

  /** A file is here. Throws `content/tree` when the files are too large together. */
  measure(digest: Digest, bytes: number): void {
    const file = this.#files.get(digest);
    if (file === undefined || file.bytes !== null) return;
    file.bytes = bytes;
    this.#bytes += bytes * file.count;
    if (this.#bytes <= TREE_BYTES_MAX) return;
    throw new RegistryError('content/tree', `the files of a tree are over ${TREE_BYTES_MAX} bytes together`);
  }
}
