import {
  appendToLog,
  edgeTileCoordinates,
  emptyLogEdge,
  equalBytes,
  formatDigest,
  HASH_BYTES,
  logRootOfEdge,
  type Digest,
  type TileCoordinates,
  type LogEdge,
} from '@waybill/protocol';
import type { LogName, StoreInspection, TileWrite } from '../ports.ts';
import { MISSING, type Findings } from './findings.ts';

/** Hashes in a full tile. */
const TILE_WIDTH = 256;

export interface LogReplayParts {
  readonly log: LogName;
  readonly store: Pick<StoreInspection, 'readTile'>;
  readonly findings: Findings;
  /** Takes the tiles as they should be. */
  readonly repairs: TileWrite[];
}

/** Grows a log anew from its leaves, and compares the tiles that are stored of it. */
export class LogReplay {
  readonly #parts: LogReplayParts;
  #edge: LogEdge = emptyLogEdge();

  constructor(parts: LogReplayParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#edge.size;
  }

  get root(): Uint8Array {
    return logRootOfEdge(this.#edge);
  }

  get rootDigest(): Digest {
    return formatDigest(this.root);
  }

  /** The root that the log would have with these leaves. */
  rootWith(leafHashes: readonly Uint8Array[]): Digest {
    return formatDigest(logRootOfEdge(appendToLog(this.#edge, leafHashes).edge));
  }

  async append(leafHashes: readonly Uint8Array[]): Promise<void> {
    const { edge, tiles } = appendToLog(this.#edge, leafHashes);
    this.#edge = edge;
    for (const tile of tiles) if (tile.hashes.length === TILE_WIDTH * HASH_BYTES) await this.#compare(tile);
  }

  /** The tiles at the right edge, which were never full. */
  async finish(): Promise<void> {
    for (const { level, index } of edgeTileCoordinates(this.#edge.size)) {
      await this.#compare({ level, index, hashes: this.#edge.levels[level] ?? new Uint8Array() });
    }
  }

  /** True for a tile that a log of this size has. */
  hasTile({ level, index }: TileCoordinates): boolean {
    const width = Math.floor(this.#edge.size / TILE_WIDTH ** level);
    return level >= 0 && index >= 0 && index * TILE_WIDTH < width;
  }

  /** The leaf hash that the stored tile has for an index; `null` when there is none. */
  async storedLeaf(index: number): Promise<Uint8Array | null> {
    const tile = await this.#parts.store.readTile(this.#parts.log, { level: 0, index: Math.floor(index / TILE_WIDTH) });
    const start = (index % TILE_WIDTH) * HASH_BYTES;
    const hash = tile?.slice(start, start + HASH_BYTES);
    return hash?.length === HASH_BYTES ? hash : null;
  }

  async #compare({ level, index, hashes }: Omit<TileWrite, 'log'>): Promise<void> {
    const { log, store, findings, repairs } = this.#parts;
    const stored = await store.readTile(log, { level, index });
    if (stored !== null && equalBytes(stored, hashes)) return;
    const problem = stored === null ? MISSING : 'it does not have the hashes of its leaves';
    findings.add('tile', `tile ${level}/${index} of the log of ${log}`, problem, true);
    repairs.push({ log, level, index, hashes });
  }
}
