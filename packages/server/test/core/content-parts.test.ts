import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concatBytes, digestOf, isRegistryError, type Digest, type ErrorCode } from '@waybill/protocol';
import { encodePartsList, PARTS_MAX } from '@waybill/protocol/content';
import { keepContent, sampleContent } from '../../src/blobs/conformance.ts';
import { openContentMemory } from '../../src/blobs/memory/content-memory.ts';
import { ContentParts } from '../../src/core/content-parts.ts';
import type { ContentStore } from '../../src/core/ports.ts';

const CONTENT = sampleContent(1_200_000);
const DIGEST = digestOf(CONTENT);

const failsWith =
  (code: ErrorCode) =>
  (thrown: unknown): boolean =>
    isRegistryError(thrown, code);

/** Content in memory whose reads are counted, and lists that are kept. */
async function openStage() {
  const memory = openContentMemory(new Map(), Date.now);
  await keepContent(memory, CONTENT);
  const lists = new Map<Digest, Uint8Array>();
  const counts = { reads: 0, listReads: 0 };
  const content: ContentStore = {
    ...memory,
    read: (digest, range) => {
      counts.reads++;
      return memory.read(digest, range);
    },
    readSlices: (digest, ranges) => {
      counts.reads++;
      return memory.readSlices(digest, ranges);
    },
  };
  const parts = new ContentParts(content, {
    readList: async (digest) => {
      counts.listReads++;
      return lists.get(digest) ?? null;
    },
    keepList: async (digest, list) => void lists.set(digest, list),
  });
  return { content, parts, lists, counts };
}

async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return concatBytes(...all);
}

test('W3: many runs cost one look for the content', async () => {
  const { parts, counts } = await openStage();
  const list = await parts.list(DIGEST);
  const runs = list.flatMap((_, i) => (i % 2 === 0 ? [{ first: i, count: 1 }] : []));
  assert.ok(runs.length > 5);
  counts.reads = 0;
  const { length, chunks } = await parts.bytes(DIGEST, runs);
  const bytes = await bytesOf(chunks);
  assert.equal(bytes.length, length);
  assert.equal(counts.reads, 1);
  let [at, start] = [0, 0];
  for (const [i, part] of list.entries()) {
    if (i % 2 === 0) {
      assert.equal(digestOf(bytes.subarray(at, at + part.length)), part.digest);
      assert.deepEqual(bytes.slice(at, at + part.length), CONTENT.slice(start, start + part.length));
      at += part.length;
    }
    start += part.length;
  }
});

test('a list that was asked for is read once, and answers share it', async () => {
  const { parts, counts } = await openStage();
  const first = await parts.encodedList(DIGEST);
  assert.equal(await parts.encodedList(DIGEST), first);
  assert.deepEqual(first, encodePartsList(await parts.list(DIGEST)));
  assert.deepEqual(counts, { reads: 1, listReads: 1 });
});

test('W3: content of too many parts is split once, and not for each who asks', async () => {
  const { content, parts, counts } = await openStage();
  // Each data section of 4,096 bytes ends a part before it and after it.
  const section = new Uint8Array(4_099);
  section.set([11, 0x80, 0x20]);
  const module = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
  const sections = Math.ceil(PARTS_MAX / 2) + 1;
  const many = concatBytes(module, ...Array.from({ length: sections }, () => section));
  const large = await keepContent(content, many, many.length);
  counts.reads = 0;
  for (let i = 0; i < 3; i++) await assert.rejects(parts.list(large), failsWith('content/parts'));
  await assert.rejects(parts.bytes(large, [{ first: 0, count: 1 }]), failsWith('content/parts'));
  assert.equal(counts.reads, 1);
});

test('D7: no list is kept of damaged bytes', async () => {
  const kept = new Map();
  const memory = openContentMemory(kept, Date.now);
  const upload = await memory.startUpload();
  await upload.write(CONTENT.map((byte, i) => (i === 700_000 ? byte + 1 : byte)));
  await upload.keep(DIGEST);
  const lists = new Map<Digest, Uint8Array>();
  const parts = new ContentParts(memory, {
    readList: async (digest) => lists.get(digest) ?? null,
    keepList: async (digest, list) => void lists.set(digest, list),
  });
  await assert.rejects(parts.list(DIGEST), failsWith('storage/damaged'));
  assert.equal(lists.size, 0);
  await keepContent(memory, CONTENT);
  assert.ok((await parts.list(DIGEST)).length > 5);
  assert.equal(lists.size, 1);
});
