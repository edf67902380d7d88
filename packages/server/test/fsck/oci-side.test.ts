import assert from 'node:assert/strict';
import fs, { chmod, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { utf8 } from '@waybill/protocol';
import { parseRepository, parseTag, type OciDigest } from '@waybill/protocol/oci';
import { backup, type BackupReport } from '../../src/backup.ts';
import { openContentFiles } from '../../src/blobs/files/content-files.ts';
import { ociDigestOf, pushAtOnce, pushBlob, readBlob, sampleBlob } from '../../src/blobs/oci-conformance.ts';
import { blobFileOf } from '../../src/blobs/oci-files/oci-places.ts';
import { openOciStorage, type OciStorage } from '../../src/oci-storage.ts';
import { ociChange, sampleLink, sampleManifest } from '../../src/storage/oci-conformance.ts';
import { openDatabase } from '../../src/storage/sqlite-module.ts';
import { check, makeSampleRegistry, type SampleRegistry } from './sample-registry.ts';

const [DEMO, OTHER] = [parseRepository('demo/app'), parseRepository('other')];
const MANIFEST = utf8('{"layers":[]}');
const NAMED = sampleBlob(300_000);
const LOOSE = sampleBlob(10);
/** A row, where the others are files. */
const ROW = sampleBlob(2_000);

let sample: SampleRegistry;

before(async () => {
  sample = await makeSampleRegistry(0);
});
after(() => sample.dispose());

async function withStorage<T>(data: string, work: (storage: OciStorage) => Promise<T>): Promise<T> {
  const onFatal = (failure: unknown): never => {
    throw failure;
  };
  const storage = await openOciStorage(data, onFatal, await openContentFiles(path.join(data, 'content')));
  try {
    return await work(storage);
  } finally {
    await storage.close();
  }
}

/** A manifest, the blobs that it names, one of them in two repositories, a blob that none names, and an upload on its way. */
async function push(data: string): Promise<void> {
  await withStorage(data, async (storage) => {
    const named = await pushBlob(storage, NAMED, 'sha512');
    const loose = await pushBlob(storage, LOOSE);
    const row = await pushAtOnce(storage, ROW);
    const digest = ociDigestOf(MANIFEST);
    const links = [
      { ...sampleLink(DEMO, named), size: NAMED.length },
      { ...sampleLink(OTHER, named), size: NAMED.length },
      { ...sampleLink(DEMO, loose), size: LOOSE.length },
      { ...sampleLink(DEMO, row), size: ROW.length },
    ];
    await storage.blobs.makeDurable([named, row]);
    const manifests = [sampleManifest(DEMO, digest, { bytes: MANIFEST, names: [named, row] })];
    const tags = [{ repository: DEMO, tag: parseTag('v1'), digest }];
    await storage.store.write(ociChange({ links, manifests, tags }), true);
    await storage.uploads.start({ repository: DEMO, account: null });
  });
}

const blobFile = (data: string, digest: OciDigest): string => blobFileOf(path.join(data, 'oci'), digest).file;
const namedFile = (data: string): string => blobFile(data, ociDigestOf(NAMED, 'sha512'));
const looseFile = (data: string): string => blobFile(data, ociDigestOf(LOOSE));

/** Other bytes of the same length. */
async function damage(file: string): Promise<void> {
  await chmod(file, 0o640);
  await writeFile(
    file,
    (await readFile(file)).map((byte) => byte ^ 1),
  );
}

function sql(data: string, text: string): void {
  const database = openDatabase(path.join(data, 'oci.sqlite'), 'write');
  database.exec(text);
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  database.close();
}

/** What is done to a data folder; how many flaws and remarks it makes, and whether a repair leaves any. */
const CASES: readonly {
  readonly title: string;
  readonly harm: (data: string) => Promise<void> | void;
  readonly flaws: number;
  readonly remarks: number;
  readonly left: number;
}[] = [
  { title: 'nothing', harm: () => undefined, flaws: 0, remarks: 0, left: 0 },
  { title: 'a blob is gone', harm: (data) => rm(namedFile(data)), flaws: 1, remarks: 1, left: 0 },
  { title: 'a blob has other bytes', harm: (data) => damage(namedFile(data)), flaws: 1, remarks: 1, left: 0 },
  {
    title: 'a blob that no manifest names is gone',
    harm: (data) => rm(looseFile(data)),
    flaws: 0,
    remarks: 1,
    left: 0,
  },
  {
    title: 'a blob that no manifest names is cut off',
    harm: (data) => writeFile(looseFile(data), 'x'),
    flaws: 0,
    remarks: 1,
    left: 0,
  },
  {
    title: 'a small blob is gone',
    harm: (data) => sql(data, 'DELETE FROM blobs'),
    flaws: 1,
    remarks: 0,
    left: 0,
  },
  {
    title: 'a small blob has other bytes',
    harm: (data) => sql(data, 'UPDATE blobs SET bytes = zeroblob(length(bytes))'),
    flaws: 1,
    remarks: 0,
    left: 0,
  },
  {
    title: 'a small blob is cut off',
    harm: (data) => sql(data, 'UPDATE blobs SET bytes = substr(bytes, 2)'),
    flaws: 1,
    remarks: 0,
    left: 0,
  },
  {
    title: 'a manifest has other bytes',
    harm: (data) => sql(data, `UPDATE manifests SET bytes = x'00'`),
    flaws: 1,
    remarks: 0,
    left: 1,
  },
  {
    title: 'a link makes no sense',
    harm: (data) => sql(data, `UPDATE links SET repository = 'NO' WHERE repository = 'other'`),
    flaws: 1,
    remarks: 0,
    left: 1,
  },
  {
    title: 'links say wrongly that no manifest names them',
    harm: (data) => sql(data, 'UPDATE links SET is_named = 0'),
    flaws: 1,
    remarks: 0,
    left: 0,
  },
  {
    title: 'one of two links to a blob says another size',
    harm: (data) => sql(data, `UPDATE links SET size = 7 WHERE repository = 'demo/app' AND size = 300000`),
    flaws: 1,
    remarks: 0,
    left: 0,
  },
  {
    title: 'an adoption was cut off',
    harm: (data) => writeFile(path.join(data, 'oci', 'uploads', '01234567-89ab-4def-8123-456789abcdef.adopted'), 'x'),
    flaws: 0,
    remarks: 0,
    left: 0,
  },
  {
    title: 'a foreign file lies there',
    harm: (data) => writeFile(path.join(data, 'oci', 'blobs', 'stray'), ''),
    flaws: 0,
    remarks: 1,
    left: 0,
  },
  {
    title: 'the store is gone',
    harm: (data) => rm(path.join(data, 'oci.sqlite')),
    flaws: 1,
    remarks: 0,
    left: 1,
  },
  {
    title: 'the store is another file',
    harm: (data) => writeFile(path.join(data, 'oci.sqlite'), 'no database at all, but long enough to be looked at'),
    flaws: 1,
    remarks: 0,
    left: 1,
  },
];

for (const { title, harm, flaws, remarks, left } of CASES) {
  test(`fsck of the OCI side: ${title}`, async () => {
    const data = await sample.copy();
    const clean = await check(data);
    await push(data);
    await harm(data);
    const found = await check(data);
    assert.deepEqual(
      found.flaws.map(({ kind }) => kind),
      Array.from({ length: flaws }, () => 'oci'),
    );
    assert.equal(found.remarks.length - clean.remarks.length, remarks, found.remarks.join('\n'));
    const repaired = await check(data, { repair: true });
    assert.equal(repaired.flaws.length, left);
    assert.equal(repaired.repaired.length, flaws - left);
    assert.equal((await check(data)).flaws.length, left);
  });
}

test('a repair takes no blob away that is right, whatever one of its links says', async () => {
  for (const repository of ['demo/app', 'other']) {
    const data = await sample.copy();
    await push(data);
    sql(data, `UPDATE links SET size = 7 WHERE repository = '${repository}' AND size = 300000`);
    await check(data, { repair: true });
    await withStorage(data, async ({ store, blobs }) => {
      const digest = ociDigestOf(NAMED, 'sha512');
      const left = repository === 'other' ? DEMO : OTHER;
      assert.deepEqual(await store.listLinked(digest, { after: null, limit: 10 }), [left]);
      assert.equal(await blobs.size(digest), NAMED.length);
    });
  }
});

test('a store of a build that had no small blobs is checked and copied as it is', async () => {
  const data = await sample.copy();
  const bytes = sampleBlob(500);
  const digest = await withStorage(data, async (storage) => {
    const pushed = await pushBlob(storage, bytes);
    const link = { ...sampleLink(DEMO, pushed), size: bytes.length };
    const manifests = [sampleManifest(DEMO, ociDigestOf(MANIFEST), { bytes: MANIFEST, names: [pushed] })];
    await storage.store.write(ociChange({ links: [link], manifests }), true);
    return pushed;
  });
  sql(data, 'DROP TABLE blobs; PRAGMA user_version = 1;');
  assert.deepEqual((await check(data)).flaws, []);
  const { blobs, damaged, out } = await backupOf(data, `${data}-old`);
  assert.deepEqual([blobs, damaged], [1, []]);
  assert.deepEqual((await check(data, { repair: true })).repaired, []);
  for (const folder of [data, out]) {
    await withStorage(folder, async (storage) => {
      assert.deepEqual(await storage.store.listLinked(digest, { after: null, limit: 10 }), [DEMO]);
      assert.deepEqual(await readBlob(storage.blobs, digest, { start: 0, end: bytes.length }), bytes);
    });
  }
});

/** A small blob that came in both ways: the row counts. */
async function pushRowAndFile(data: string): Promise<void> {
  await push(data);
  await withStorage(data, async (storage) => {
    await pushBlob(storage, ROW);
    await storage.blobs.makeDurable([ociDigestOf(ROW)]);
  });
}

for (const [title, harm] of [
  ['has other bytes', 'UPDATE blobs SET bytes = zeroblob(length(bytes))'],
  ['is cut off', 'UPDATE blobs SET bytes = substr(bytes, 2)'],
] as const) {
  test(`a repair keeps a right file of a small blob whose row ${title}`, async () => {
    const data = await sample.copy();
    await pushRowAndFile(data);
    sql(data, harm);
    assert.equal((await check(data)).flaws.length, 1);
    const repaired = await check(data, { repair: true });
    assert.deepEqual([repaired.flaws.length, repaired.repaired.length], [0, 1]);
    await withStorage(data, async ({ store, blobs }) => {
      assert.deepEqual(await store.listLinked(ociDigestOf(ROW), { after: null, limit: 10 }), [DEMO]);
      assert.deepEqual(await readBlob(blobs, ociDigestOf(ROW), { start: 0, end: ROW.length }), ROW);
    });
  });
}

test('what a repair took away can be pushed again', async () => {
  const data = await sample.copy();
  await push(data);
  await damage(namedFile(data));
  await check(data, { repair: true });
  await assert.rejects(stat(namedFile(data)));
  await push(data);
  assert.deepEqual((await check(data)).flaws, []);
});

function backupOf(data: string, out: string): Promise<BackupReport> {
  return backup({ data, out, keys: true, onProgress: () => undefined });
}

test('a backup has what was pushed, no unfinished upload, and names what is damaged', async () => {
  const data = await sample.copy();
  await push(data);
  const whole = await backupOf(data, `${data}-whole`);
  assert.deepEqual([whole.blobs, whole.blobBytes, whole.damaged], [3, NAMED.length + LOOSE.length + ROW.length, []]);
  const checked = await check(whole.out);
  assert.deepEqual(
    checked.flaws.map(({ kind }) => kind),
    ['last-signed'],
  );
  await assert.rejects(readdir(path.join(whole.out, 'oci', 'uploads')));
  await withStorage(whole.out, async ({ store, blobs }) => {
    assert.equal(await store.readTag(DEMO, parseTag('v1')), ociDigestOf(MANIFEST));
    await blobs.makeDurable([ociDigestOf(NAMED, 'sha512'), ociDigestOf(LOOSE), ociDigestOf(ROW)]);
    assert.deepEqual(await readBlob(blobs, ociDigestOf(ROW), { start: 0, end: ROW.length }), ROW);
  });
  await damage(namedFile(data));
  await rm(looseFile(data));
  sql(data, 'UPDATE blobs SET bytes = zeroblob(length(bytes))');
  const damaged = await backupOf(data, `${data}-damaged`);
  assert.equal(damaged.blobs, 0);
  assert.deepEqual(
    damaged.damaged.map(({ at }) => at).toSorted(),
    [ociDigestOf(NAMED, 'sha512'), ociDigestOf(ROW)].toSorted(),
  );
});

test('a damaged store of the OCI side does not keep the log from its backup', async () => {
  const data = await sample.copy();
  await writeFile(path.join(data, 'oci.sqlite'), 'no database at all, but long enough to be looked at');
  const { damaged, out } = await backupOf(data, `${data}-log`);
  assert.deepEqual(
    damaged.map(({ at }) => at),
    ['oci.sqlite'],
  );
  await assert.rejects(stat(path.join(out, 'oci.sqlite')));
});

test('a backup goes on beside a server that writes and sweeps', async () => {
  const data = await sample.copy();
  await push(data);
  await withStorage(data, async (storage) => {
    const done = new AbortController();
    const writing = (async () => {
      for (let n = 0; !done.signal.aborted; n++) {
        const bytes = utf8(`blob ${n}`);
        const link = { ...sampleLink(OTHER, await pushBlob(storage, bytes)), size: bytes.length };
        await storage.store.write(ociChange({ links: [link] }), false);
        if (n % 2 === 0 && (await storage.store.deleteLink(OTHER, link.digest)))
          await storage.blobs.delete(link.digest);
      }
    })();
    const report = await backupOf(data, `${data}-busy`).finally(() => done.abort());
    await writing;
    assert.deepEqual(report.damaged, []);
  });
  const checked = await check(`${data}-busy`);
  assert.deepEqual(
    checked.flaws.map(({ kind }) => kind),
    ['last-signed'],
  );
});

/** Has `opened` hear of each file before it is opened. */
function watchOpens(opened: (file: string) => Promise<void>): () => void {
  const { open } = fs;
  fs.open = async (file, ...more) => {
    await opened(String(file));
    return open(file, ...more);
  };
  syncBuiltinESMExports();
  return () => {
    fs.open = open;
    syncBuiltinESMExports();
  };
}

test('a backup has everything that stays, however often something is swept under it', async () => {
  const data = await sample.copy();
  const out = `${data}-swept`;
  const victims: OciDigest[] = [];
  const stays: OciDigest[] = [];
  await withStorage(data, async (storage) => {
    // In the order in which they are copied: each blob that stays comes before one that will go, and the last one stays.
    for (let n = 0; n < 15; n++) {
      const bytes = utf8(`blob ${n}`);
      const digest = await pushBlob(storage, bytes);
      const repository = parseRepository(`swept/n${String(n).padStart(2, '0')}`);
      const link = { ...sampleLink(repository, digest), size: bytes.length };
      await storage.store.write(ociChange({ links: [link] }), false);
      (n % 2 === 0 ? stays : victims).push(digest);
    }
    const restore = watchOpens(async (file) => {
      // Wherever the copy is made, it is not here.
      const at = stays.findIndex((digest) => !file.startsWith(`${data}${path.sep}`) && file.endsWith(digest.slice(7)));
      const victim = victims[at];
      if (victim === undefined) return;
      const [repository] = await storage.store.listLinked(victim, { after: null, limit: 1 });
      assert.ok(repository !== undefined);
      await storage.store.deleteLink(repository, victim);
      await storage.blobs.delete(victim);
    });
    try {
      const { damaged } = await backupOf(data, out);
      assert.deepEqual(damaged, []);
    } finally {
      restore();
    }
  });
  for (const digest of stays) await stat(blobFile(out, digest));
});

/** The small blob is swept, and pushed again in the other way, while another is copied; a third has the store copied again. */
for (const [from, to] of [
  ['row', 'file'],
  ['file', 'row'],
] as const) {
  test(`a backup has a small blob that was a ${from} and is a ${to} by the time it is copied`, async () => {
    const data = await sample.copy();
    const ways = { row: pushAtOnce, file: pushBlob };
    const [first, moves, victim] = [sampleBlob(70_000), sampleBlob(900), sampleBlob(901)];
    await withStorage(data, async (storage) => {
      const { store, blobs } = storage;
      // Blobs are copied in the order of these names.
      const place = async (name: string, bytes: Uint8Array, way: typeof pushBlob): Promise<OciDigest> => {
        const digest = await way(storage, bytes);
        const repository = parseRepository(`moved/${name}`);
        const manifest = sampleManifest(repository, ociDigestOf(MANIFEST), { bytes: MANIFEST, names: [digest] });
        const links = [{ ...sampleLink(repository, digest), size: bytes.length }];
        await store.write(ociChange({ links, manifests: [manifest] }), true);
        return digest;
      };
      const move = async (): Promise<void> => {
        await blobs.delete(ociDigestOf(moves));
        await place('b', moves, ways[to]);
      };
      const early = await place(from === 'file' ? 'a' : 'c', first, pushBlob);
      await place('b', moves, ways[from]);
      const gone = await place('d', victim, pushBlob);
      let hasMoved = false;
      const restore = watchOpens(async (file) => {
        if (file.startsWith(`${data}${path.sep}`) || !file.endsWith(early.slice(7)) || hasMoved) return;
        hasMoved = true;
        await move();
        if (from === 'file') return;
        await store.deleteManifest(parseRepository('moved/d'), ociDigestOf(MANIFEST));
        await store.deleteLink(parseRepository('moved/d'), gone);
        await blobs.delete(gone);
      });
      try {
        const { damaged } = await backupOf(data, `${data}-moved`);
        assert.deepEqual(damaged, []);
      } finally {
        restore();
      }
      assert.ok(hasMoved);
    });
    await withStorage(`${data}-moved`, async ({ blobs }) => {
      const range = { start: 0, end: moves.length };
      assert.deepEqual(await readBlob(blobs, ociDigestOf(moves), range), moves);
    });
  });
}
