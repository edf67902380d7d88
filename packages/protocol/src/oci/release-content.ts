import { CONTENT_KINDS, claimedKindOf } from '../content/kind.ts';
import type { ReleaseContent } from './release-manifest.ts';
import { ReleaseOutlineReader } from './release-outline.ts';

/** True where the content is an index of files: {@link ReleaseContentReader} is for all else. */
export function isTreeRelease(claimed: string | null): boolean {
  return claimed === CONTENT_KINDS.tree.mediaType;
}

/** What a manifest says of content that is one file, read while it streams by (spec/oci.md 5.3). */
export class ReleaseContentReader {
  readonly #claimed: string | null;
  readonly #outline: ReleaseOutlineReader | null;

  /**
   * @param claimed - The media type that the release claims; `null` for none.
   * @param size - Of the whole content.
   */
  constructor(claimed: string | null, size: number) {
    this.#claimed = claimed;
    this.#outline = claimedKindOf(claimed) === 'other' ? null : new ReleaseOutlineReader(size);
  }

  update(chunk: Uint8Array): void {
    this.#outline?.update(chunk);
  }

  /** After the last byte. */
  finish(): ReleaseContent {
    const outline = this.#outline?.finish() ?? null;
    return outline === null ? { type: 'other', mediaType: this.#claimed } : { type: 'wasm', outline };
  }
}
