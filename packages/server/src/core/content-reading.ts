import { RegistryError, type Digest, type Takedown } from '@waybill/protocol';
import type { Access } from './access.ts';
import type { ContentShown, ContentSpaces } from './content-spaces.ts';
import type { ContentStore } from './ports.ts';
import type { TreeTakedowns } from './tree-takedowns.ts';

export interface ContentReadingParts {
  readonly store: ContentStore;
  readonly trees: Pick<TreeTakedowns, 'takedownOf'>;
  readonly spaces: Pick<ContentSpaces, 'shown' | 'areAllPublic'>;
  /** Where this registry's own content can be had; known only once the server listens. */
  readonly baseUrl: () => URL;
}

/** Content as it is served. Its name is its proof, so that anybody may have it, but for what private packages alone name. */
export class ContentReading {
  readonly #store: ContentStore;
  readonly #trees: Pick<TreeTakedowns, 'takedownOf'>;
  readonly #spaces: Pick<ContentSpaces, 'shown' | 'areAllPublic'>;
  readonly #baseUrl: () => URL;

  constructor({ store, trees, spaces, baseUrl }: ContentReadingParts) {
    this.#store = store;
    this.#trees = trees;
    this.#spaces = spaces;
    this.#baseUrl = baseUrl;
  }

  baseUrl(): URL {
    return this.#baseUrl();
  }

  /** Why it is served to nobody; `null` for what may be served. */
  takedownOf(digest: Digest): Promise<Takedown | null> {
    return this.#trees.takedownOf(digest);
  }

  /** Then who asks makes no difference. */
  get isAllPublic(): boolean {
    return this.#spaces.areAllPublic;
  }

  /** Throws `storage/busy`. */
  async shown(access: Access, digest: Digest): Promise<ContentShown> {
    return this.#spaces.shown(access, digest);
  }

  /** As {@link shown}; what is not shown is as what is not here. Throws `content/not-found`, `storage/busy`. */
  async requireShown(access: Access, digest: Digest): Promise<Exclude<ContentShown, 'no'>> {
    const shown = await this.#spaces.shown(access, digest);
    if (shown !== 'no') return shown;
    throw notFound(digest);
  }

  async has(digest: Digest): Promise<boolean> {
    return (await this.#store.size(digest)) !== null;
  }

  /** Throws `content/not-found`. */
  async size(digest: Digest): Promise<number> {
    const size = await this.#store.size(digest);
    if (size === null) throw notFound(digest);
    return size;
  }

  /** Unix milliseconds. Throws `content/not-found`. */
  async keptAtMs(digest: Digest): Promise<number> {
    const keptAtMs = await this.#store.keptAtMs(digest);
    if (keptAtMs === null) throw notFound(digest);
    return keptAtMs;
  }

  read(digest: Digest, range: { readonly start: number; readonly end: number }): AsyncIterable<Uint8Array> {
    return this.#store.read(digest, range);
  }
}

function notFound(digest: Digest): RegistryError {
  return new RegistryError('content/not-found', `there is no content ${digest}`, { digest });
}
