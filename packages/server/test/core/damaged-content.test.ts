import assert from 'node:assert/strict';
import { readFile, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import {
  concatBytes,
  digestHex,
  digestOf,
  packageLogId,
  timestampFromMs,
  type Digest,
  type PackageEntry,
  type RecordId,
} from '@waybill/protocol';
import { sampleContent } from '../../src/blobs/conformance.ts';
import { openContentSharing } from '../../src/blobs/files/content-sharing.ts';
import { ContentScrub } from '../../src/core/content-scrub.ts';
import { testHomeOf } from '../home.ts';
import { holderNamed, signJointly } from '../joint-record.ts';
import type { LooseRecord } from '../publisher.ts';
import { releaseAs, treeOf } from '../test-tree.ts';
import { openCore, PACKAGE, STARTED_MS, type RegistryCore } from './registry-core.ts';

/* Content that rots where it is kept is taken anew from whoever publishes it again. */

const LOG = packageLogId(PACKAGE);
const ROOT: PackageEntry = { type: 'root', holder: holderNamed('alice') };

/** A core module of one custom section with so many bytes. */
function moduleOf(bytes: Uint8Array): Uint8Array {
  const size = bytes.length + 2;
  const length = [(size & 0x7f) | 0x80, ((size >> 7) & 0x7f) | 0x80, size >> 14];
  return concatBytes(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 0, ...length, 1, 0x78), bytes);
}

const BASE = moduleOf(sampleContent(100_000));
const CONTENT = concatBytes(BASE, Uint8Array.of(0, 2, 1, 0x79));

let core: RegistryCore;
let head: RecordId | null;

beforeEach(async () => {
  core = await openCore();
  head = null;
});
afterEach(() => core.dispose());

async function signed(release: PackageEntry): Promise<LooseRecord> {
  const entries = head === null ? [ROOT, release] : [release];
  return signJointly(entries, { prev: head, time: timestampFromMs(STARTED_MS), home: testHomeOf(LOG), by: ['alice'] });
}

/** Publishes a record, with uploads of whatever it misses of these; resolves with what it missed. */
async function publish(release: PackageEntry, ...contents: readonly Uint8Array[]): Promise<readonly Digest[]> {
  const record = await signed(release);
  const missed: Digest[] = [];
  for (;;) {
    const status = await core.publish(PACKAGE, record);
    if (status.state !== 'sourcing') break;
    const [digest] = status.missingContent.keys();
    const bytes = contents.find((each) => digestOf(each) === digest) ?? assert.fail(`nobody has ${digest}`);
    missed.push(digestOf(bytes));
    await core.publishing.upload(LOG, record.id, digestOf(bytes), chunksOf(bytes));
  }
  assert.equal((await core.publishing.status(LOG, record.id)).state, 'published');
  head = record.id;
  return missed;
}

async function* chunksOf(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

function fileOf(bytes: Uint8Array): string {
  const hex = digestHex(digestOf(bytes));
  return path.join(core.contentRoot, 'sha256', hex.slice(0, 2), hex);
}

async function rot(bytes: Uint8Array): Promise<void> {
  const kept = await readFile(fileOf(bytes));
  kept[kept.length - 1] = (kept.at(-1) ?? 0) ^ 1;
  await writeFile(fileOf(bytes), kept);
}

async function served(bytes: Uint8Array): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of core.content.read(digestOf(bytes), { start: 0, end: bytes.length })) chunks.push(chunk);
  return concatBytes(...chunks);
}

/** One walk over all content; resolves with what was found damaged. */
async function scrub(): Promise<readonly Digest[]> {
  const found: Digest[] = [];
  const observer = {
    contentDamaged(digest: Digest) {
      found.push(digest);
      core.publishing.noteDamage(digest);
    },
  };
  const walk = new ContentScrub({ content: core.content, observer });
  for (let pauseMs = 0; pauseMs < 10_000;) pauseMs = await walk.step();
  return found.toSorted();
}

async function shareContent(): Promise<void> {
  await publish(releaseAs('module', '1.0.0', BASE), BASE);
  await publish(releaseAs('module', '1.1.0', CONTENT), CONTENT);
  await openContentSharing(core.contentRoot).share(digestOf(CONTENT), digestOf(BASE), [
    { baseStart: 0, length: BASE.length },
    { baseStart: null, length: CONTENT.length - BASE.length },
  ]);
  assert.deepEqual(await served(CONTENT), CONTENT);
}

test('D7: content that has slices of damaged content is whole again once it is uploaded', async () => {
  await shareContent();
  await rot(BASE);
  assert.deepEqual(await scrub(), [digestOf(BASE), digestOf(CONTENT)].toSorted());
  assert.deepEqual(await publish(releaseAs('module', '1.2.0', CONTENT), CONTENT), [digestOf(CONTENT)]);
  assert.deepEqual(await served(CONTENT), CONTENT);
  assert.deepEqual(await scrub(), [digestOf(BASE)]);
  assert.deepEqual(await publish(releaseAs('module', '1.3.0', CONTENT)), []);
});

test('D7: the damaged base is whole again once it is uploaded, and with it what has slices of it', async () => {
  await shareContent();
  await truncate(fileOf(BASE), 1_000);
  await assert.rejects(served(CONTENT));
  core.publishing.noteDamage(digestOf(BASE));
  assert.deepEqual(await publish(releaseAs('module', '1.2.0', BASE), BASE), [digestOf(BASE)]);
  assert.deepEqual([await served(BASE), await served(CONTENT)], [BASE, CONTENT]);
  assert.deepEqual(await scrub(), []);
});

test('D7: what has lost its base is asked for without anybody having looked', async () => {
  await shareContent();
  await truncate(fileOf(BASE), 1_000);
  assert.deepEqual(await publish(releaseAs('module', '1.2.0', CONTENT), CONTENT), [digestOf(CONTENT)]);
  assert.deepEqual(await served(CONTENT), CONTENT);
});

test('D7: damage that shows when content is judged is no word against the record', async () => {
  await publish(releaseAs('module', '1.0.0', BASE), BASE);
  await rot(BASE);
  // As another kind it is read again.
  assert.deepEqual(await publish(releaseAs('wasm', '1.1.0', BASE), BASE), [digestOf(BASE)]);
  assert.deepEqual(await served(BASE), BASE);
});

test('D7: a damaged index and damaged files of a tree are asked for again', async () => {
  const site = treeOf({ 'a.txt': 'a', 'b.txt': 'b' });
  const all = [site.index, ...site.contents.values()];
  await publish(releaseAs('tree', '1.0.0', site.index), ...all);
  await rot(site.index);
  assert.deepEqual(await publish(releaseAs('tree', '1.1.0', site.index), ...all), [site.digest]);
  const [first = assert.fail()] = site.contents.values();
  await rot(first);
  assert.deepEqual(await scrub(), [digestOf(first)]);
  assert.deepEqual(await publish(releaseAs('tree', '1.2.0', site.index), ...all), [digestOf(first)]);
  assert.deepEqual(await scrub(), []);
});
