import type { LogNotes, MapPageWrite, StoredTileName, StoreRepairs, TileWrite } from '../ports.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] };

/** What an inspection gathers to be written. Nothing in it is written unless the signed roots have vouched for it. */
export class RepairPlan {
  readonly recordIds: Mutable<Pick<StoreRepairs, 'recordIds'>>['recordIds'] = [];
  readonly names: Mutable<Pick<StoreRepairs, 'names'>>['names'] = [];
  readonly pending: string[] = [];
  readonly recordTiles: TileWrite[] = [];
  readonly headTiles: TileWrite[] = [];
  readonly surplusTiles: StoredTileName[] = [];
  map: { readonly floor: number; readonly pages: Iterable<MapPageWrite> } | null = null;
  notes: LogNotes | null = null;
  reindex = false;
  emptyHoldings = false;
  /**
   * What may be derived from: the newest head is signed by the operator, and the recomputed log has its root, so has the map,
   * and every head stands, so that the log of heads does.
   */
  stands = { log: false, map: false, heads: false };

  /** `null` when there is nothing that may be written. */
  build(): StoreRepairs | null {
    const { stands, names, pending, reindex } = this;
    const tiles = [...(stands.log ? this.recordTiles : []), ...(stands.heads ? this.headTiles : [])];
    const surplusTiles = stands.heads ? this.surplusTiles : [];
    const recordIds = stands.log ? this.recordIds : [];
    const map = stands.map ? this.map : null;
    const notes = stands.heads ? this.notes : null;
    // What damaged records lead to is not what the log says.
    const emptyHoldings = this.emptyHoldings && stands.log;
    const lists = [tiles, surplusTiles, recordIds, names, pending];
    if (!reindex && !emptyHoldings && map === null && notes === null && lists.every((list) => list.length === 0))
      return null;
    return { reindex, tiles, surplusTiles, map, notes, recordIds, names, emptyHoldings, pending };
  }
}
