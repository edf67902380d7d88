import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import {
  appendToLog,
  emptyLogEdge,
  emptyMapRoot,
  encodeLogLeaf,
  encodeMapLeaf,
  encodeTimestampedCheckpoint,
  formatDigest,
  hashLogLeaf,
  hashMapLeaf,
  logRootOfEdge,
  mapPath,
  parseLogId,
  parsePrivateKey,
  parseRecordId,
  parseSignature,
  updateMap,
  verifyBytes,
  wargApi,
  type LogEdge,
  type LogId,
  type MapRoot,
  type PublicKey,
  type RecordId,
  type TimestampedCheckpoint,
} from '@waybill/protocol';
import type { RegistryAddress } from './registry-address.ts';

const LEAF_BYTES = 64;
const HASH_BYTES = 32;

interface Leaf {
  readonly logId: LogId;
  readonly recordId: RecordId;
}

/**
 * What one registry has ever served, as a monitor sees it: every checkpoint, and the ledger of all records, from which log
 * and map are computed again. A second history, a step back in length or time, or a record that stands twice is a failure.
 */
export class ServedHistory {
  readonly #key: PublicKey;
  readonly #leaves: Leaf[] = [];
  readonly #indexes = new Map<RecordId, number>();
  readonly #pages = new Map<string, Uint8Array>();
  /** Seen, and not yet computed again from the ledger. */
  #unproven: TimestampedCheckpoint[] = [];
  #newest: TimestampedCheckpoint | null = null;
  #edge: LogEdge = emptyLogEdge();
  #map: MapRoot = emptyMapRoot();
  /** Checkpoints that differ from the one before them. */
  checkpoints = 0;

  private constructor(key: PublicKey) {
    this.#key = key;
  }

  /** Of the registry in a data folder that was started once. */
  static async of(data: string): Promise<ServedHistory> {
    return new ServedHistory(parsePrivateKey(await readFile(path.join(data, 'operator.key'), 'utf8')).publicKey);
  }

  /** Records of the newest checkpoint that was computed again. */
  get length(): number {
    return this.#leaves.length;
  }

  leafAt(registryIndex: number): Leaf | null {
    return this.#leaves[registryIndex] ?? null;
  }

  indexOf(recordId: RecordId): number | null {
    return this.#indexes.get(recordId) ?? null;
  }

  /** Fetches the checkpoint and holds it against the one before it. Not to be called twice at a time. */
  async observe(registry: RegistryAddress): Promise<TimestampedCheckpoint> {
    const answer = await registry.get('v1/fetch/checkpoint');
    assert.equal(answer.status, 200);
    const { contents, keyId, signature } = wargApi.decodeSignedCheckpoint(answer.bytes);
    assert.equal(keyId, this.#key.id);
    const bytes = encodeTimestampedCheckpoint(contents);
    assert.ok(await verifyBytes('checkpoint', bytes, this.#key, parseSignature(signature)));
    this.#accept(contents);
    return contents;
  }

  #accept(contents: TimestampedCheckpoint): void {
    const before = this.#newest;
    if (before !== null) {
      assert.ok(contents.timestamp >= before.timestamp, 'the time of a checkpoint went back');
      assert.ok(contents.logLength >= before.logLength, `the log went back to ${contents.logLength} records`);
      if (contents.logLength === before.logLength) {
        const { logRoot, mapRoot } = before;
        assert.deepEqual(
          { ...contents, timestamp: 0 },
          { logLength: contents.logLength, logRoot, mapRoot, timestamp: 0 },
        );
      }
    }
    if (before?.logLength !== contents.logLength) {
      this.checkpoints++;
      this.#unproven.push(contents);
    }
    this.#newest = contents;
  }

  /** Observes, and computes every checkpoint seen so far again from the ledger: each continues all before it. */
  async follow(registry: RegistryAddress): Promise<TimestampedCheckpoint> {
    const newest = await this.observe(registry);
    for (const checkpoint of this.#unproven) {
      await this.#extend(registry, checkpoint.logLength);
      const { logRoot, mapRoot } = checkpoint;
      assert.equal(formatDigest(logRootOfEdge(this.#edge)), logRoot, `another log at ${checkpoint.logLength} records`);
      assert.equal(formatDigest(this.#map.hash), mapRoot, `another map at ${checkpoint.logLength} records`);
    }
    this.#unproven = [];
    return newest;
  }

  async #extend(registry: RegistryAddress, logLength: number): Promise<void> {
    while (this.#leaves.length < logLength) {
      const answer = await registry.get(`v1/ledger/records/${this.#leaves.length}`);
      assert.equal(answer.status, 200);
      // The ledger may be ahead of the checkpoint.
      const leaves = leavesOf(answer.bytes).slice(0, logLength - this.#leaves.length);
      assert.ok(leaves.length > 0, `the ledger ends at ${this.#leaves.length}, before ${logLength} records`);
      await this.#append(leaves);
    }
  }

  async #append(leaves: readonly Leaf[]): Promise<void> {
    for (const leaf of leaves) {
      assert.equal(this.indexOf(leaf.recordId), null, 'a record stands in the log twice');
      this.#indexes.set(leaf.recordId, this.#leaves.length);
      this.#leaves.push(leaf);
    }
    const hashes = leaves.map((leaf) => hashLogLeaf(encodeLogLeaf(leaf)));
    this.#edge = appendToLog(this.#edge, hashes).edge;
    const updates = new Map(leaves.map(({ logId, recordId }) => [logId, recordId]));
    const grown = await updateMap(
      this.#map,
      [...updates].map(([logId, id]) => ({ path: mapPath(logId), leafHash: hashMapLeaf(encodeMapLeaf(id)) })),
      this.#leaves.length,
      async (refs) => refs.map((ref) => this.#pages.get(`${ref.prefix}@${ref.version}`) ?? assert.fail()),
    );
    for (const { prefix, version, bytes } of grown.pages) this.#pages.set(`${prefix}@${version}`, bytes);
    this.#map = grown.root;
  }
}

/** Leaves as the ledger packs them: log id and record id, 32 bytes each. */
function leavesOf(bytes: Uint8Array): Leaf[] {
  assert.equal(bytes.length % LEAF_BYTES, 0);
  return Array.from({ length: bytes.length / LEAF_BYTES }, (_, i) => {
    const leaf = bytes.subarray(i * LEAF_BYTES, (i + 1) * LEAF_BYTES);
    const [logId, recordId] = [leaf.slice(0, HASH_BYTES), leaf.slice(HASH_BYTES)].map(formatDigest);
    return { logId: parseLogId(logId ?? ''), recordId: parseRecordId(recordId ?? '') };
  });
}
