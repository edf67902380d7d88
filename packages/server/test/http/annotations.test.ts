import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { digestHex, digestOf, encodeAnnotation, utf8, type Digest } from '@waybill/protocol';
import { backup } from '../../src/backup.ts';
import { fsck } from '../../src/fsck.ts';
import { Publisher, type LooseRecord } from '../publisher.ts';
import { assertEmpty, assertProblem, bodyOf, RunningRegistry } from '../running-registry.ts';

/* Content of annotations in a registry as it runs, and as it lies on the disk. */

const THERE = utf8('{"there":true}');
const WAITING = utf8('{"waiting":true}');
const MISSING = utf8('{"missing":true}');

let registry: RunningRegistry;
let record: LooseRecord;

before(async () => {
  registry = await RunningRegistry.start();
  const publisher = new Publisher(registry, 'test:papers');
  await publisher.start();
  record = await publisher.record([], publisher.now(), [paper(THERE)]);
  assert.equal((await publisher.post(record)).status, 202);
  assertProblem(await publisher.upload(record.id, Uint8Array.of(...THERE, 32), { digest: digestOf(THERE) }), 413);
  assertEmpty(await publisher.upload(record.id, THERE), 201);
  const other = new Publisher(registry, 'test:waiting');
  await other.start();
  const waiting = await other.record([], other.now(), [paper(WAITING), paper(MISSING)]);
  assert.equal((await other.post(waiting)).status, 202);
  assertEmpty(await other.upload(waiting.id, WAITING), 201);
});
after(() => registry.dispose());

function paper(bytes: Uint8Array): Uint8Array {
  const content = { digest: digestOf(bytes), size: bytes.length, mediaType: 'application/json' };
  return encodeAnnotation({ type: 'x.paper', content });
}

function fileOf(data: string, digest: Digest): string {
  const hex = digestHex(digest);
  return path.join(data, 'content', 'sha256', hex.slice(0, 2), hex);
}

test('content of an annotation is fetched like any other', async () => {
  const digest = digestOf(THERE);
  const { contentSources } = Object(bodyOf(await registry.get(`v1/content/${digest}`)));
  const [{ url }] = contentSources[digest];
  const { status, headers, bytes } = await registry.get(url);
  assert.deepEqual([status, headers.get('content-type')], [200, 'application/octet-stream']);
  assert.deepEqual(bytes, THERE);
});

test('a backup has content of annotations, also of a record that waits; fsck misses it where it is gone', async () => {
  const out = path.join(registry.folder, 'backup');
  const report = await backup({ data: registry.data(), out, keys: true, onProgress: () => undefined });
  assert.deepEqual([report.contents, report.damaged], [4, []]);
  const check = () => fsck({ data: out, repair: false, content: true, onProgress: () => undefined });
  const sound = await check();
  assert.deepEqual([sound.flaws.map(({ kind }) => kind), sound.remarks], [['last-signed'], []]);
  await rm(fileOf(out, digestOf(THERE)));
  const flaw = (await check()).flaws.find(({ kind }) => kind === 'content');
  assert.deepEqual(
    [flaw?.at, flaw?.problem],
    [digestOf(THERE), `it is missing (annotation ${record.id}/annotation/0 needs it)`],
  );
});
