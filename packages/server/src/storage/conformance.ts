import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  concatBytes,
  digestBytes,
  digestOf,
  isRegistryError,
  packageLogId,
  parsePackageName,
  recordIdOf,
  utf8,
  type Digest,
  type ErrorCode,
  type LogId,
  type PackageName,
} from '@waybill/protocol';
import type {
  Commit,
  Holding,
  LogNotes,
  MapPageWrite,
  PendingRecord,
  RegistryStore,
  StoredHead,
  StoredRecord,
} from '../core/ports.ts';

/* The contract of RegistryStore as tests: every driver runs them, and what they do not ask for no caller may rely on. */

/** One fresh, empty place to store in. */
export interface StoreHarness {
  /** A store over it. */
  readonly store: RegistryStore;
  /** Another store over the same place; those opened before may still be open. The caller closes it. */
  readonly reopen: () => Promise<RegistryStore>;
  /** Closes {@link store} where it is still open, and removes the place. */
  readonly dispose: () => Promise<void>;
}

type Check = (title: string, run: (harness: StoreHarness) => Promise<void>) => void;

/** Registers the suite for one driver; each test gets a place of its own from `open`. */
export function registryStoreSuite(driver: string, open: () => Promise<StoreHarness>): void {
  const check: Check = (title, run) => {
    test(title, () => runIn(open, run));
  };
  describe(`RegistryStore: ${driver}`, () => {
    const groups = [
      checkEmpty,
      checkHead,
      checkRace,
      checkAtomicity,
      checkRecords,
      checkLogs,
      checkHeads,
      checkFirstHeads,
      checkTiles,
      checkPruning,
      checkHoldings,
    ];
    for (const group of groups) group(check);
    for (const group of [checkPending, checkSettling, checkDurability, checkExactness]) group(check);
  });
}

async function runIn(open: () => Promise<StoreHarness>, run: (harness: StoreHarness) => Promise<void>): Promise<void> {
  const harness = await open();
  try {
    await run(harness);
  } finally {
    await harness.dispose();
  }
}

const SAMPLE_LOGS: readonly PackageName[] = ['demo:apple', 'demo:birch', 'demo:cedar'].map(parsePackageName);
const TILE_RECORDS = 256;

/** Record `index` of the sample registry: the records take turns in three logs. */
export function sampleRecord(index: number): StoredRecord {
  const turn = index % SAMPLE_LOGS.length;
  const contents = utf8(`contents ${index}`);
  return {
    registryIndex: index,
    logId: sampleLog(turn).logId,
    logPosition: (index - turn) / SAMPLE_LOGS.length,
    recordId: recordIdOf('package', contents),
    envelope: { contents, keyId: digest(`key ${turn}`), signature: `ecdsa-p256:${index}`, cosignatures: [] },
  };
}

/** The commit that grows the sample registry from `from` records to `to`. */
export function sampleCommit(from: number, to: number): Commit {
  const records = Array.from({ length: to - from }, (_, i) => sampleRecord(from + i));
  const tile = to === 0 ? 0 : Math.floor((to - 1) / TILE_RECORDS);
  return {
    records,
    names: records.filter(({ logPosition }) => logPosition === 0).map(({ registryIndex }) => sampleLog(registryIndex)),
    tiles: [{ log: 'records', level: 0, index: tile, hashes: sampleHashes(tile * TILE_RECORDS, to) }],
    mapPages: [{ prefix: '', version: to, bytes: utf8(`page of ${to}`), replaces: from || null }],
    head: sampleHead(to),
    notes: sampleNotes(to),
    holdings: records.map(({ registryIndex }) => sampleHolding(registryIndex)),
    settled: [],
  };
}

/** Each record of the sample registry releases one of two contents. */
function sampleHolding(index: number): Holding {
  return { digest: digest(`content ${index % 2}`), registryIndex: index, entryIndex: index % 3 };
}

/** What a sample tile holds for the records from `from` on, below `to`. */
export function sampleHashes(from: number, to: number): Uint8Array {
  return concatBytes(...Array.from({ length: to - from }, (_, i) => digestBytes(digest(`leaf ${from + i}`))));
}

