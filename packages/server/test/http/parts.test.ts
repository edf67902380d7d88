import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { brotliDecompressSync } from 'node:zlib';
import { concatBytes, digestHex, digestOf, type Digest } from '@waybill/protocol';
import {
  decodePartsListUnverified,
  encodePartsList,
  PARTS_LIST_MEDIA_TYPE,
  type ContentPart,
} from '@waybill/protocol/content';
import { Publisher, releaseOf } from '../publisher.ts';
import { assertEmpty, bodyOf, RunningRegistry } from '../running-registry.ts';

let registry: RunningRegistry;
let content: Uint8Array;
let digest: Digest;
let parts: readonly ContentPart[];

const UNKNOWN = `sha256:${'ab'.repeat(32)}`;

/** A module of one custom section, `length` bytes long in all. */
function moduleOf(length: number): Uint8Array {
  const size = length - 14;
  const head = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 0, ...[0, 7, 14, 21].map((bits) => ((size >> bits) % 128) + 128)];
  const noise: Uint8Array[] = [];
  for (let i = 0; i * 32 < size; i++) noise.push(createHash('sha256').update(`${length}:${i}`).digest());
  return concatBytes(Uint8Array.from([...head, 0]), concatBytes(...noise).subarray(0, size));
}

before(async () => {
  registry = await RunningRegistry.start();
  const publisher = new Publisher(registry, 'test:one');
  content = moduleOf(1_200_000);
  digest = digestOf(content);
  await publisher.publish([publisher.init, releaseOf('1.0.0', content)], [content]);
  parts = decodePartsListUnverified((await registry.get(pathOf(digest))).bytes);
});
after(() => registry.dispose());

function pathOf(name: string): string {
  return `api/v1/content/${name}/parts`;
}

function sliceOf(first: number, count: number): Uint8Array {
  const start = parts.slice(0, first).reduce((sum, { length }) => sum + length, 0);
  const length = parts.slice(first, first + count).reduce((sum, part) => sum + part.length, 0);
  return content.slice(start, start + length);
}

const listFile = (): string => path.join(registry.folder, 'data', 'content', 'parts', `${digestHex(digest)}.parts`);

test('http 4.20: the list names every slice of the content, for ever', async () => {
  const { status, bytes, headers } = await registry.get(pathOf(digest));
  assert.equal(status, 200);
  assert.equal(headers.get('content-type'), PARTS_LIST_MEDIA_TYPE);
  assert.equal(headers.get('cache-control'), 'public, max-age=31536000, immutable');
  assert.deepEqual(encodePartsList(parts), bytes);
  assert.ok(parts.length > 10);
  for (const [i, part] of parts.entries()) assert.equal(digestOf(sliceOf(i, 1)), part.digest);
  assert.equal(
    parts.reduce((sum, { length }) => sum + length, 0),
    content.length,
  );
  const etag = headers.get('etag') ?? '';
  assertEmpty(await registry.get(pathOf(digest), { headers: { 'if-none-match': etag } }), 304);
});

test("http 4.20: a kept list that is damaged, another content's or gone is made anew", async () => {
  const list = encodePartsList(parts);
  assert.deepEqual(new Uint8Array(await readFile(listFile())), list);
  for (const damaged of [new Uint8Array(0), list.subarray(1), encodePartsList(parts.slice(1))]) {
    await writeFile(listFile(), damaged);
    // In memory there is the one that was served.
    await registry.restart();
    assert.deepEqual((await registry.get(pathOf(digest))).bytes, list);
    assert.deepEqual(new Uint8Array(await readFile(listFile())), list);
  }
  await rm(listFile());
  await registry.restart();
  await Promise.all([1, 2, 3].map(async () => assert.deepEqual((await registry.get(pathOf(digest))).bytes, list)));
  assert.deepEqual(await readdir(path.join(registry.folder, 'data', 'content', 'uploads')), []);
});

test('http 4.21: runs of parts come one after another, compressed for who can read it', async () => {
  const runs = [
    [0, 1],
    [2, 3],
    [parts.length - 1, 1],
  ] as const;
  const expected = concatBytes(...runs.map(([first, count]) => sliceOf(first, count)));
  const plain = await registry.post(pathOf(digest), { json: { runs }, headers: { 'accept-encoding': 'identity' } });
  assert.deepEqual([plain.status, plain.bytes], [200, expected]);
  const url = new URL(pathOf(digest), registry.url);
  const packed = await fetch(url, {
    method: 'POST',
    body: JSON.stringify({ runs }),
    headers: { 'content-type': 'application/json', 'accept-encoding': 'gzip, br' },
  });
  assert.equal(packed.headers.get('content-encoding'), 'br');
  const bytes = new Uint8Array(await packed.arrayBuffer());
  assert.deepEqual(bytes, expected);
  assert.throws(() => brotliDecompressSync(bytes));
});

test('http 4.21: runs that are none, or of no part, are refused', async () => {
  const shapes = [
    {},
    [],
    { runs: [] },
    { runs: [[0, 1]], more: 1 },
    { runs: [[0, 0]] },
    { runs: [[-1, 1]] },
    { runs: [[0.5, 1]] },
    {
      runs: [
        [0, 2],
        [1, 1],
      ],
    },
    { runs: [[0]] },
    { runs: [[0, 1e9]] },
    { runs: Array.from({ length: 16_385 }, (_, i) => [i, 1]) },
  ];
  for (const json of shapes) {
    const answer = await registry.post(pathOf(digest), { json });
    assert.equal(answer.status, 422, JSON.stringify(json).slice(0, 60));
  }
  const beyond = await registry.post(pathOf(digest), { json: { runs: [[parts.length, 1]] } });
  assert.equal(beyond.status, 400);
});

test('W2: nothing but a digest names parts, and what is not here is not found', async () => {
  assert.equal((await registry.get(pathOf(UNKNOWN))).status, 404);
  assert.equal((await registry.post(pathOf(UNKNOWN), { json: { runs: [[0, 1]] } })).status, 404);
  for (const name of ['sha256:..', '..%2f..%2foperator.key', digest.slice(0, -1)]) {
    assert.equal((await registry.get(pathOf(name))).status, 400, name);
  }
  for (const method of ['PUT', 'PATCH', 'DELETE']) assertEmpty(await registry.send(method, pathOf(digest)), 405);
  assert.ok(bodyOf(await registry.get(pathOf(UNKNOWN))));
});
