import { PRUNE_STEP_PAGES } from './limits.ts';
import type { Clock, PruneCursor, RegistryReader, RegistryStore } from './ports.ts';

export interface MapPrunerParts {
  readonly reader: Pick<RegistryReader, 'readHeadAsOf'>;
  readonly store: Pick<RegistryStore, 'pruneMap'>;
  readonly clock: Clock;
  /** For how long map proofs can be made for an older head. */
  readonly keptSeconds: number;
}

/** Deletes pages of the map that only older heads need, a little at a time, walk after walk. */
export class MapPruner {
  readonly #parts: MapPrunerParts;
  #walk: { readonly floor: number; readonly cursor: PruneCursor | null } | null = null;

  constructor(parts: MapPrunerParts) {
    this.#parts = parts;
  }

  /** Resolves with false when a walk has ended: nothing is to be done for a while. */
  async step(): Promise<boolean> {
    const { reader, store, clock, keptSeconds } = this.#parts;
    if (this.#walk === null) {
      // A head signed that long ago was the newest for some time after: its map is what that time asks for.
      const head = await reader.readHeadAsOf(Math.floor(clock() / 1000) - keptSeconds);
      if (head === null || head.mapVersion === null) return false;
      this.#walk = { floor: head.mapVersion, cursor: null };
    }
    const { floor } = this.#walk;
    const cursor = await store.pruneMap(floor, this.#walk.cursor, PRUNE_STEP_PAGES);
    this.#walk = cursor && { floor, cursor };
    return cursor !== null;
  }
}
