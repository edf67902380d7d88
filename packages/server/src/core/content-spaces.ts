import {
  decodeSignedRecord,
  digestBytes,
  isRegistryError,
  namespaceOf,
  PACKAGE_LOG,
  RegistryError,
  type Digest,
  type LogId,
  type PackageName,
} from '@waybill/protocol';
import type { Access } from './access.ts';
import { CONTENT_SPACES_MAX, HOLDINGS_STEP, OTHER_NAMES_MAX, REPLAY_PAGE_RECORDS } from './limits.ts';
import { namedContents } from './named-content.ts';
import type { ContentStore, HoldingPlace, RegistryReader, StoredRecord } from './ports.ts';
import { PUBLIC_SPACE, type PrivateNamespaces } from './private-namespaces.ts';
import { findTreeIndex } from './tree-index-reading.ts';

export interface ContentSpacesParts {
  readonly store: Pick<RegistryReader, 'readHoldings' | 'readHoldingsGap' | 'readRecords' | 'readNames'>;
  readonly content: Pick<ContentStore, 'size' | 'read'>;
  readonly privates: PrivateNamespaces;
  /** Of the registry log, as it is served. */
  readonly logLength: () => number;
}

/** Who may have a content: everybody, those who may read a private namespace, or not whoever asks. */
export type ContentShown = 'to all' | 'to some' | 'no';

/** What is known of the releases that hold a content, up to a place. */
interface Seen {
  readonly spaces: number;
  readonly after: HoldingPlace | null;
}

/**
 * In which spaces content is named: content that only private packages name is theirs, and what a public one names, too, is
 * everybody's. What nothing is known to name is nobody's. Releases are found by their digest. What is named otherwise, by an
 * annotation or in a tree, is found by going through the records, once each, and remembered.
 */
export class ContentSpaces {
  readonly #parts: ContentSpacesParts;
  /** Newest use last. The log forgets nothing, so what was seen once holds for ever. */
  readonly #seen = new Map<Digest, Seen>();
  /** Digests as bytes in a text → the spaces that name them otherwise than by a release. */
  readonly #others = new Map<string, number>();
  #scanned = 0;
  #work: Promise<unknown> = Promise.resolve();

  constructor(parts: ContentSpacesParts) {
    this.#parts = parts;
  }

  /** True where no look is needed: everything is public. */
  get areAllPublic(): boolean {
    return this.#parts.privates.areNone;
  }

  /** Throws `storage/busy` while the releases of an older build are gone through, of what is not known to be public. */
  async shown(access: Access, digest: Digest): Promise<ContentShown> {
    if (this.areAllPublic || (await this.#isNamedIn(PUBLIC_SPACE, digest))) return 'to all';
    const spaces = this.#parts.privates.spacesOf(access);
    return spaces !== PUBLIC_SPACE && (await this.#isNamedIn(spaces, digest)) ? 'to some' : 'no';
  }

  /**
   * Whether content that is here is as good as brought by whoever publishes in the package: that it names a digest shows
   * nobody that it has the bytes (SECURITY.md O4). What is not known yet is not: it is to be brought again.
   */
  async isOpenTo(name: PackageName, digest: Digest): Promise<boolean> {
    if (this.areAllPublic) return true;
    const spaces = PUBLIC_SPACE | this.#parts.privates.spaceOf(namespaceOf(name));
    return (await this.#isReleasedIn(spaces, digest)) || this.#isOtherwiseIn(spaces, digest);
  }

  async #isNamedIn(spaces: number, digest: Digest): Promise<boolean> {
    if (await this.#isReleasedIn(spaces, digest)) return true;
    if ((await this.#parts.store.readHoldingsGap()) !== null) {
      throw new RegistryError('storage/busy', 'the releases are still being listed by their content: try again');
    }
    return this.#isOtherwiseIn(spaces, digest);
  }

  async #isOtherwiseIn(spaces: number, digest: Digest): Promise<boolean> {
    await this.#inTurn(() => this.#scan());
    return ((this.#others.get(keyOf(digest)) ?? 0) & spaces) !== 0;
  }

  /** Goes on where the last look ended, and ends with the first release in one of the spaces. */
  async #isReleasedIn(spaces: number, digest: Digest): Promise<boolean> {
    let seen = this.#seen.get(digest) ?? { spaces: 0, after: null };
    const belowIndex = this.#parts.logLength();
    while ((seen.spaces & spaces) === 0) {
      const page = { after: seen.after, belowIndex, limit: HOLDINGS_STEP };
      const found = await this.#parts.store.readHoldings(digest, page);
      for (const { registryIndex, entryIndex } of found) {
        const space = await this.#spaceAt(registryIndex);
        seen = { spaces: seen.spaces | space, after: { registryIndex, entryIndex } };
        if ((space & spaces) !== 0) break;
      }
      if (found.length < HOLDINGS_STEP) break;
    }
    if (seen.after !== null) this.#note(digest, seen);
    return (seen.spaces & spaces) !== 0;
  }

  #note(digest: Digest, seen: Seen): void {
    this.#seen.delete(digest);
    this.#seen.set(digest, seen);
    for (const oldest of this.#seen.keys()) {
      if (this.#seen.size <= CONTENT_SPACES_MAX) return;
      this.#seen.delete(oldest);
    }
  }

  /** None for a record that is damaged: it shows nothing to anybody. */
  async #spaceAt(registryIndex: number): Promise<number> {
    const [stored] = await this.#parts.store.readRecords(registryIndex, 1);
    if (stored?.registryIndex !== registryIndex) return 0;
    const name = (await this.#parts.store.readNames([stored.logId])).get(stored.logId);
    return name === undefined ? 0 : this.#parts.privates.spaceOf(namespaceOf(name));
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#work.then(work);
    this.#work = done.catch(() => undefined);
    return done;
  }

  async #scan(): Promise<void> {
    const end = this.#parts.logLength();
    while (this.#scanned < end) {
      const page = (await this.#parts.store.readRecords(this.#scanned, REPLAY_PAGE_RECORDS)).filter(
        ({ registryIndex }) => registryIndex < end,
      );
      if (page.length === 0) return;
      const names = await this.#parts.store.readNames([...new Set(page.map(({ logId }) => logId))]);
      for (const record of page) {
        await this.#scanRecord(record, names);
        this.#scanned = record.registryIndex + 1;
      }
    }
  }

  async #scanRecord(record: StoredRecord, names: ReadonlyMap<LogId, PackageName>): Promise<void> {
    const name = names.get(record.logId);
    if (name === undefined) return;
    const space = this.#parts.privates.spaceOf(namespaceOf(name));
    for (const { by, kind, digest } of namedBy(record)) {
      if (by !== 'release') this.#add(digest, space);
      if (kind !== 'tree') continue;
      for (const file of (await findTreeIndex(this.#parts.content, digest)) ?? []) this.#add(file.digest, space);
    }
  }

  /** What there is no room for is nobody's. */
  #add(digest: Digest, space: number): void {
    const key = keyOf(digest);
    const known = this.#others.get(key);
    if (known === undefined && this.#others.size >= OTHER_NAMES_MAX) return;
    this.#others.set(key, (known ?? 0) | space);
  }
}

/** Half as long as the digest's own text, of which there may be a million. */
function keyOf(digest: Digest): string {
  return Buffer.from(digestBytes(digest)).toString('latin1');
}

function namedBy({ envelope }: StoredRecord): ReturnType<typeof namedContents> {
  try {
    return namedContents(decodeSignedRecord(PACKAGE_LOG, envelope));
  } catch (failure) {
    if (isRegistryError(failure)) return [];
    throw failure;
  }
}
