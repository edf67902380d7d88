import { equalBytes } from '../bytes/byte-array.ts';
import { unconfirmed } from './log-recheck.ts';
import { singleSubtree } from './map-hash.ts';
import {
  decodeMapPage,
  EMPTY_PAGE,
  hasSameSlot,
  PAGE_SLOTS,
  pageHash,
  slotHeight,
  slotOfPage,
  type MapPage,
  type MapSlot,
} from './map-page.ts';
import { bySlot, type MapRoot, type MapUpdate, type WrittenPage } from './map-tree.ts';

/** An update of the map, as it is about to be stored. */
export interface MapChange {
  /** The pages that were read for it, encoded, by prefix. */
  readonly standing: ReadonlyMap<string, Uint8Array>;
  /** Each path once. */
  readonly updates: readonly MapUpdate[];
  readonly root: MapRoot;
  readonly pages: readonly WrittenPage[];
}

/**
 * Goes down from the new root through the bytes that are about to be stored: every page has the hash that is told of it, every
 * update is where it belongs, and all else is what it was (SECURITY.md L7). Throws `head/unconfirmed`.
 */
export function recheckMap({ standing, updates, root, pages }: MapChange): void {
  if (updates.length === 0) return;
  const walk = new Recheck(standing, new Map(pages.map((page) => [page.prefix, page])), root.version);
  walk.page('', root.hash, standingPage(standing, ''), updates);
  if (walk.visited !== pages.length) throw unconfirmed('the number of pages of the map');
}

function standingPage(standing: ReadonlyMap<string, Uint8Array>, prefix: string): MapPage {
  const bytes = standing.get(prefix);
  return bytes === undefined ? EMPTY_PAGE : decodeMapPage(bytes);
}

class Recheck {
  visited = 0;
  readonly #standing: ReadonlyMap<string, Uint8Array>;
  readonly #written: ReadonlyMap<string, WrittenPage>;
  readonly #version: number | null;

  constructor(
    standing: ReadonlyMap<string, Uint8Array>,
    written: ReadonlyMap<string, WrittenPage>,
    version: number | null,
  ) {
    this.#standing = standing;
    this.#written = written;
    this.#version = version;
  }

  page(prefix: string, hash: Uint8Array, before: MapPage, keys: readonly MapUpdate[]): void {
    const written = this.#written.get(prefix);
    if (written?.version !== this.#version) throw unconfirmed(`page '${prefix}' of the map`);
    this.visited++;
    const page = decodeMapPage(written.bytes);
    if (!equalBytes(pageHash(page, prefix.length), hash)) throw unconfirmed(`page '${prefix}' of the map`);
    const updates = bySlot(keys, ({ path }) => path, prefix.length);
    for (let position = 0; position < PAGE_SLOTS; position++) {
      const below = `${prefix}${position.toString(16)}`;
      const inSlot = updates.get(position);
      const isRight =
        inSlot === undefined
          ? hasSameSlot(before, page, position)
          : this.#isUpdated(below, slotOfPage(before, position), slotOfPage(page, position), inSlot);
      if (!isRight) throw unconfirmed(`slot '${below}' of the map`);
    }
  }

  #isUpdated(prefix: string, before: MapSlot, slot: MapSlot, updates: readonly MapUpdate[]): boolean {
    const keys = before?.type === 'single' ? withStanding(before, updates) : updates;
    const [only] = keys;
    if (before?.type !== 'child' && keys.length === 1 && only !== undefined) return isSingle(slot, only, prefix.length);
    if (slot?.type !== 'child' || slot.version !== this.#version) return false;
    const standing = before?.type === 'child' ? standingPage(this.#standing, prefix) : EMPTY_PAGE;
    this.page(prefix, slot.hash, standing, keys);
    return true;
  }
}

function withStanding(standing: MapUpdate, updates: readonly MapUpdate[]): readonly MapUpdate[] {
  return updates.some(({ path }) => equalBytes(path, standing.path)) ? updates : [...updates, standing];
}

function isSingle(slot: MapSlot, { path, leafHash }: MapUpdate, depth: number): boolean {
  return (
    slot?.type === 'single' &&
    equalBytes(slot.path, path) &&
    equalBytes(slot.leafHash, leafHash) &&
    equalBytes(slot.hash, singleSubtree(path, leafHash, slotHeight(depth - 1)))
  );
}
