import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { digestOf, type Digest } from '@waybill/protocol';
import { Publisher, releaseOf, wasmOf } from '../publisher.ts';
import { rawGet, answerTo, statusesOf } from '../raw-socket.ts';
import { assertEmpty, assertJson, RunningRegistry, type Answer } from '../running-registry.ts';

let registry: RunningRegistry;
let content: Uint8Array;
let digest: Digest;
let file: string;

before(async () => {
  registry = await RunningRegistry.start();
  const publisher = new Publisher(registry, 'test:one');
  content = wasmOf('0123456789');
  digest = digestOf(content);
  file = `content/${digest.replace(':', '-')}`;
  await publisher.publish([publisher.init, releaseOf('1.0.0', content)], [content]);
});
after(() => registry.dispose());

function ranged(range: string, headers: Record<string, string> = {}): Promise<Answer> {
  return registry.get(file, { headers: { range, ...headers } });
}

test('6: content sources give one absolute URL that works', async () => {
  const url = new URL(file, registry.url).href;
  const source = { type: 'httpGet', url, acceptRanges: true, size: content.length };
  assertJson(await registry.get(`v1/content/${digest}`), 200, { contentSources: { [digest]: [source] } });
  assert.deepEqual((await registry.get(url)).bytes, content);
  const id = `sha256:${'ab'.repeat(32)}`;
  assertJson(await registry.get(`v1/content/${id}`), 404, { status: 404, type: 'contentDigest', id });
});

test('6: content is served whole, for ever', async () => {
  const { status, bytes, headers } = await registry.get(file);
  assert.deepEqual([status, bytes], [200, content]);
  assert.equal(headers.get('content-type'), 'application/octet-stream');
  assert.equal(headers.get('content-length'), String(content.length));
  assert.equal(headers.get('accept-ranges'), 'bytes');
  assert.equal(headers.get('etag'), `"${digest}"`);
  assert.equal(headers.get('cache-control'), 'public, max-age=31536000, immutable');
  assert.equal(headers.get('x-content-type-options'), 'nosniff');
  assert.ok(Number.isFinite(Date.parse(headers.get('last-modified') ?? '')));
});

test('6: HEAD of content has every header and no body', async () => {
  const [get, head] = [await registry.get(file), await registry.send('HEAD', file)];
  assertEmpty(head, 200);
  for (const name of ['content-type', 'content-length', 'accept-ranges', 'etag', 'last-modified', 'cache-control']) {
    assert.equal(head.headers.get(name), get.headers.get(name), name);
  }
});

test('6: one range is answered with its bytes', async () => {
  const n = content.length;
  for (const [range, start, end] of [
    ['bytes=0-0', 0, 1],
    ['bytes=0-3', 0, 4],
    ['bytes=4-', 4, n],
    ['bytes=-3', n - 3, n],
    [`bytes=-${n + 5}`, 0, n],
    [`bytes=1-${n + 100}`, 1, n],
    [`bytes=${n - 1}-`, n - 1, n],
    ['bytes=0-999999999999999', 0, n],
  ] as const) {
    const { status, bytes, headers } = await ranged(range);
    assert.deepEqual([status, bytes], [206, content.slice(start, end)], range);
    assert.equal(headers.get('content-range'), `bytes ${start}-${end - 1}/${n}`);
    assert.equal(headers.get('content-length'), String(end - start));
  }
});

test('6: a range that lies outside is 416, one that is none is ignored', async () => {
  const n = content.length;
  for (const range of [`bytes=${n}-`, `bytes=${n}-${n + 1}`, 'bytes=999999999999999-', 'bytes=-0']) {
    const answer = await ranged(range);
    assertEmpty(answer, 416);
    assert.equal(answer.headers.get('content-range'), `bytes */${n}`);
  }
  for (const range of ['bytes=3-2', 'bytes=-', 'bytes=0-1,3-4', 'bytes=a-b', 'items=0-1', 'bytes 0-1', 'bytes=--1']) {
    const { status, bytes } = await ranged(range);
    assert.deepEqual([status, bytes], [200, content], range);
  }
});

test('6: a reader who has it is told 304', async () => {
  const etag = `"${digest}"`;
  const unchanged = await registry.get(file, { headers: { 'if-none-match': etag } });
  assertEmpty(unchanged, 304);
  assert.equal(unchanged.headers.get('etag'), etag);
  const ranges = await ranged('bytes=0-1', { 'if-none-match': etag });
  assertEmpty(ranges, 304);
  for (const other of ['"x"', digest, `"sha256:${'ab'.repeat(32)}"`]) {
    const answer = await registry.get(file, { headers: { 'if-none-match': other } });
    assert.deepEqual([answer.status, answer.bytes], [200, content]);
  }
});

test('6: unknown content is an empty 404', async () => {
  for (const name of [`sha256-${'ab'.repeat(32)}`, 'sha256-', `sha256-${'AB'.repeat(32)}`, digest, 'uploads', 'x']) {
    assertEmpty(await registry.get(`content/${name}`), 404);
  }
});

test('W2: nothing outside of the content folder can be named', async () => {
  const hex = digest.slice('sha256:'.length);
  const targets = [
    '/content/../registry.sqlite',
    '/content/..%2fregistry.sqlite',
    '/content/..%2Foperator.key',
    '/content/%2e%2e%2foperator.key',
    '/content/..%5coperator.key',
    '/content/..\\operator.key',
    '/content//etc/passwd',
    '/content/%2fetc%2fpasswd',
    `/content/sha256-${hex}%00`,
    `/content/sha256-${hex}%00.wasm`,
    `/content/sha256-${hex}/`,
    `/content/sha256-${hex}%2f`,
    `/content/sha256-${hex.slice(0, 62)}%2f%2f`,
    `/content/sha256-${'..%2f'.repeat(21)}`,
    `/content/%c0%ae%c0%ae%c0%afoperator.key`,
    `/content/%ff`,
    `/content/%`,
    `/content/%zz`,
    `/content/${'a'.repeat(8000)}`,
    '/content/uploads',
    '/content/sha256',
  ];
  for (const target of targets) {
    const [status] = statusesOf(await answerTo(registry, rawGet(target)));
    assert.ok(status === 404 || status === 400, `${target}: ${status}`);
  }
  const [good] = statusesOf(await answerTo(registry, rawGet(`/content/sha256-${hex}`)));
  assert.equal(good, 200);
});

test('W2: an id in a path is an id or nothing', async () => {
  const hex = digest.slice('sha256:'.length);
  const ids = [
    '..',
    '%2e%2e',
    '..%2f..',
    `sha256:${hex}%00`,
    `sha256:${hex}%0a`,
    `sha256:${hex}\\`,
    `sha256:..%2f${hex}`,
    '%c0%af',
    'a'.repeat(8000),
  ];
  for (const id of ids) {
    const targets = [`/v1/content/${id}`, `/v1/package/${id}/record/sha256:${hex}`, `/v1/ledger/records/${id}`];
    for (const target of targets) {
      const [status] = statusesOf(await answerTo(registry, rawGet(target)));
      assert.ok(status === 404 || status === 400, `${target}: ${status}`);
    }
  }
});

test('W2: a request line over the limit is refused', async () => {
  const [status] = statusesOf(await answerTo(registry, rawGet(`/content/${'a'.repeat(70_000)}`)));
  // Refused with an answer, or cut off before the answer came through.
  assert.ok(status === undefined || status === 431 || status === 414 || status === 400, String(status));
});
