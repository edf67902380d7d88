import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import {
  appendToLog,
  emptyLogEdge,
  emptyMapRoot,
  encodeCheckpoint,
  encodeLogLeaf,
  encodeMapLeaf,
  formatDigest,
  hashLogLeaf,
  hashMapLeaf,
  logRootOfEdge,
  mapPath,
  updateMap,
  type Checkpoint,
  type LogEdge,
  type MapRoot,
} from '@waybill/protocol';
import { holdingsOfStored } from '../../src/core/holding.ts';
import type { RegistryReader, StoredRecord } from '../../src/core/ports.ts';

/** The log, the map and the log of heads, computed again from the records of a store and held against what it has signed. */
export class StoredHistory {
  readonly #store: RegistryReader;
  readonly #pages = new Map<string, Uint8Array>();
  #records: LogEdge = emptyLogEdge();
  #heads: LogEdge = emptyLogEdge();
  #map: MapRoot = emptyMapRoot();
  /** By log length. */
  readonly checkpoints = new Map<number, Checkpoint>();

  private constructor(store: RegistryReader) {
    this.#store = store;
  }

  /** Fails unless every head that is stored is one of one history, and the newest one covers everything that is stored. */
  static async of(store: RegistryReader): Promise<StoredHistory> {
    const history = new StoredHistory(store);
    const head = await store.readHead();
    const length = head?.checkpoint.contents.logLength ?? 0;
    const records = await store.readRecords(0, length + 1);
    assert.equal(records.length, length, 'records and head do not fit');
    for (const record of records) await history.#append(record);
    assert.equal(head?.headsLength ?? 0, history.#heads.size);
    const { records: note = '', heads = '' } = (await store.readNotes()) ?? {};
    if (head === null) return history;
    assert.deepEqual([note.split('\n')[1], note.split('\n')[2]], sizeAndRoot(history.#records));
    assert.deepEqual([heads.split('\n')[1], heads.split('\n')[2]], sizeAndRoot(history.#heads));
    return history;
  }

  /** Fails unless this head is part of the history. */
  includes({ logLength, logRoot, mapRoot }: Checkpoint): void {
    assert.deepEqual(this.checkpoints.get(logLength), { logLength, logRoot, mapRoot });
  }

  async #append(record: StoredRecord): Promise<void> {
    assert.equal(record.registryIndex, this.#records.size);
    for (const holding of holdingsOfStored(record)) {
      const range = { after: null, belowIndex: record.registryIndex + 1, limit: 1_000 };
      const found = await this.#store.readHoldings(holding.digest, range);
      assert.ok(
        found.some((one) => isDeepStrictEqual(one, holding)),
        'a release is not found by its content',
      );
    }
    this.#records = appendToLog(this.#records, [hashLogLeaf(encodeLogLeaf(record))]).edge;
    const { root, pages } = await updateMap(
      this.#map,
      [{ path: mapPath(record.logId), leafHash: hashMapLeaf(encodeMapLeaf(record.recordId)) }],
      this.#records.size,
      async (refs) => refs.map((ref) => this.#pages.get(`${ref.prefix}@${ref.version}`) ?? assert.fail()),
    );
    for (const { prefix, version, bytes } of pages) this.#pages.set(`${prefix}@${version}`, bytes);
    this.#map = root;
    const stored = (await this.#store.readHeadAt(this.#records.size))?.checkpoint.contents;
    if (stored === undefined) return;
    const logRoot = formatDigest(logRootOfEdge(this.#records));
    const checkpoint = { logLength: this.#records.size, logRoot, mapRoot: formatDigest(root.hash) };
    const { timestamp: _, ...signed } = stored;
    assert.deepEqual(signed, checkpoint, 'a head of another history is stored');
    this.checkpoints.set(checkpoint.logLength, checkpoint);
    this.#heads = appendToLog(this.#heads, [hashLogLeaf(encodeCheckpoint(checkpoint))]).edge;
  }
}

/** Second and third line of a note. */
function sizeAndRoot(edge: LogEdge): string[] {
  return [String(edge.size), Buffer.from(logRootOfEdge(edge)).toString('base64')];
}
