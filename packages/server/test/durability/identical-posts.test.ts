import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import {
  digestOf,
  encodeRecordContents,
  PACKAGE_LOG,
  packageLogId,
  parsePackageName,
  timestampFromMs,
  utf8,
  wargApi,
  type PackageEntry,
} from '@waybill/protocol';
import { keyOf, publishBody, releaseOf, signContents } from '../publisher.ts';
import { statusOf } from './promises-kept.ts';
import { RegistryAddress } from './registry-address.ts';
import { ServedHistory } from './served-history.ts';
import { ServerProcess } from './server-process.ts';

const POSTS = 100;
const NAME = parsePackageName('test:popular');
const LOG = packageLogId(NAME);
const CONTENT = utf8('some content');

let folder = '';
let server: ServerProcess;
let registry: RegistryAddress;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'waybill-posts-'));
  const started = await ServerProcess.start(path.join(folder, 'data'));
  server = started.server;
  registry = new RegistryAddress(started.url);
});
after(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

function times<T>(count: number, work: () => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, work));
}

test(`${POSTS} identical posts at a time make one record and get one answer`, async () => {
  const history = await ServedHistory.of(path.join(folder, 'data'));
  const { logLength } = await history.observe(registry);
  const key = keyOf(NAME);
  const entries: PackageEntry[] = [{ type: 'init', key: key.publicKey }, releaseOf('1.0.0', CONTENT)];
  const time = timestampFromMs(Date.now());
  const first = await signContents(encodeRecordContents(PACKAGE_LOG, { prev: null, time, entries }), key);
  const post = async (record: typeof first): Promise<wargApi.RecordStatus> => {
    const answer = await registry.post(`v1/package/${LOG}/record`, { json: publishBody(NAME, record.envelope) });
    assert.equal(answer.status, 202);
    return wargApi.decodeRecordStatus(answer.bytes);
  };

  const waiting = await times(POSTS, () => post(first));
  for (const status of waiting) assert.deepEqual(status, waiting[0]);
  assert.equal(waiting[0]?.state, 'sourcing');

  const target = `v1/package/${LOG}/record/${first.id}/content/${digestOf(CONTENT)}`;
  const uploads = await times(POSTS, () => registry.post(target, { body: CONTENT }));
  // 405: it is published already, and waits for nothing. 429: one record does not take all places for uploads.
  for (const { status } of uploads) assert.ok([201, 405, 429].includes(status), `an upload was answered ${status}`);
  assert.ok(uploads.some(({ status }) => status === 201));
  const published = { recordId: first.id, state: 'published', registryIndex: logLength };
  assert.deepEqual(await statusOf(registry, LOG, first.id), published);
  for (const status of await times(POSTS, () => post(first))) assert.deepEqual(status, published);

  // With content that is known, every post goes straight to the sequencer.
  const draft = { prev: first.id, time, entries: [releaseOf('2.0.0', CONTENT)] };
  const second = await signContents(encodeRecordContents(PACKAGE_LOG, draft), key);
  const expected = { recordId: second.id, state: 'published', registryIndex: logLength + 1 };
  for (const status of await times(POSTS, () => post(second))) {
    // Whoever is not told the end of it at once is told a promise, which is kept.
    if (status.state !== 'processing') assert.deepEqual(status, expected);
  }
  for (const status of await times(POSTS, () => post(second))) assert.deepEqual(status, expected);
  assert.equal((await history.follow(registry)).logLength, logLength + 2);
});