/** The head of the sample registry at `logLength`; `signing` tells two signings of one length apart. */
export function sampleHead(logLength: number, signing = 0): StoredHead {
  const contents = {
    logLength,
    logRoot: digest(`log root ${logLength}`),
    mapRoot: digest(`map root ${logLength}`),
    timestamp: 1_700_000_000 + logLength + signing,
  };
  const checkpoint = { contents, keyId: digest('operator'), signature: `ecdsa-p256:${logLength}.${signing}` };
  return { checkpoint, mapVersion: logLength, headsLength: logLength + 1 };
}

function sampleNotes(logLength: number): LogNotes {
  return { records: `records \u2014 ${logLength}\n`, heads: `heads \u2014 ${logLength}\n` };
}

function sampleLog(turn: number): { logId: LogId; name: PackageName } {
  const name = SAMPLE_LOGS[turn] ?? assert.fail(`there is no sample log ${turn}`);
  return { logId: packageLogId(name), name };
}

function samplePending(index: number, rejection: string | null = null): PendingRecord {
  const { recordId, logId, envelope } = sampleRecord(index);
  const { name } = sampleLog(index % SAMPLE_LOGS.length);
  return { recordId, logId, name, envelope, rejection, updatedAtMs: 1_700_000_000_000 + index };
}

function digest(text: string): Digest {
  return digestOf(utf8(text));
}

function failsWith(code: ErrorCode): (thrown: unknown) => boolean {
  return (thrown) => isRegistryError(thrown, code);
}

/** An empty re-signing: the head alone. */
function resigning(head: StoredHead): Commit {
  const notes = sampleNotes(0);
  return { records: [], names: [], holdings: [], tiles: [], mapPages: [], head, notes, settled: [] };
}

/** Everything the sample registry could have in `store`, to compare before with after. */
async function contentsOf(store: RegistryStore): Promise<unknown> {
  const logs = SAMPLE_LOGS.map((_, turn) => sampleLog(turn).logId);
  return {
    head: await store.readHead(),
    records: await store.readRecords(0, 1_000),
    names: await store.readNames(logs),
    pending: await store.listPending(),
    tile: await store.readTiles('records', [{ level: 0, index: 0 }]),
    held: await store.readHoldings(digest('content 0'), { after: null, belowIndex: 1_000, limit: 1_000 }),
  };
}

function checkEmpty(check: Check): void {
  check('an empty store has nothing, and says so', async ({ store }) => {
    const { recordId, logId } = sampleRecord(0);
    assert.equal(await store.readHead(), null);
    assert.equal(await store.readHeadAt(0), null);
    assert.equal(await store.readHeadAsOf(Number.MAX_SAFE_INTEGER), null);
    assert.equal(await store.readHeadCovering(0), null);
    assert.equal(await store.readNotes(), null);
    assert.equal(await store.readMapFloor(), 0);
    assert.equal(await store.readRecord(recordId), null);
    assert.deepEqual(await store.readLog(logId, { fromPosition: 0, belowIndex: 10, limit: 10 }), []);
    assert.deepEqual(await store.readRecords(0, 10), []);
    assert.equal((await store.readNames([logId])).size, 0);
    assert.deepEqual(await store.readTiles('records', []), []);
    assert.deepEqual(await store.readMapPages([]), []);
    assert.equal(await store.readPending(recordId), null);
    assert.deepEqual(await store.listPending(), []);
    assert.deepEqual(await store.readHoldings(digest('content 0'), { after: null, belowIndex: 9, limit: 9 }), []);
    assert.equal(await store.readHoldingsGap(), null);
  });
}

function checkHead(check: Check): void {
  check('a commit on the head is kept; on anything else it is a conflict', async ({ store }) => {
    await assert.rejects(store.commit(0, sampleCommit(0, 1)), failsWith('head/conflict'));
    await store.commit(null, sampleCommit(0, 2));
    const before = await contentsOf(store);
    for (const previous of [null, 0, 1, 3, 5]) {
      await assert.rejects(store.commit(previous, sampleCommit(2, 5)), failsWith('head/conflict'));
    }
    assert.deepEqual(await contentsOf(store), before);
    await store.commit(2, sampleCommit(2, 5));
    assert.deepEqual(await store.readHead(), sampleHead(5));
  });

  check('a head of length 0 differs from no head', async ({ store }) => {
    await store.commit(null, resigning({ ...sampleHead(0), mapVersion: null }));
    assert.deepEqual(await store.readHead(), { ...sampleHead(0), mapVersion: null });
    await assert.rejects(store.commit(null, sampleCommit(0, 1)), failsWith('head/conflict'));
    await store.commit(0, sampleCommit(0, 1));
  });
}

