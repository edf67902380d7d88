import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import {
  digestOf,
  isRegistryError,
  packageLogId,
  timestampFromMs,
  utf8,
  type Digest,
  type ErrorCode,
  type PackageEntry,
  type RecordId,
} from '@waybill/protocol';
import { TREE_BYTES_MAX, TREE_FILES_MAX } from '@waybill/protocol/content';
import { TreeFiles } from '../../src/core/tree-files.ts';
import { testHomeOf } from '../home.ts';
import { holderNamed, signJointly } from '../joint-record.ts';
import { wasmOf, type LooseRecord } from '../publisher.ts';
import { releaseAs, treeOf, type TestTree } from '../test-tree.ts';
import { openCore, PACKAGE, STARTED_MS, type CoreOptions, type RegistryCore } from './registry-core.ts';

/* Trees of files and kinds on their way in: spec/content.md 3 and 4, spec/http.md 5.8. */

const LOG = packageLogId(PACKAGE);
const ROOT: PackageEntry = { type: 'root', holder: holderNamed('alice') };
const COMPONENT = Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0);
const SITE = treeOf({ 'component.wasm': COMPONENT, 'readme.md': '# site', 'wit/a': 'same', 'wit/b': 'same' });

let core: RegistryCore;
const opened: RegistryCore[] = [];
let head: RecordId | null;

async function open(options: CoreOptions = {}): Promise<RegistryCore> {
  const one = await openCore(options);
  opened.push(one);
  return one;
}

beforeEach(async () => {
  core = await open();
  head = null;
});
afterEach(() => Promise.all(opened.splice(0).map((one) => one.dispose())));

function signed(...releases: readonly PackageEntry[]): Promise<LooseRecord> {
  const entries = head === null ? [ROOT, ...releases] : releases;
  return signJointly(entries, { prev: head, time: timestampFromMs(STARTED_MS), home: testHomeOf(LOG), by: ['alice'] });
}

const treeRelease = (version: string, { index }: TestTree): PackageEntry => releaseAs('tree', version, index);

async function missingOf(record: LooseRecord): Promise<readonly string[]> {
  const status = await core.publish(PACKAGE, record);
  return status.state === 'sourcing' ? [...status.missingContent.keys()].toSorted() : [];
}

function upload({ id }: LooseRecord, bytes: Uint8Array, digest: Digest = digestOf(bytes)): Promise<void> {
  const body = async function* (): AsyncIterable<Uint8Array> {
    yield bytes;
  };
  return core.publishing.upload(LOG, id, digest, body());
}

async function stateOf({ id }: LooseRecord): Promise<string> {
  return (await core.publishing.status(LOG, id)).state;
}

const failsWith =
  (code: ErrorCode) =>
  (thrown: unknown): boolean =>
    isRegistryError(thrown, code);

async function publishSite(): Promise<void> {
  const record = await signed(treeRelease('1.0.0', SITE));
  await core.publish(PACKAGE, record);
  await upload(record, SITE.index);
  for (const bytes of SITE.contents.values()) await upload(record, bytes);
  assert.equal(await stateOf(record), 'published');
  head = record.id;
}

test('the index of a tree is missing first, then the files that it names, each once', async () => {
  const record = await signed(treeRelease('1.0.0', SITE));
  assert.deepEqual(await missingOf(record), [SITE.digest]);
  await assert.rejects(upload(record, COMPONENT), failsWith('publish/not-wanted'));
  await upload(record, SITE.index);
  assert.equal(await stateOf(record), 'processing');
  assert.deepEqual(await missingOf(record), [...SITE.contents.keys()].toSorted());
  await assert.rejects(upload(record, utf8('# other'), digestOf(utf8('# site'))), failsWith('content/digest'));
  const [last, ...others] = SITE.contents.values();
  for (const bytes of others) await upload(record, bytes);
  assert.deepEqual(await missingOf(record), [digestOf(last ?? assert.fail())]);
  await upload(record, last ?? assert.fail());
  assert.equal(await stateOf(record), 'published');
});

test('files that are here are not asked for, and a tree of such files is published at once', async () => {
  await publishSite();
  const more = treeOf({ 'component.wasm': COMPONENT, 'readme.md': '# more' });
  const record = await signed(treeRelease('1.1.0', more));
  assert.deepEqual(await missingOf(record), [more.digest]);
  await upload(record, more.index);
  assert.deepEqual(await missingOf(record), [digestOf(utf8('# more'))]);
  await upload(record, utf8('# more'));
  head = record.id;
  assert.equal((await core.publish(PACKAGE, await signed(treeRelease('1.2.0', SITE)))).state, 'published');
});

