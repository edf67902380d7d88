import assert from 'node:assert/strict';
import { digestOf, wargApi, type Digest, type Envelope, type LogId, type RecordId } from '@waybill/protocol';
import type { RegistryAddress } from './registry-address.ts';
import type { ServedHistory } from './served-history.ts';

interface Published {
  readonly logId: LogId;
  readonly registryIndex: number;
  readonly envelope: Envelope;
}

/** Everything that one registry has promised to its publishers, over all its starts. */
export class Promises {
  /** Answered `published`. */
  readonly published = new Map<RecordId, Published>();
  /** Answered `sourcing` or `processing`, and not `published` yet. */
  readonly accepted = new Map<RecordId, LogId>();
  /** Content whose upload was answered 201. */
  readonly uploaded = new Set<Digest>();
  /** Content that was sent since the last check, answered or not. */
  readonly sent = new Set<Digest>();
  /** Published since the last check. */
  readonly #unchecked = new Map<RecordId, Published>();
  /** The last record of each log that was read back. */
  readonly #tokens = new Map<LogId, string>();

  notePublished(recordId: RecordId, published: Published): void {
    this.accepted.delete(recordId);
    const before = this.published.get(recordId);
    if (before !== undefined) assert.equal(published.registryIndex, before.registryIndex);
    this.published.set(recordId, published);
    this.#unchecked.set(recordId, published);
  }

  /** Holds a registry to all of it; `history` has followed this registry. Nothing that was checked once can change unseen. */
  async check(registry: RegistryAddress, history: ServedHistory): Promise<void> {
    for (const [recordId, { logId, registryIndex }] of this.#unchecked) {
      const leaf = history.leafAt(registryIndex);
      assert.deepEqual(leaf, { logId, recordId }, `record ${recordId} is lost, it was published at ${registryIndex}`);
      const status = await statusOf(registry, logId, recordId);
      assert.deepEqual(status, { recordId, state: 'published', registryIndex });
    }
    await this.#readBack(registry, history.length);
    for (const [recordId, logId] of this.accepted) {
      const { state } = await statusOf(registry, logId, recordId);
      assert.ok(state === 'processing' || state === 'published', `an accepted record is ${state}`);
    }
    await this.#checkContent(registry);
  }

  /** The records of all logs with something new, byte for byte. */
  async #readBack(registry: RegistryAddress, logLength: number): Promise<void> {
    const packages = new Map<LogId, string | null>();
    for (const { logId } of this.#unchecked.values()) packages.set(logId, this.#tokens.get(logId) ?? null);
    if (packages.size === 0) return;
    const json = wargApi.fetchLogsBody({ logLength, limit: wargApi.FETCH_LIMIT_MAX, operator: null, packages });
    const answer = await registry.post('v1/fetch/logs', { json });
    assert.equal(answer.status, 200);
    for (const [logId, records] of wargApi.decodeFetchLogsResponse(answer.bytes).packages) {
      for (const { envelope, registryIndex, fetchToken } of records) {
        for (const [recordId, promised] of this.#unchecked) {
          if (promised.registryIndex !== registryIndex) continue;
          assert.deepEqual(envelope, promised.envelope);
          this.#unchecked.delete(recordId);
          // Not beyond it: what a crash published without an answer is promised later.
          this.#tokens.set(logId, fetchToken);
        }
      }
    }
    assert.deepEqual([...this.#unchecked.keys()], [], 'published records are not served');
  }

  /** What was acknowledged is there; whatever is there is whole, also where the upload was cut off. */
  async #checkContent(registry: RegistryAddress): Promise<void> {
    for (const digest of this.sent) {
      const answer = await registry.get(`content/${digest.replace(':', '-')}`);
      if (answer.status === 404 && !this.uploaded.has(digest)) continue;
      assert.equal(answer.status, 200, `content ${digest} is lost`);
      assert.equal(digestOf(answer.bytes), digest);
    }
    this.sent.clear();
  }
}

/** Throws an assertion error for a record that the registry does not know. */
export async function statusOf(
  registry: RegistryAddress,
  logId: LogId,
  recordId: RecordId,
): Promise<wargApi.RecordStatus> {
  const answer = await registry.get(`v1/package/${logId}/record/${recordId}`);
  assert.equal(answer.status, 200, `the registry answered ${answer.status} for record ${recordId}`);
  return wargApi.decodeRecordStatus(answer.bytes);
}
