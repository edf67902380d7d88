import {
  digestBytes,
  encodeLogProofBundle,
  encodeMapLeaf,
  encodeMapProofBundle,
  equalBytes,
  foldMapProof,
  formatDigest,
  hashMapLeaf,
  mapPath,
  proveLog,
  proveMap,
  RegistryError,
  type LogId,
} from '@waybill/protocol';
import { PROOF_ITEMS_MAX, WARG_PROOF_LENGTH_MAX } from './limits.ts';
import type { RegistryReader, StoredHead, StoredRecord } from './ports.ts';
import type { Reading } from './reading.ts';

/** Makes the proofs of spec/http.md, encoded as they travel. */
export class Proving {
  readonly #store: RegistryReader;
  readonly #reading: Reading;

  constructor(store: RegistryReader, reading: Reading) {
    this.#store = store;
    this.#reading = reading;
  }

  /** That the log of `to` records continues the one of `from`. Any lengths within the log. Throws `request/proof`. */
  async consistency(from: number, to: number): Promise<Uint8Array> {
    const length = this.#reading.head().checkpoint.contents.logLength;
    if (from < 1 || from > to || to > length) {
      throw new RegistryError(
        'request/proof',
        `no consistency proof from ${from} to ${to}: the log has ${length} records`,
      );
    }
    requireProvable(to);
    return encodeLogProofBundle(await this.#proveLog(to, { consistentLengths: [from], leafIndexes: [] }));
  }

  /**
   * That the leaves are in the log, and that each is the newest record of its log in the map, at a signed length.
   * Throws `request/leaf`, `request/log-length`, `request/proof`, `request/not-head`.
   */
  async inclusion(logLength: number, leafs: readonly number[]): Promise<{ log: Uint8Array; map: Uint8Array }> {
    const { head, records } = await this.#requireLeaves(logLength, leafs);
    const map = await this.#proveHeads(head, records);
    return { log: await this.#proveLeaves(logLength, leafs), map };
  }

  /** That the leaves are in the log at a signed length, whatever came after them. Throws as {@link inclusion}. */
  async leaves(logLength: number, leafs: readonly number[]): Promise<Uint8Array> {
    await this.#requireLeaves(logLength, leafs);
    return this.#proveLeaves(logLength, leafs);
  }

  async #requireLeaves(
    logLength: number,
    leafs: readonly number[],
  ): Promise<{ readonly head: StoredHead; readonly records: readonly StoredRecord[] }> {
    const newest = this.#reading.head().checkpoint.contents.logLength;
    if (leafs.length === 0) throw new RegistryError('request/proof', 'no leafs were asked for');
    if (leafs.length > PROOF_ITEMS_MAX) throw new RegistryError('request/proof', `more than ${PROOF_ITEMS_MAX} leafs`);
    if (logLength > newest) throw new RegistryError('request/proof', `the log has ${newest} records, not ${logLength}`);
    requireProvable(logLength);
    const head = await this.#reading.headAt(logLength);
    const records: StoredRecord[] = [];
    for (const leaf of leafs) records.push(await this.#leaf(leaf, logLength));
    return { head, records };
  }

  async #proveLeaves(logLength: number, leafIndexes: readonly number[]): Promise<Uint8Array> {
    return encodeLogProofBundle(await this.#proveLog(logLength, { consistentLengths: [], leafIndexes }));
  }

  /** That none of the logs is in the map at a signed length. Throws `request/proof`, `request/log-length`. */
  async absence(logLength: number, logIds: readonly LogId[]): Promise<Uint8Array> {
    if (logIds.length === 0) throw new RegistryError('request/proof', 'no logs were asked for');
    if (logIds.length > PROOF_ITEMS_MAX) throw new RegistryError('request/proof', `more than ${PROOF_ITEMS_MAX} logs`);
    const keys = await this.#proveMap(await this.#reading.headAt(logLength), logIds);
    const present = logIds.find((_, i) => keys[i]?.leafHash !== null);
    if (present !== undefined)
      throw new RegistryError('request/proof', `log ${present} is not absent`, { logId: present });
    return encodeMapProofBundle({ proofs: keys.map(({ proof }) => proof) });
  }

  async #leaf(registryIndex: number, logLength: number): Promise<StoredRecord> {
    const [record] = await this.#store.readRecords(registryIndex, 1);
    if (record?.registryIndex !== registryIndex) {
      throw new RegistryError('request/leaf', `there is no leaf ${registryIndex}`, { leaf: registryIndex });
    }
    if (registryIndex < logLength) return record;
    throw new RegistryError('request/proof', `leaf ${registryIndex} is newer than a log of ${logLength} records`);
  }

  async #proveHeads(head: StoredHead, records: readonly StoredRecord[]): Promise<Uint8Array> {
    const keys = await this.#proveMap(
      head,
      records.map(({ logId }) => logId),
    );
    for (const [i, { logId, recordId }] of records.entries()) {
      const leafHash = hashMapLeaf(encodeMapLeaf(recordId));
      const { leafHash: standing = null, proof = [] } = keys[i] ?? {};
      if (standing !== null && equalBytes(standing, leafHash)) continue;
      const found = formatDigest(foldMapProof(mapPath(logId), leafHash, proof));
      const root = head.checkpoint.contents.mapRoot;
      throw new RegistryError('request/not-head', `${recordId} is not the newest record of its log`, { root, found });
    }
    return encodeMapProofBundle({ proofs: keys.map(({ proof }) => proof) });
  }

  async #proveMap(head: StoredHead, logIds: readonly LogId[]): ReturnType<typeof proveMap> {
    await this.#requireMap(head);
    const root = { hash: digestBytes(head.checkpoint.contents.mapRoot), version: head.mapVersion };
    try {
      return await proveMap(root, logIds.map(mapPath), (pages) => this.#store.readMapPages(pages));
    } catch (failure) {
      // It may have been pruned while it was read.
      await this.#requireMap(head);
      throw failure;
    }
  }

  /** Only newer heads have a map whose pages are all still there (spec/http.md 4). */
  async #requireMap({ checkpoint, mapVersion }: StoredHead): Promise<void> {
    const { logLength } = checkpoint.contents;
    if (mapVersion === null || mapVersion >= (await this.#store.readMapFloor())) return;
    const message = `the map of the checkpoint at ${logLength} records is not kept any more: ask for a newer one`;
    throw new RegistryError('request/log-length', message, { logLength });
  }

  #proveLog(
    size: number,
    wanted: { readonly consistentLengths: readonly number[]; readonly leafIndexes: readonly number[] },
  ): ReturnType<typeof proveLog> {
    return proveLog({ size, ...wanted }, (tiles) => this.#store.readTiles('records', tiles));
  }
}

function requireProvable(length: number): void {
  if (length <= WARG_PROOF_LENGTH_MAX) return;
  throw new RegistryError('request/unsupported', `Warg's proofs end at ${WARG_PROOF_LENGTH_MAX} records`);
}