test('P4: what is not of the kind that its release claims is rejected, uploaded or here already', async () => {
  await publishSite();
  const text = utf8('# site');
  const cases: readonly (readonly [Parameters<typeof releaseAs>[0], Uint8Array, ErrorCode])[] = [
    ['component', wasmOf('a module'), 'content/policy'],
    ['module', COMPONENT, 'content/policy'],
    ['profile', text, 'content/policy'],
    ['tree', wasmOf('no index'), 'content/tree'],
    ['tree', text, 'content/tree'],
  ];
  for (const [i, [kind, bytes, code]] of cases.entries()) {
    const record = await signed(releaseAs(kind, `2.${i}.0`, bytes));
    const attempt = async (): Promise<void> => {
      await core.publish(PACKAGE, record);
      await upload(record, bytes);
    };
    await assert.rejects(attempt(), failsWith(code), `${kind} ${i}`);
    assert.equal(await core.store.readRecord(record.id), null);
  }
  await assert.rejects(
    core.publish(PACKAGE, await signed(releaseAs('other', '3.0.0', text))),
    failsWith('content/policy'),
  );
  const module = wasmOf('a module');
  const right = await signed(releaseAs('module', '4.0.0', module));
  await core.publish(PACKAGE, right);
  await upload(right, module);
  assert.equal(await stateOf(right), 'published');
});

test('P4: a WIT package is published as the release that it says it is, uploaded or here already', async () => {
  const name = utf8(`${PACKAGE}/i@2.1.0`);
  const section = (id: number, bytes: readonly number[]): number[] => [id, bytes.length, ...bytes];
  const type = section(7, [1, 0x41, 2, 1, 0x42, 0, 4, 0, name.length, ...name, 5, 0]);
  const bytes = Uint8Array.of(...COMPONENT, ...type, ...section(11, [1, 0, 1, 0x69, 3, 0, 0]));
  await publishSite();
  const wrong = await signed(releaseAs('interface', '2.0.0', bytes));
  await core.publish(PACKAGE, wrong);
  await assert.rejects(upload(wrong, bytes), failsWith('content/policy'));
  assert.equal(await stateOf(wrong), 'rejected');
  const right = await signed(releaseAs('interface', '2.1.0', bytes));
  await core.publish(PACKAGE, right);
  await upload(right, bytes);
  assert.equal(await stateOf(right), 'published');
  head = right.id;
  await assert.rejects(
    core.publish(PACKAGE, await signed(releaseAs('interface', '2.2.0', bytes))),
    failsWith('content/policy'),
  );
});

test('component.wasm of a tree is a component, or the record is rejected', async () => {
  const text = utf8('no component');
  const bad = treeOf({ 'component.wasm': text, other: 'other' });
  const record = await signed(treeRelease('1.0.0', bad));
  await core.publish(PACKAGE, record);
  await upload(record, bad.index);
  await assert.rejects(upload(record, text), failsWith('content/policy'));
  assert.equal(await stateOf(record), 'rejected');
  const free = treeOf({ 'text.wasm': text });
  const other = await signed(treeRelease('1.0.1', free));
  await core.publish(PACKAGE, other);
  await upload(other, free.index);
  await upload(other, text);
  assert.equal(await stateOf(other), 'published');
  head = other.id;
  // The bytes are here now, and still no component.
  await assert.rejects(core.publish(PACKAGE, await signed(treeRelease('1.1.0', bad))), failsWith('content/policy'));
});

test('D2: a start takes up a tree where its uploads stood: before the index, between the files, at the end', async () => {
  const record = await signed(treeRelease('1.0.0', SITE));
  const uploads = [SITE.index, ...SITE.contents.values()];
  await core.publish(PACKAGE, record);
  for (const bytes of uploads) {
    const { state, lastSigned, content } = core;
    core = await open({ state, lastSigned, wrap: () => content });
    assert.ok((await missingOf(record)).includes(digestOf(bytes)));
    await upload(record, bytes);
  }
  assert.equal(await stateOf(record), 'published');
});

test('W3: the files of a tree have a limit of bytes, each as often as it is named, and of their number', () => {
  const [one, other] = [digestOf(utf8('one')), digestOf(utf8('other'))];
  const files = new TreeFiles();
  files.add(one, [
    { path: 'a', digest: other },
    { path: 'b', digest: other },
  ]);
  files.add(one, [{ path: 'c', digest: one }]);
  assert.deepEqual([...files.digests], [other]);
  assert.throws(() => files.measure(other, TREE_BYTES_MAX / 2 + 1), failsWith('content/tree'));
  const many = Array.from({ length: TREE_FILES_MAX - 1 }, (_, i) => ({ path: `f${i}`, digest: other }));
  assert.throws(() => files.add(other, many), failsWith('content/tree'));
  files.add(other, many.slice(1));
});
