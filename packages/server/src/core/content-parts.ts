import { isRegistryError, RegistryError, type Digest } from '@waybill/protocol';
import {
  ContentSplitter,
  decodePartsListUnverified,
  encodePartsList,
  type ContentPart,
  type PartRun,
} from '@waybill/protocol/content';
import { KEPT_LIST_CONTENT_BYTES_MIN, LISTS_WAITING_MAX } from './limits.ts';
import type { ContentStore, PartsListStore } from './ports.ts';

type Content = Pick<ContentStore, 'size' | 'read'>;

/** Bytes of content. */
interface Slice {
  readonly start: number;
  readonly end: number;
}

/** The lists of the parts of content: made when first asked for, and kept beside it (spec/parts.md). */
export class ContentParts {
  readonly #content: Content;
  readonly #lists: PartsListStore;
  readonly #underWay = new Map<Digest, Promise<readonly ContentPart[]>>();
  /** The end of the last one that is under way: one after another, for each takes the event loop's time. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(content: Content, lists: PartsListStore) {
    this.#content = content;
    this.#lists = lists;
  }

  /** Throws `content/not-found`, `content/parts`, `request/too-many`. */
  async list(digest: Digest): Promise<readonly ContentPart[]> {
    const size = await this.#content.size(digest);
    if (size === null) throw new RegistryError('content/not-found', `there is no content ${digest}`, { digest });
    return (await keptList(this.#lists, digest, size)) ?? this.#made(digest, size);
  }

  /** The bytes of the parts, one after another, and how many they are. Throws as {@link list}, and `request/invalid`. */
  async bytes(
    digest: Digest,
    runs: readonly PartRun[],
  ): Promise<{ readonly length: number; readonly chunks: AsyncIterable<Uint8Array> }> {
    const slices = slicesOf(await this.list(digest), runs);
    const length = slices.reduce((sum, { start, end }) => sum + end - start, 0);
    return { length, chunks: readSlices(this.#content, digest, slices) };
  }

  #made(digest: Digest, size: number): Promise<readonly ContentPart[]> {
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

  async #make(digest: Digest, size: number): Promise<readonly ContentPart[]> {
    const parts = await splitContent(this.#content, digest, size);
    if (size >= KEPT_LIST_CONTENT_BYTES_MIN) await this.#keep(digest, parts);
    return parts;
  }

  /** A disk without room is no reason not to answer. */
  async #keep(digest: Digest, parts: readonly ContentPart[]): Promise<void> {
    try {
      await this.#lists.keepList(digest, encodePartsList(parts));
    } catch (failure) {
      if (!isRegistryError(failure, 'storage/full', 'storage/busy')) throw failure;
    }
  }
}

/** Throws `content/parts`, and what reading throws. */
export async function splitContent(
  content: Pick<ContentStore, 'read'>,
  digest: Digest,
  size: number,
): Promise<readonly ContentPart[]> {
  const splitter = new ContentSplitter();
  for await (const chunk of content.read(digest, { start: 0, end: size })) splitter.update(chunk);
  return splitter.finish();
}

/** `null` for one that is missing, is none, or is of content of another size: it is made anew. */
async function keptList(lists: PartsListStore, digest: Digest, size: number): Promise<readonly ContentPart[] | null> {
  try {
    const bytes = await lists.readList(digest);
    const parts = bytes && decodePartsListUnverified(bytes);
    return parts !== null && bytesIn(parts) === size ? parts : null;
  } catch (failure) {
    if (isRegistryError(failure, 'content/parts', 'storage/damaged')) return null;
    throw failure;
  }
}

function bytesIn(parts: readonly ContentPart[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}

/** Where the runs lie in the content. Throws `request/invalid`. */
function slicesOf(parts: readonly ContentPart[], runs: readonly PartRun[]): readonly Slice[] {
  let [index, start] = [0, 0];
  return runs.map(({ first, count }) => {
    if (first + count > parts.length) {
      throw new RegistryError(
        'request/invalid',
        `the content has ${parts.length} parts, and no part ${first + count - 1}`,
      );
    }
    start += bytesIn(parts.slice(index, first));
    const end = start + bytesIn(parts.slice(first, first + count));
    const slice = { start, end };
    [index, start] = [first + count, end];
    return slice;
  });
}

async function* readSlices(
  content: Pick<ContentStore, 'read'>,
  digest: Digest,
  slices: readonly Slice[],
): AsyncGenerator<Uint8Array, void, undefined> {
  for (const slice of slices) yield* content.read(digest, slice);
}