function checkRace(check: Check): void {
  check('of writers that race in two stores exactly one wins each head', async ({ store, reopen }) => {
    const other = await reopen();
    try {
      for (let length = 0; length < 20; length++) {
        const previous = length === 0 ? null : length;
        const racing = [store, other, store, other].map((each) =>
          each.commit(previous, sampleCommit(length, length + 1)),
        );
        const lost = (await Promise.allSettled(racing)).filter((one) => one.status === 'rejected');
        assert.equal(lost.filter(({ reason }) => isRegistryError(reason, 'head/conflict')).length, 3);
        assert.equal(lost.length, 3);
        assert.deepEqual(await other.readHead(), await store.readHead());
      }
      assert.equal((await store.readRecords(0, 100)).length, 20);
    } finally {
      await other.close();
    }
  });
}

function checkAtomicity(check: Check): void {
  const clashes: readonly (readonly [string, (commit: Commit) => Commit])[] = [
    ['record id', (commit) => ({ ...commit, records: withLast(commit, { recordId: sampleRecord(1).recordId }) })],
    ['registry index', (commit) => ({ ...commit, records: withLast(commit, { registryIndex: 1 }) })],
    ['log position', (commit) => ({ ...commit, records: withLast(commit, { logPosition: 0 }) })],
    ['page of the map', (commit) => ({ ...commit, mapPages: sampleCommit(0, 3).mapPages })],
    ['holding within the commit', (commit) => ({ ...commit, holdings: [...commit.holdings, ...commit.holdings] })],
    ['record id within the commit', (commit) => ({ ...commit, records: [...commit.records, ...commit.records] })],
  ];
  for (const [what, spoil] of clashes) {
    check(`a commit that brings a ${what} again fails and changes nothing`, async ({ store }) => {
      await store.commit(null, sampleCommit(0, 3));
      await store.putPending(samplePending(4));
      const before = await contentsOf(store);
      const good = { ...sampleCommit(3, 6), settled: [sampleRecord(4).recordId] };
      await assert.rejects(store.commit(3, spoil(good)), failsWith('storage/damaged'));
      assert.deepEqual(await contentsOf(store), before);
      assert.equal(await store.readRecord(sampleRecord(3).recordId), null);
      assert.equal(await store.readHeadAt(6), null);
      await store.commit(3, good);
      assert.deepEqual(await store.readHead(), sampleHead(6));
    });
  }
}

function withLast({ records }: Commit, change: Partial<StoredRecord>): StoredRecord[] {
  const last = records.at(-1) ?? assert.fail('the commit has no record');
  return [...records.slice(0, -1), { ...last, ...change }];
}

function checkRecords(check: Check): void {
  check('records come back exactly, by id and in pages by index', async ({ store }) => {
    await store.commit(null, sampleCommit(0, 4));
    await store.commit(4, sampleCommit(4, 10));
    for (let index = 0; index < 10; index++) {
      assert.deepEqual(await store.readRecord(sampleRecord(index).recordId), sampleRecord(index));
    }
    assert.equal(await store.readRecord(sampleRecord(10).recordId), null);
    assert.deepEqual(await store.readRecords(3, 4), [3, 4, 5, 6].map(sampleRecord));
    assert.deepEqual(await store.readRecords(8, 4), [8, 9].map(sampleRecord));
    assert.deepEqual(await store.readRecords(10, 4), []);
    assert.deepEqual(await store.readRecords(0, 0), []);
  });

  check('names are listed as paths, in the order of those, page by page', async ({ store }) => {
    assert.deepEqual(await store.listNamePaths(null, 9), []);
    const commit = sampleCommit(0, 3);
    // As names they have another order: `a-b:c`, `a0:b`, `a:b`.
    const chosen = ['a:b', 'a-b:c', 'a0:b'].map(parsePackageName);
    const names = commit.names.map(({ logId }, index) => ({ logId, name: chosen[index] ?? assert.fail() }));
    await store.commit(null, { ...commit, names });
    assert.deepEqual(await store.listNamePaths(null, 9), ['a-b/c', 'a/b', 'a0/b']);
    assert.deepEqual(await store.listNamePaths(null, 2), ['a-b/c', 'a/b']);
    assert.deepEqual(await store.listNamePaths('a-b/c', 1), ['a/b']);
    assert.deepEqual(await store.listNamePaths('a/b0', 9), ['a0/b']);
    assert.deepEqual(await store.listNamePaths('a0/b', 9), []);
  });

  check('names of known logs come back, unknown ones are absent', async ({ store }) => {
    await store.commit(null, sampleCommit(0, 2));
    const logs = [0, 1, 2].map((turn) => sampleLog(turn));
    const names = await store.readNames([...logs, ...logs].map(({ logId }) => logId));
    assert.deepEqual(names, new Map(logs.slice(0, 2).map(({ logId, name }) => [logId, name])));
  });
}

