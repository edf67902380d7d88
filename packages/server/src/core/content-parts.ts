import { digestHex, encodeHex, isRegistryError, RegistryError, sha256Stream, type Digest } from '@waybill/protocol';
import {
  ContentSplitter,
  decodePartsListUnverified,
  encodePartsList,
  partLengthsUnverified,
  type ContentPart,
  type PartRun,
} from '@waybill/protocol/content';
import {
  KEPT_LIST_CONTENT_BYTES_MIN,
  LISTS_RECENT_BYTES_MAX,
  LISTS_WAITING_MAX,
  PARTLESS_CONTENTS_MAX,
} from './limits.ts';
import type { ByteRange, ContentStore, PartsListStore } from './ports.ts';

type Content = Pick<ContentStore, 'size' | 'read' | 'readSlices'>;

interface PartsList {
  readonly bytes: Uint8Array;
  readonly lengths: Uint32Array;
}

/** The lists of the parts of content: made when first asked for, and kept beside it (spec/parts.md). */
export class ContentParts {
  readonly #content: Content;
  readonly #lists: PartsListStore;
  readonly #underWay = new Map<Digest, Promise<PartsList>>();
  /** Oldest first. Answers that are sent at one time have them in common. */
  readonly #recent = new Map<Digest, PartsList>();
  #recentBytes = 0;
  /** Content of too many parts: to find that out again would cost as much each time. */
  readonly #partless = new Set<Digest>();
  /** The end of the last one that is under way: one after another, for each takes the event loop's time. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(content: Content, lists: PartsListStore) {
    this.#content = content;
    this.#lists = lists;
  }

  /** Throws `content/not-found`, `content/parts`, `request/too-many`, `storage/damaged`. */
  async list(digest: Digest): Promise<readonly ContentPart[]> {
    return decodePartsListUnverified(await this.encodedList(digest));
  }

  /** As it is sent. Throws as {@link list}. */
  async encodedList(digest: Digest): Promise<Uint8Array> {
    return (await this.#listOf(digest)).bytes;
  }

  /** The bytes of the parts, one after another, and how many they are. Throws as {@link list}, and `request/invalid`. */
  async bytes(
    digest: Digest,
    runs: readonly PartRun[],
  ): Promise<{ readonly length: number; readonly chunks: AsyncIterable<Uint8Array> }> {
    const slices = slicesOf((await this.#listOf(digest)).lengths, runs);
    const length = slices.reduce((sum, { start, end }) => sum + end - start, 0);
    return { length, chunks: this.#content.readSlices(digest, slices) };
  }

  async #listOf(digest: Digest): Promise<PartsList> {
    const size = await this.#content.size(digest);
    if (size === null) throw new RegistryError('content/not-found', `there is no content ${digest}`, { digest });
    if (this.#partless.has(digest)) throw partless(digest);
    const recent = this.#recent.get(digest);
    if (recent !== undefined) return recent;
    const list = (await keptList(this.#lists, digest, size)) ?? (await this.#made(digest, size));
    this.#remember(digest, list);
    return list;
  }

  #remember(digest: Digest, list: PartsList): void {
    if (this.#recent.has(digest)) return;
    this.#recent.set(digest, list);
    this.#recentBytes += list.bytes.length;
    for (const [oldest, { bytes }] of this.#recent) {
      if (this.#recentBytes <= LISTS_RECENT_BYTES_MAX) return;
      this.#recent.delete(oldest);
      this.#recentBytes -= bytes.length;
    }
  }

  #made(digest: Digest, size: number): Promise<PartsList> {
    const underWay = this.#underWay.get(digest);
    if (underWay !== undefined) return underWay;
    if (this.#underWay.size >= LISTS_WAITING_MAX) {
      throw new RegistryError('request/too-many', 'too many lists of parts are being made: take the content whole');
    }
    const made = this.#last.then(() => this.#make(digest, size)).finally(() => this.#underWay.delete(digest));
    this.#underWay.set(digest, made);
    this.#last = made.catch(() => undefined);
    return made;
  }

  async #make(digest: Digest, size: number): Promise<PartsList> {
    const bytes = encodePartsList(await this.#split(digest, size));
    if (size >= KEPT_LIST_CONTENT_BYTES_MIN) await this.#keep(digest, bytes);
    return { bytes, lengths: partLengthsUnverified(bytes) };
  }

  async #split(digest: Digest, size: number): Promise<readonly ContentPart[]> {
    try {
      return await splitContent(this.#content, digest, size);
    } catch (failure) {
      if (!isRegistryError(failure, 'content/parts')) throw failure;
      this.#partless.add(digest);
      for (const oldest of this.#partless) {
        if (this.#partless.size <= PARTLESS_CONTENTS_MAX) break;
        this.#partless.delete(oldest);
      }
      throw partless(digest);
    }
  }

  /** A disk without room is no reason not to answer. */
  async #keep(digest: Digest, list: Uint8Array): Promise<void> {
    try {
      await this.#lists.keepList(digest, list);
    } catch (failure) {
      if (!isRegistryError(failure, 'storage/full', 'storage/busy')) throw failure;
    }
  }
}

function partless(digest: Digest): RegistryError {
  return new RegistryError('content/parts', `${digest} has too many parts to be listed: take the content whole`);
}

/** Throws `content/parts`, `storage/damaged` for bytes of another digest, and what reading throws. */
export async function splitContent(
  content: Pick<ContentStore, 'read'>,
  digest: Digest,
  size: number,
): Promise<readonly ContentPart[]> {
  const splitter = new ContentSplitter();
  const hash = sha256Stream();
  for await (const chunk of content.read(digest, { start: 0, end: size })) {
    hash.update(chunk);
    splitter.update(chunk);
  }
  // A list of damaged bytes would be served for ever, also when they are put right.
  if (encodeHex(hash.digest()) === digestHex(digest)) return splitter.finish();
  throw new RegistryError('storage/damaged', `the bytes of ${digest} have another digest`);
}

/** `null` for one that is missing, is none, or is of content of another size: it is made anew. */
async function keptList(lists: PartsListStore, digest: Digest, size: number): Promise<PartsList | null> {
  try {
    const bytes = await lists.readList(digest);
    if (bytes === null) return null;
    const lengths = partLengthsUnverified(bytes);
    return bytesIn(lengths) === size ? { bytes, lengths } : null;
  } catch (failure) {
    if (isRegistryError(failure, 'content/parts', 'storage/damaged')) return null;
    throw failure;
  }
}

function bytesIn(lengths: Uint32Array): number {
  return lengths.reduce((sum, length) => sum + length, 0);
}

/** Where the runs lie in the content. Throws `request/invalid`. */
function slicesOf(lengths: Uint32Array, runs: readonly PartRun[]): readonly ByteRange[] {
  let [index, start] = [0, 0];
  return runs.map(({ first, count }) => {
    if (first + count > lengths.length) {
      throw new RegistryError(
        'request/invalid',
        `the content has ${lengths.length} parts, and no part ${first + count - 1}`,
      );
    }
    start += bytesIn(lengths.subarray(index, first));
    const end = start + bytesIn(lengths.subarray(first, first + count));
    const slice = { start, end };
    [index, start] = [first + count, end];
    return slice;
  });
}
