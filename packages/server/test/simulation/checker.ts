import assert from 'node:assert/strict';
import { encodeBase64, formatDigest, type Digest, type RecordId } from '@waybill/protocol';
import type { Holding, SignedMark, StoredHead } from '../../src/core/ports.ts';
import { holdingsOfStored } from '../../src/core/holding.ts';
import type { MemoryState } from '../../src/storage/memory/memory-store.ts';
import { headLeaf, PlainMap, plainLogRoot, recordLeaf, type PlainEntry } from './plain-trees.ts';

/** What a client was told of a record, and what may therefore never happen to it any more. */
interface Told {
  /** Where it is published; `null` before a client heard of it. */
  publishedAt: number | null;
  /** It was refused or rejected, and nobody has posted it since. */
  refused: boolean;
}

/** What histories are made of. */
export type Happening =
  | 'published'
  | 'refused'
  | 'rejected'
  | 'batch of several'
  | 'head signed afresh'
  | 'conflict'
  | 'refused start'
  | 'no room'
  | 'wrong clock'
  | 'fatal failure'
  | 'write that outlived its process'
  | 'pruned';

/** Messages of failures that say nothing of a record. */
const INFRASTRUCTURE = /simulated fault|the clock is|the stored head/;

interface Roots {
  readonly logRoot: Digest;
  readonly mapRoot: Digest;
}

/**
 * Watches one history from outside of the code under test. What it is told comes from the disk, from the heads that processes
 * serve and from the answers that clients get; the first contradiction is kept in {@link Checker.violation}.
 */
export class Checker {
  violation: unknown = null;
  /** Two processes have written one disk since the last start of all. */
  rivals = false;
  /** No process may write now. */
  sealed = false;
  readonly events = new Map<Happening, number>();
  readonly #map = new PlainMap();
  readonly #leaves = new Map<string, Uint8Array>();
  readonly #roots = new Map<string, Roots>();
  readonly #told = new Map<RecordId, Told>();
  /** Heads that were served or noted as signed: what a client or the next start may have seen. */
  readonly #seen = new Map<number, Roots>();
  /** The longest of them, leaf by leaf. */
  #seenRecords: RecordId[] = [];
  #newest: StoredHead | null = null;
  #mark: SignedMark | null = null;
  readonly #served = new WeakSet<StoredHead>();

  /** Keeps what `check` throws: it must not reach the code under test. */
  guard(check: () => void): void {
    try {
      check();
    } catch (failure) {
      this.violation ??= failure;
    }
  }

  note(happening: Happening): void {
    this.events.set(happening, (this.events.get(happening) ?? 0) + 1);
  }

  told(recordId: RecordId): Told {
    const told = this.#told.get(recordId) ?? { publishedAt: null, refused: false };
    this.#told.set(recordId, told);
    return told;
  }