function checkLogs(check: Check): void {
  check('one log is read in order, from a position, below an index, in pages', async ({ store }) => {
    await store.commit(null, sampleCommit(0, 30));
    const { logId } = sampleRecord(1);
    const indexes = async (fromPosition: number, belowIndex: number, limit: number): Promise<number[]> =>
      (await store.readLog(logId, { fromPosition, belowIndex, limit })).map(({ registryIndex }) => registryIndex);
    assert.deepEqual(await indexes(0, 30, 100), [1, 4, 7, 10, 13, 16, 19, 22, 25, 28]);
    assert.deepEqual(await indexes(0, 30, 3), [1, 4, 7]);
    assert.deepEqual(await indexes(3, 30, 3), [10, 13, 16]);
    assert.deepEqual(await indexes(8, 30, 3), [25, 28]);
    assert.deepEqual(await indexes(10, 30, 3), []);
    assert.deepEqual(await indexes(0, 10, 100), [1, 4, 7]);
    assert.deepEqual(await indexes(2, 11, 100), [7, 10]);
    assert.deepEqual(await indexes(0, 1, 100), []);
    assert.deepEqual(await indexes(0, Number.MAX_SAFE_INTEGER, 1), [1]);
    assert.deepEqual(await store.readLog(logId, { fromPosition: 9, belowIndex: 30, limit: 5 }), [sampleRecord(28)]);
  });
}

function checkHeads(check: Check): void {
  check('a head stays readable at every length that was signed', async ({ store }) => {
    await store.commit(null, sampleCommit(0, 3));
    await store.commit(3, sampleCommit(3, 7));
    assert.deepEqual(await store.readHeadAt(3), sampleHead(3));
    assert.deepEqual(await store.readHeadAt(7), sampleHead(7));
    for (const unsigned of [0, 1, 4, 8]) assert.equal(await store.readHeadAt(unsigned), null);
    assert.deepEqual(await store.readHead(), sampleHead(7));
  });

  check('a head is found by the time it was signed; the notes are those of the newest', async ({ store }) => {
    await store.commit(null, sampleCommit(0, 3));
    await store.commit(3, sampleCommit(3, 7));
    const { timestamp } = sampleHead(3).checkpoint.contents;
    assert.equal(await store.readHeadAsOf(timestamp - 1), null);
    for (const later of [0, 1, 3]) assert.deepEqual(await store.readHeadAsOf(timestamp + later), sampleHead(3));
    assert.deepEqual(await store.readHeadAsOf(timestamp + 4), sampleHead(7));
    assert.deepEqual(await store.readNotes(), sampleNotes(7));
  });

  check('a head is signed again at its length, without records', async ({ store }) => {
    await store.commit(null, sampleCommit(0, 3));
    await store.commit(3, resigning(sampleHead(3, 1)));
    assert.deepEqual(await store.readHead(), sampleHead(3, 1));
    assert.deepEqual(await store.readHeadAt(3), sampleHead(3, 1));
    await assert.rejects(store.commit(2, resigning(sampleHead(2, 1))), failsWith('head/conflict'));
    await assert.rejects(store.commit(3, resigning(sampleHead(3))), failsWith('head/conflict'));
    assert.deepEqual(await store.readHead(), sampleHead(3, 1));
    await store.commit(3, sampleCommit(3, 4));
    assert.deepEqual(await store.readHeadAt(3), sampleHead(3, 1));
  });
}

