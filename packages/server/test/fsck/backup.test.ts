import assert from 'node:assert/strict';
import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { digestHex, digestOf, isRegistryError, type ErrorCode } from '@waybill/protocol';
import { backup } from '../../src/backup.ts';
import { fsck, type FsckReport } from '../../src/fsck.ts';
import { logLength } from '../operator.ts';
import { Publisher, releaseOf, wasmOf } from '../publisher.ts';
import { RunningRegistry } from '../running-registry.ts';

const KEYS = ['heads-log.key', 'operator.key', 'records-log.key'];
const PACKAGES = 6;

let registry: RunningRegistry;

before(async () => {
  registry = await RunningRegistry.start();
  await new Publisher(registry, 'test:first').start();
});
after(() => registry.dispose());

const failsWith =
  (code: ErrorCode) =>
  (thrown: unknown): boolean =>
    isRegistryError(thrown, code);

const options = (out: string, keys = false): Parameters<typeof backup>[0] => ({
  data: registry.data(),
  out,
  keys,
  onProgress: () => undefined,
});

function check(data: string): Promise<FsckReport> {
  return fsck({ data, repair: false, content: true, onProgress: () => undefined });
}

test('a backup taken while publishing goes on is a whole registry, which fsck calls clean (threats D4, D7)', async () => {
  const out = path.join(registry.folder, 'busy');
  const done = new AbortController();
  const publishing = Promise.all(
    Array.from({ length: PACKAGES }, async (_, i) => {
      for (let n = 0; !done.signal.aborted; n++) await new Publisher(registry, `test:busy-p${i}-v${n}`).start();
    }),
  );
  const earlier = await logLength(registry);
  const report = await backup(options(out, true)).finally(() => done.abort());
  await publishing;
  assert.ok(report.logLength >= earlier && report.logLength <= (await logLength(registry)));
  assert.deepEqual(report.damaged, []);
  const checked = await check(out);
  // Nothing else than that it is not known what was last signed: a backup never says.
  assert.deepEqual(
    checked.flaws.map(({ kind }) => kind),
    ['last-signed'],
  );
  assert.deepEqual(checked.remarks, []);
  assert.equal(checked.records, report.logLength);
});

test('a backup has keys only when asked, readable by their owner alone, and never what was last signed', async () => {
  const [without, withKeys] = [path.join(registry.folder, 'without'), path.join(registry.folder, 'with')];
  await backup(options(without));
  assert.deepEqual((await readdir(without)).toSorted(), ['content', 'oci.sqlite', 'registry.sqlite']);
  await backup(options(withKeys, true));
  const files = (await readdir(withKeys)).toSorted();
  assert.deepEqual(files, ['content', ...KEYS, 'oci.sqlite', 'registry.sqlite'].toSorted());
  for (const key of KEYS) {
    assert.equal((await stat(path.join(withKeys, key))).mode & 0o777, 0o600);
    assert.deepEqual(await readFile(path.join(withKeys, key)), await readFile(registry.data(key)));
  }
});

test('a backup does not touch what is there', async () => {
  const out = path.join(registry.folder, 'there');
  await mkdir(out);
  await assert.rejects(backup(options(out)), failsWith('usage/invalid'));
  assert.deepEqual(await readdir(out), []);
  const cutOff = path.join(registry.folder, 'cut-off');
  await mkdir(`${cutOff}.partial`);
  await assert.rejects(backup(options(cutOff)), failsWith('usage/invalid'));
  await assert.rejects(backup({ ...options(cutOff), data: registry.folder }), failsWith('usage/invalid'));
});

test('damaged content is named, left out, and the rest is copied', async () => {
  const damaged = await RunningRegistry.start();
  const out = path.join(damaged.folder, 'out');
  try {
    const publisher = new Publisher(damaged, 'test:damaged');
    const [good, bad, gone] = [wasmOf('good'), wasmOf('bad'), wasmOf('gone')];
    const entries = [good, bad, gone].map((content, i) => releaseOf(`${i}.0.0`, content));
    await publisher.publish([publisher.init, ...entries], [good, bad, gone]);
    const fileOf = (data: string, content: Uint8Array): string => {
      const hex = digestHex(digestOf(content));
      return path.join(data, 'content', 'sha256', hex.slice(0, 2), hex);
    };
    await writeFile(fileOf(damaged.data(), bad), wasmOf('mad'));
    await rm(fileOf(damaged.data(), gone));
    const report = await backup({ ...options(out), data: damaged.data() });
    const at = report.damaged.map((damage) => damage.at);
    assert.deepEqual(at.toSorted(), [digestOf(bad), digestOf(gone)].toSorted());
    assert.equal(report.contents, 1);
    assert.deepEqual(await readFile(fileOf(out, good)), Buffer.from(good));
    await assert.rejects(stat(fileOf(out, bad)));
    const named = (await check(out)).flaws.filter(({ kind }) => kind === 'content').map((flaw) => flaw.at);
    assert.deepEqual(named.toSorted(), [digestOf(bad), digestOf(gone)].toSorted());
  } finally {
    await damaged.dispose();
  }
});

test('a record that waits for content is in the backup, with what has come of it', async () => {
  const out = path.join(registry.folder, 'waiting');
  const publisher = new Publisher(registry, 'test:waiting');
  const [one, two] = [wasmOf('waiting one'), wasmOf('waiting two')];
  const record = await publisher.record([publisher.init, releaseOf('1.0.0', one), releaseOf('2.0.0', two)]);
  await publisher.post(record);
  assert.equal((await publisher.upload(record.id, one)).status, 201);
  await backup(options(out, true));
  assert.deepEqual((await check(out)).remarks, []);
  await cp(registry.data('last-signed'), path.join(out, 'last-signed'));
  assert.deepEqual((await check(out)).flaws, []);
  const twin = await RunningRegistry.start({ data: out });
  assert.equal((await new Publisher(twin, 'test:waiting').upload(record.id, two)).status, 201);
  await twin.dispose();
});

test('a folder as a crash leaves it, its write-ahead log not folded in, is clean', async () => {
  const data = path.join(registry.folder, 'crashed');
  await cp(registry.data(), data, { recursive: true });
  assert.notEqual((await stat(path.join(data, 'registry.sqlite-wal'))).size, 0);
  assert.deepEqual((await check(data)).flaws, []);
});
