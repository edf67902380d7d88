import { RegistryError, type Digest, type Takedown } from '@waybill/protocol';
import type { ContentStore } from './ports.ts';
import type { TreeTakedowns } from './tree-takedowns.ts';

export interface ContentReadingParts {
  readonly store: ContentStore;
  readonly trees: Pick<TreeTakedowns, 'takedownOf'>;
  /** Where this registry's own content can be had; known only once the server listens. */
  readonly baseUrl: () => URL;
}

/** Content as it is served: anybody may have it, for its name is its proof. */
export class ContentReading {
  readonly #store: ContentStore;
  readonly #trees: Pick<TreeTakedowns, 'takedownOf'>;
  readonly #baseUrl: () => URL;

  constructor({ store, trees, baseUrl }: ContentReadingParts) {
    this.#store = store;
    this.#trees = trees;
    this.#baseUrl = baseUrl;
  }

  baseUrl(): URL {
    return this.#baseUrl();
  }

  /** Why it is served to nobody; `null` for what may be served. */
  takedownOf(digest: Digest): Promise<Takedown | null> {
    return this.#trees.takedownOf(digest);
  }

  async has(digest: Digest): Promise<boolean> {
    return (await this.#store.size(digest)) !== null;
  }

  /** Throws `content/not-found`. */
  async size(digest: Digest): Promise<number> {
    const size = await this.#store.size(digest);
    if (size === null) throw new RegistryError('content/not-found', `there is no content ${digest}`, { digest });
    return size;
  }

  /** Unix milliseconds. Throws `content/not-found`. */
  async keptAtMs(digest: Digest): Promise<number> {
    const keptAtMs = await this.#store.keptAtMs(digest);
    if (keptAtMs === null) throw new RegistryError('content/not-found', `there is no content ${digest}`, { digest });
    return keptAtMs;
  }

  read(digest: Digest, range: { readonly start: number; readonly end: number }): AsyncIterable<Uint8Array> {
    return this.#store.read(digest, range);
  }
}
