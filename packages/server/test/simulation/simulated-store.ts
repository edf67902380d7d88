import type { PruneCursor } from '../../src/core/ports.ts';
import { MemoryStore, type MemoryState } from '../../src/storage/memory/memory-store.ts';

/** A memory store that prunes in steps, as drivers on a disk do. */
export class SimulatedStore extends MemoryStore {
  readonly #state: MemoryState;

  constructor(state: MemoryState) {
    super(state);
    this.#state = state;
  }

  override async pruneMap(floor: number, after?: PruneCursor | null, pages = 1_000): Promise<PruneCursor | null> {
    await this.readMapFloor();
    const { mapPages } = this.#state;
    this.#state.mapFloor = Math.max(this.#state.mapFloor, floor);
    const walked = [...mapPages.keys()].map(pageOf).toSorted(inWalkOrder);
    const start = after ? walked.findIndex((page) => inWalkOrder(page, cursorOf(after)) > 0) : 0;
    const step = start < 0 ? [] : walked.slice(start, start + pages);
    for (const page of step) {
      const newest = walked.find(({ prefix, version }) => prefix === page.prefix && version <= floor);
      if (page.version <= floor && page !== newest) mapPages.delete(page.key);
    }
    const last = step.at(-1);
    return last === undefined || step.length < pages ? null : { prefix: last.prefix, version: last.version };
  }
}

interface Page {
  readonly prefix: string;
  readonly version: number;
}

/** Prefix by prefix, from the newest version to the oldest. */
function inWalkOrder(a: Page, b: Page): number {
  return a.prefix < b.prefix ? -1 : a.prefix > b.prefix ? 1 : b.version - a.version;
}

function pageOf(key: string): Page & { readonly key: string } {
  const [, prefix = '', version] = /^map page '([0-9a-f]*)'@([0-9]+)$/.exec(key) ?? [];
  return { key, prefix, version: Number(version) };
}

function cursorOf({ prefix, version }: PruneCursor): Page {
  return { prefix: String(prefix), version: Number(version) };
}

/** The same durable state at this moment, as a backup holds it. */
export function copyOfState(state: MemoryState): MemoryState {
  return {
    records: new Map(state.records),
    recordsById: new Map(state.recordsById),
    logs: new Map([...state.logs].map(([logId, log]) => [logId, new Map(log)])),
    names: new Map(state.names),
    tiles: new Map(state.tiles),
    mapPages: new Map(state.mapPages),
    heads: new Map(state.heads),
    firstHeads: new Map(state.firstHeads),
    pending: new Map(state.pending),
    holdings: new Map(state.holdings),
    newest: state.newest,
    notes: state.notes,
    mapFloor: state.mapFloor,
    holdingsGap: state.holdingsGap,
  };
}
