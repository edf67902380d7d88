import {
  emptyMapRoot,
  equalBytes,
  formatDigest,
  RegistryError,
  updateMap,
  type Digest,
  type MapRoot,
} from '@waybill/protocol';
import type { MapPageWrite, StoreInspection } from '../ports.ts';
import { mapUpdates, type TreeLeaf } from '../registry-tree.ts';
import { MISSING, type Findings } from './findings.ts';

export interface MapReplayParts {
  readonly store: Pick<StoreInspection, 'readMapPage' | 'surveyMap'>;
  readonly findings: Findings;
  /** Pages that only roots below this version need may be gone. */
  readonly floor: number;
}

/** Grows the map anew, one head after another, and compares the pages that are stored of it. */
export class MapReplay {
  readonly #parts: MapReplayParts;
  /** The pages that the newest root needs. */
  readonly #pages = new Map<string, MapPageWrite>();
  #root: MapRoot = emptyMapRoot();
  #pagesFound = 0;
  #floorPassed = false;
  #stoppedBy: string | null = null;

  constructor(parts: MapReplayParts) {
    this.#parts = parts;
  }

  /** `null` once a record was missing. */
  get rootDigest(): Digest | null {
    return this.#stoppedBy === null ? formatDigest(this.#root.hash) : null;
  }

  get pages(): Iterable<MapPageWrite> {
    return this.#pages.values();
  }

  get version(): number {
    return this.#root.version ?? 0;
  }

  /** What follows cannot be known without `record`. */
  stop(record: string): void {
    if (this.#stoppedBy !== null) return;
    this.#stoppedBy = record;
    this.#parts.findings.remark(`the map cannot be recomputed from ${record} on`);
  }

  /** The step of the head at `logLength`. */
  async apply(leaves: readonly TreeLeaf[], logLength: number): Promise<void> {
    if (this.#stoppedBy !== null) return;
    const { root, pages } = await updateMap(this.#root, mapUpdates(leaves), logLength, async (refs) =>
      refs.map(({ prefix }) => {
        const page = this.#pages.get(prefix);
        if (page === undefined) throw new RegistryError('storage/damaged', `page '${prefix}' is not there`);
        return page.bytes;
      }),
    );
    this.#root = root;
    for (const page of pages) {
      this.#pages.set(page.prefix, page);
      await this.#compare(page, logLength >= this.#parts.floor);
    }
    if (logLength >= this.#parts.floor) await this.#passFloor();
  }

  /** What the newest root needs, and whether there is more than heads ever made. */
  async finish(): Promise<void> {
    const { findings, store, floor } = this.#parts;
    if (this.#stoppedBy !== null) return;
    if (!this.#floorPassed && this.#root.version !== null) {
      findings.add('map', `map floor ${floor}`, 'it is beyond the newest head', true);
      await this.#passFloor();
    }
    const { pages, problems } = await store.surveyMap();
    for (const problem of problems) findings.add('map', 'map', problem, true);
    const surplus = pages - this.#pagesFound;
    if (surplus > 0) findings.add('map', 'map', `${surplus} pages belong to no head`, true);
  }

  async #compare(page: MapPageWrite, required: boolean): Promise<void> {
    const stored = await this.#parts.store.readMapPage(page);
    if (stored !== null) this.#pagesFound++;
    if (stored === null ? !required : equalBytes(stored, page.bytes)) return;
    this.#parts.findings.add('map', nameOf(page), stored === null ? MISSING : 'it is another page', true);
  }

  /** From the first root on that must be whole: the pages that it shares with older ones are needed too. */
  async #passFloor(): Promise<void> {
    if (this.#floorPassed) return;
    this.#floorPassed = true;
    const { store, findings, floor } = this.#parts;
    if (floor > 0 && this.#root.version !== floor) {
      findings.add('map', `map floor ${floor}`, 'there is no head of this length', true);
    }
    for (const page of this.#pages.values()) {
      if (page.version >= floor) continue;
      if ((await store.readMapPage(page)) === null) findings.add('map', nameOf(page), MISSING, true);
    }
  }
}

function nameOf({ prefix, version }: MapPageWrite): string {
  return `map page '${prefix}'@${version}`;
}