function checkFirstHeads(check: Check): void {
  check('the first head that covered a record stays as it was first signed', async ({ store, reopen }) => {
    await store.commit(null, sampleCommit(0, 3));
    await store.commit(3, sampleCommit(3, 7));
    for (const covered of [0, 2]) assert.deepEqual(await store.readHeadCovering(covered), sampleHead(3));
    for (const covered of [3, 6]) assert.deepEqual(await store.readHeadCovering(covered), sampleHead(7));
    assert.equal(await store.readHeadCovering(7), null);
    for (const signing of [1, 2]) await store.commit(7, resigning(sampleHead(7, signing)));
    await store.commit(7, sampleCommit(7, 9));
    const other = await reopen();
    for (const each of [store, other]) {
      assert.deepEqual(await each.readHeadCovering(6), sampleHead(7));
      assert.deepEqual(await each.readHeadAt(7), sampleHead(7, 2));
      assert.deepEqual(await each.readHeadCovering(8), sampleHead(9));
    }
    await other.close();
  });
}

function checkHoldings(check: Check): void {
  check('releases are found by their content, in order, below an index, in pages', async ({ store, reopen }) => {
    await store.commit(null, sampleCommit(0, 3));
    await store.commit(3, sampleCommit(3, 10));
    const twice = { digest: digest('content 0'), registryIndex: 10, entryIndex: 0 };
    const holdings = [{ ...twice, entryIndex: 11 }, twice];
    await store.commit(10, { ...sampleCommit(10, 11), holdings });
    const even = [...[0, 2, 4, 6, 8].map(sampleHolding), ...holdings.toReversed()];
    const other = await reopen();
    for (const each of [store, other]) {
      const read = async (after: Holding | null, belowIndex: number, limit: number): Promise<Holding[]> =>
        each.readHoldings(twice.digest, { after, belowIndex, limit });
      assert.deepEqual(await read(null, 100, 100), even);
      assert.deepEqual(await read(null, 8, 100), even.slice(0, 4));
      for (const [i, holding] of even.entries())
        assert.deepEqual(await read(holding, 100, 2), even.slice(i + 1, i + 3));
      assert.deepEqual(await each.readHoldings(digest('content 2'), { after: null, belowIndex: 99, limit: 9 }), []);
      assert.equal(await each.readHoldingsGap(), null);
    }
    await other.close();
  });

  check('without a gap nothing is filled in', async ({ store }) => {
    await store.commit(null, sampleCommit(0, 3));
    const before = await contentsOf(store);
    await store.fillHoldings({ from: 0, to: 3 }, [{ ...sampleHolding(0), entryIndex: 99 }]);
    assert.deepEqual(await contentsOf(store), before);
  });
}

function checkPruning(check: Check): void {
  const page = (prefix: string, version: number, replaces: number | null = null): MapPageWrite => ({
    prefix,
    version,
    bytes: utf8(`${prefix}@${version}`),
    replaces,
  });
  /** What each commit writes; the newest of a prefix at or below the floor is the one that its root needs. */
  const written = [
    [page('', 1), page('a', 1), page('ab', 1), page('abc', 1)],
    [page('', 2, 1), page('a', 2, 1), page('b', 2)],
    [page('', 3, 2), page('a', 3, 2), page('ab', 3, 1)],
    [page('', 4, 3), page('b', 4, 2)],
  ];

  for (const pages of [1, 2, 3, 1_000]) {
    check(
      `pruning, ${pages} at a step, leaves what newer roots need and goes on where it stopped`,
      async ({ store }) => {
        for (const [i, mapPages] of written.entries())
          await store.commit(i || null, { ...sampleCommit(i, i + 1), mapPages });
        let cursor = await store.pruneMap(3, null, pages);
        for (let steps = 0; cursor !== null; steps++) {
          assert.ok(steps < 100);
          cursor = await store.pruneMap(3, cursor, pages);
        }
        assert.equal(await store.readMapFloor(), 3);
        const needed = [
          page('', 3),
          page('a', 3),
          page('b', 2),
          page('ab', 3),
          page('abc', 1),
          page('', 4),
          page('b', 4),
        ];
        assert.deepEqual(
          await store.readMapPages(needed),
          needed.map(({ bytes }) => bytes),
        );
        for (const gone of [page('', 1), page('a', 1), page('', 2), page('a', 2), page('ab', 1)]) {
          await assert.rejects(store.readMapPages([gone]), failsWith('storage/damaged'));
        }
      },
    );
  }
}