  /** A commit has become durable. */
  committed(state: MemoryState): void {
    this.guard(() => {
      assert.ok(!this.sealed, 'a head was signed over a store that is not the newest');
      const { newest } = state;
      assert.ok(newest !== null);
      const { timestamp, logLength, ...roots } = newest.checkpoint.contents;
      assert.equal(state.records.size, logLength, 'a head covers exactly the records');
      assert.deepEqual(roots, this.#rootsOf(state, logLength), `the roots at ${logLength} are those of the records`);
      assert.ok(timestamp >= (this.#newest?.checkpoint.contents.timestamp ?? 0), 'time ran backwards');
      this.#checkKept(state);
      checkHeadsLog(state);
      for (const [index, { recordId, registryIndex }] of state.records) {
        assert.equal(registryIndex, index);
        assert.ok(!this.told(recordId).refused, `${recordId} was refused, and is in the log`);
      }
      this.#newest = newest;
    });
  }

  /** What was committed before stands where it stood. */
  #checkKept(state: MemoryState): void {
    const before = this.#newest?.checkpoint.contents.logLength ?? 0;
    assert.ok(state.records.size >= before, 'records are gone');
    const ids = new Set([...state.records.values()].map(({ recordId }) => recordId));
    assert.equal(ids.size, state.records.size, 'a record stands twice in the log');
  }

  /** A process serves this head. */
  served(head: StoredHead, state: MemoryState): void {
    if (this.#served.has(head)) return;
    this.#served.add(head);
    this.guard(() => this.#see(head.checkpoint.contents, state));
  }

  /** The mark of what was last signed has become durable. */
  marked(mark: SignedMark, state: MemoryState): void {
    this.guard(() => {
      assert.ok(!this.sealed, 'the mark was changed for a store that is not the newest');
      const { logLength, timestamp } = this.#mark ?? { logLength: 0, timestamp: 0 };
      const isBehind = mark.logLength < logLength || mark.timestamp < timestamp;
      assert.ok(!isBehind || this.rivals, 'the mark went back');
      this.#mark = mark;
      this.#see(mark, state);
    });
  }

  #see(head: SignedMark, state: MemoryState): void {
    const { logLength, logRoot, mapRoot } = head;
    const seen = this.#seen.get(logLength);
    if (seen === undefined) {
      assert.deepEqual(
        { logRoot, mapRoot },
        this.#rootsOf(state, logLength),
        `the roots seen at ${logLength} are right`,
      );
      this.#seen.set(logLength, { logRoot, mapRoot });
    } else {
      assert.deepEqual({ logRoot, mapRoot }, seen, `two histories of length ${logLength}`);
    }
    for (let index = 0; index < logLength; index++) {
      const recordId = state.records.get(index)?.recordId;
      assert.ok(recordId !== undefined, `record ${index} of a head is not stored`);
      assert.equal(this.#seenRecords[index] ?? recordId, recordId, `record ${index} is another than was seen`);
      if (index === this.#seenRecords.length) this.#seenRecords.push(recordId);
    }
  }

  /** A client was told that a record is published; `servedLength` is that of the process that said so. */
  published(recordId: RecordId, registryIndex: number, state: MemoryState, servedLength: number): void {
    this.note('published');
    this.guard(() => {
      assert.equal(state.records.get(registryIndex)?.recordId, recordId, `${recordId} is not at ${registryIndex}`);
      assert.ok(
        registryIndex < servedLength || this.rivals,
        `${recordId} is called published, but no served head has it`,
      );
      const told = this.told(recordId);
      assert.equal(told.publishedAt ?? registryIndex, registryIndex, `${recordId} has two places`);
      told.publishedAt = registryIndex;
    });
  }

  /** A client was told that an accepted record was rejected, and why. */
  rejected(reason: string): void {
    this.note('rejected');
    this.guard(() =>
      assert.doesNotMatch(reason, INFRASTRUCTURE, 'a record was rejected for what is no fault of its own'),
    );
  }

  refused(recordId: RecordId, state: MemoryState): void {
    this.note('refused');
    this.guard(() => {
      assert.ok(!state.recordsById.has(recordId), `${recordId} was refused, and is in the log`);
      this.told(recordId).refused = true;
    });
  }

  /** Everything once more, at the end of the history. */
  finish(state: MemoryState): void {
    this.guard(() => {
      checkHoldings(state);
      for (const [recordId, { publishedAt, refused }] of this.#told) {
        if (publishedAt !== null) {
          assert.equal(state.records.get(publishedAt)?.recordId, recordId, `${recordId} was acknowledged, and is lost`);
        }
        assert.ok(!refused || !state.recordsById.has(recordId), `${recordId} was refused, and is in the log`);
      }
      for (const [logLength, roots] of this.#seen) {
        assert.deepEqual(
          roots,
          this.#rootsOf(state, logLength),
          `the head seen at ${logLength} is consistent with the log`,
        );
      }
    });
  }

  #rootsOf(state: MemoryState, logLength: number): Roots {
    const records: PlainEntry[] = [];
    for (let index = 0; index < logLength; index++) {
      const record = state.records.get(index);
      assert.ok(record !== undefined, `record ${index} is missing`);
      records.push(record);
    }
    // The roots follow from what the records are, and most heads are looked at more than once.
    const key = records.map(({ logId, recordId }) => `${logId}${recordId}`).join('');
    const roots = this.#roots.get(key) ?? this.#hash(records);
    this.#roots.set(key, roots);
    return roots;
  }

  #hash(records: readonly PlainEntry[]): Roots {
    const leaves = records.map((record) => {
      const leaf = this.#leaves.get(record.recordId) ?? recordLeaf(record);
      this.#leaves.set(record.recordId, leaf);
      return leaf;
    });
    const newest = new Map(records.map(({ logId, recordId }) => [logId, recordId]));
    const entries = [...newest].map(([logId, recordId]) => ({ logId, recordId }));
    return { logRoot: formatDigest(plainLogRoot(leaves)), mapRoot: formatDigest(this.#map.root(entries)) };
  }
}

/** One leaf for each length at which a head was signed, and notes over both logs. */
/** Each release is found by its content, and nothing else is. */
function checkHoldings({ records, holdings }: MemoryState): void {
  const right = [...records.values()].flatMap(holdingsOfStored);
  const text = ({ digest, registryIndex, entryIndex }: Holding): string => `${digest} ${registryIndex} ${entryIndex}`;
  assert.deepEqual([...holdings.values()].map(text).toSorted(), right.map(text).toSorted(), 'holdings are wrong');
}

function checkHeadsLog({ heads, newest, notes }: MemoryState): void {
  const lengths = [...heads.keys()].toSorted((a, b) => a - b);
  const leaves = lengths.map((length) => {
    const head = heads.get(length);
    assert.ok(head !== undefined);
    return headLeaf(head.checkpoint.contents);
  });
  for (const [i, length] of lengths.entries()) {
    assert.equal(heads.get(length)?.headsLength, i + 1, `the heads log has one leaf for each length up to ${length}`);
  }
  const { logLength = 0, logRoot = '' } = newest?.checkpoint.contents ?? {};
  const records = Buffer.from(logRoot.slice('sha256:'.length), 'hex');
  assert.ok(notes !== null);
  assert.ok(
    notes.records.startsWith(`test.invalid/records\n${logLength}\n${encodeBase64(records)}\n\n`),
    'the records note',
  );
  const size = lengths.length;
  assert.ok(
    notes.heads.startsWith(`test.invalid/heads\n${size}\n${encodeBase64(plainLogRoot(leaves))}\n\n`),
    'the heads note',
  );
}