function checkTiles(check: Check): void {
  check('a tile is rewritten; the answer has the order asked', async ({ store }) => {
    await store.commit(null, sampleCommit(0, 1));
    await store.commit(1, sampleCommit(1, TILE_RECORDS));
    await store.commit(TILE_RECORDS, sampleCommit(TILE_RECORDS, 300));
    const [first, second] = [sampleHashes(0, TILE_RECORDS), sampleHashes(TILE_RECORDS, 300)];
    const asked = [1, 0, 1].map((index) => ({ level: 0, index }));
    assert.deepEqual(await store.readTiles('records', asked), [second, first, second]);
  });

  check('pages of the map stay as they were; the answer has the order asked', async ({ store }) => {
    await store.commit(null, sampleCommit(0, 1));
    await store.commit(1, sampleCommit(1, 2));
    const asked = [2, 1, 2].map((version) => ({ prefix: '', version }));
    assert.deepEqual(await store.readMapPages(asked), ['page of 2', 'page of 1', 'page of 2'].map(utf8));
  });

  check('the logs have tiles of their own', async ({ store }) => {
    const tile = { log: 'heads', level: 0, index: 0, hashes: sampleHashes(7, 9) } as const;
    const commit = sampleCommit(0, 2);
    await store.commit(null, { ...commit, tiles: [...commit.tiles, tile] });
    assert.deepEqual(await store.readTiles('heads', [tile]), [tile.hashes]);
    assert.deepEqual(await store.readTiles('records', [tile]), [sampleHashes(0, 2)]);
  });

  check('a missing tile or page means damage', async ({ store }) => {
    await store.commit(null, sampleCommit(0, 1));
    const tiles = [0, 1].map((index) => ({ level: 0, index }));
    await assert.rejects(store.readTiles('records', tiles), failsWith('storage/damaged'));
    await assert.rejects(store.readTiles('records', [{ level: 1, index: 0 }]), failsWith('storage/damaged'));
    await assert.rejects(store.readMapPages([{ prefix: '', version: 2 }]), failsWith('storage/damaged'));
    await assert.rejects(store.readMapPages([{ prefix: 'a', version: 1 }]), failsWith('storage/damaged'));
  });
}

function checkPending(check: Check): void {
  check('a pending record is put, replaced, listed oldest first and deleted', async ({ store }) => {
    for (const index of [2, 0, 1]) await store.putPending(samplePending(index));
    assert.deepEqual(
      await store.listPending(),
      [0, 1, 2].map((index) => samplePending(index)),
    );
    const rejected = { ...samplePending(0, 'no content came'), updatedAtMs: 1_800_000_000_000 };
    await store.putPending(rejected);
    assert.deepEqual(await store.readPending(rejected.recordId), rejected);
    assert.deepEqual(await store.listPending(), [samplePending(1), samplePending(2), rejected]);
    await store.deletePending(rejected.recordId);
    await store.deletePending(rejected.recordId);
    assert.equal(await store.readPending(rejected.recordId), null);
    assert.deepEqual(await store.listPending(), [samplePending(1), samplePending(2)]);
  });
}

function checkSettling(check: Check): void {
  check('a commit removes the pending records it settles, and no others', async ({ store }) => {
    for (const index of [0, 1, 2]) await store.putPending(samplePending(index));
    const settled = [0, 1, 9].map((index) => sampleRecord(index).recordId);
    await assert.rejects(store.commit(5, { ...sampleCommit(0, 2), settled }), failsWith('head/conflict'));
    assert.equal((await store.listPending()).length, 3);
    await store.commit(null, { ...sampleCommit(0, 2), settled });
    assert.deepEqual(await store.listPending(), [samplePending(2)]);
    assert.deepEqual(await store.readRecord(sampleRecord(1).recordId), sampleRecord(1));
  });
}

function checkDurability(check: Check): void {
  check('everything is there after reopening', async ({ store, reopen }) => {
    await store.commit(null, sampleCommit(0, 5));
    await store.putPending(samplePending(7, 'late'));
    await store.commit(5, sampleCommit(5, 6));
    const before = await contentsOf(store);
    await store.close();
    const again = await reopen();
    try {
      assert.deepEqual(await contentsOf(again), before);
      assert.deepEqual(await again.readMapPages([{ prefix: '', version: 5 }]), [utf8('page of 5')]);
      assert.deepEqual(await again.readHeadAt(5), sampleHead(5));
      await again.commit(6, sampleCommit(6, 8));
    } finally {
      await again.close();
    }
  });

  check('a write of one store is seen by another at once', async ({ store, reopen }) => {
    const other = await reopen();
    try {
      assert.equal(await other.readHead(), null);
      await store.commit(null, sampleCommit(0, 5));
      await store.putPending(samplePending(7));
      assert.deepEqual(await contentsOf(other), await contentsOf(store));
    } finally {
      await other.close();
    }
  });

  check('a store that is closed refuses, and closing it again does nothing', async ({ store }) => {
    await store.close();
    await store.close();
    await assert.rejects(store.readHead());
    await assert.rejects(store.commit(null, sampleCommit(0, 1)));
  });
}

function checkExactness(check: Check): void {
  check('texts and empty bytes come back as they were', async ({ store }) => {
    const texts = ['', 'nul\0inside', '\0', 'ünï-çødé 📦', "quote ' and %"];
    const records = texts.map((text, index) => ({
      ...sampleRecord(index),
      envelope: {
        contents: utf8(text),
        keyId: text,
        signature: `${text}!`,
        cosignatures: [{ keyId: text, signature: text }],
      },
    }));
    await store.commit(null, { ...sampleCommit(0, texts.length), records });
    assert.deepEqual(await store.readRecords(0, 100), records);
    for (const [index, text] of texts.entries()) {
      const pending = {
        ...samplePending(20 + index, text),
        envelope: {
          contents: utf8(text),
          keyId: text,
          signature: text,
          cosignatures: [{ keyId: 'a', signature: text }],
        },
      };
      await store.putPending(pending);
      assert.deepEqual(await store.readPending(pending.recordId), pending);
    }
  });

  check('bytes are kept although the caller uses the buffer again', async ({ store }) => {
    const contents = utf8('kept');
    const record = { ...sampleRecord(0), envelope: { ...sampleRecord(0).envelope, contents } };
    const writing = store.commit(null, { ...sampleCommit(0, 1), records: [record] });
    await writing;
    contents.fill(0);
    const read = await store.readRecord(record.recordId);
    assert.deepEqual(read?.envelope.contents, utf8('kept'));
    read?.envelope.contents.fill(0);
    assert.deepEqual((await store.readRecord(record.recordId))?.envelope.contents, utf8('kept'));
  });

  check('indexes, lengths and times are exact up to 2^53 - 1', async ({ store }) => {
    const largest = Number.MAX_SAFE_INTEGER;
    const record = { ...sampleRecord(0), registryIndex: largest - 1, logPosition: largest };
    const { checkpoint } = sampleHead(0);
    const contents = { ...checkpoint.contents, logLength: largest, timestamp: largest };
    const head = { checkpoint: { ...checkpoint, contents }, mapVersion: largest, headsLength: largest };
    const tile = { log: 'records', level: 6, index: largest, hashes: sampleHashes(0, 1) } as const;
    const page = { prefix: 'f'.repeat(64), version: largest, bytes: utf8('page'), replaces: null };
    await store.commit(null, { ...resigning(head), records: [record], tiles: [tile], mapPages: [page] });
    assert.deepEqual(await store.readHead(), head);
    assert.deepEqual(await store.readHeadAt(largest), head);
    const range = { fromPosition: largest, belowIndex: largest, limit: 1 };
    assert.deepEqual(await store.readLog(record.logId, range), [record]);
    assert.deepEqual(await store.readRecords(largest - 1, 1), [record]);
    assert.deepEqual(await store.readTiles('records', [tile]), [tile.hashes]);
    assert.deepEqual(await store.readMapPages([page]), [page.bytes]);
    await assert.rejects(store.readTiles('records', [{ level: 6, index: largest - 1 }]), failsWith('storage/damaged'));
    await assert.rejects(store.commit(largest - 1, resigning(head)), failsWith('head/conflict'));
  });
}
