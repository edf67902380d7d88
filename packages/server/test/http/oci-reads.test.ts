import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { digestOf, disposeCore, IMAGE, INDEX } from '../core/oci/oci-world.ts';
import { assertOciError, jsonOf, OciServer, type OciDocument } from './oci-server.ts';

const FOR_EVER = 'public, max-age=31536000, immutable';
const CONTENT = 'abcdefghij'.repeat(100);

let server: OciServer;
let digest = '';
let manifest: { readonly digest: string; readonly bytes: Uint8Array };

before(async () => {
  server = await OciServer.start();
  digest = await server.pushBlob('plain/reads', CONTENT);
  manifest = await server.pushImage('plain/reads', 'one', { layers: [CONTENT] });
});
after(async () => {
  await server.stop();
  await disposeCore();
});

test('a blob is served with exact headers, and HEAD says the same without it', async () => {
  const target = `/v2/plain/reads/blobs/${digest}`;
  for (const method of ['GET', 'HEAD']) {
    const { status, headers, body } = await server.send(method, target);
    assert.equal(status, 200);
    assert.equal(body.toString(), method === 'GET' ? CONTENT : '');
    assert.equal(headers['content-length'], String(CONTENT.length));
    assert.equal(headers['content-type'], 'application/octet-stream');
    assert.equal(headers['docker-content-digest'], digest);
    assert.equal(headers['docker-distribution-api-version'], 'registry/2.0');
    assert.equal(headers['accept-ranges'], 'bytes');
    assert.equal(headers['cache-control'], FOR_EVER);
    assert.equal(headers.etag, `"${digest}"`);
    assert.equal(headers.vary, 'Authorization');
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers['transfer-encoding'], undefined);
  }
});

test('the empty blob has length 0', async () => {
  const empty = await server.pushBlob('plain/reads', '');
  for (const method of ['GET', 'HEAD']) {
    const { status, headers } = await server.send(method, `/v2/plain/reads/blobs/${empty}`);
    assert.deepEqual([status, headers['content-length']], [200, '0']);
  }
});

test('a manifest is served as it was pushed, by tag and by digest', async () => {
  for (const [reference, cache] of [
    ['one', 'no-cache'],
    [manifest.digest, FOR_EVER],
    [encodeURIComponent(manifest.digest), FOR_EVER],
  ]) {
    for (const method of ['GET', 'HEAD']) {
      const { status, headers, body } = await server.send(method, `/v2/plain/reads/manifests/${reference}`);
      assert.equal(status, 200);
      assert.deepEqual(new Uint8Array(body), method === 'GET' ? new Uint8Array(manifest.bytes) : new Uint8Array());
      assert.equal(headers['content-type'], IMAGE);
      assert.equal(headers['content-length'], String(manifest.bytes.length));
      assert.equal(headers['docker-content-digest'], manifest.digest);
      assert.equal(headers['cache-control'], cache);
    }
  }
});

test('digests are told in the algorithm that was asked for', async () => {
  const sha512 = digestOf(manifest.bytes, 'sha512');
  const target = `/v2/plain/reads/manifests/${sha512}?tag=five`;
  const put = await server.send('PUT', target, { body: manifest.bytes, headers: { 'content-type': IMAGE } });
  assert.equal(put.headers['docker-content-digest'], sha512);
  for (const reference of ['five', sha512]) {
    const { headers } = await server.get(`/v2/plain/reads/manifests/${reference}`);
    assert.equal(headers['docker-content-digest'], sha512);
  }
});

const RANGES: readonly (readonly [string, number, string | null])[] = [
  ['bytes=500-599', 206, 'bytes 500-599/1000'],
  ['bytes=500-', 206, 'bytes 500-999/1000'],
  ['bytes=-300', 206, 'bytes 700-999/1000'],
  ['bytes=-5000', 206, 'bytes 0-999/1000'],
  ['bytes=900-5000', 206, 'bytes 900-999/1000'],
  ['bytes=0-0', 206, 'bytes 0-0/1000'],
  ['bytes=500-0', 416, 'bytes */1000'],
  ['bytes=1000-', 416, 'bytes */1000'],
  ['bytes=5000-10000', 416, 'bytes */1000'],
  ['bytes=-0', 416, 'bytes */1000'],
  ['bytes=0-1,3-4', 200, null],
  ['bytes=-', 200, null],
  ['bytes=a-b', 200, null],
  ['bytes=99999999999999999999-', 200, null],
  ['items=0-1', 200, null],
];

test('one range of a blob is served; what is none of it is refused, and what is no range is ignored', async () => {
  for (const [range, status, contentRange] of RANGES) {
    const answer = await server.get(`/v2/plain/reads/blobs/${digest}`, { range });
    assert.deepEqual([answer.status, answer.headers['content-range'] ?? null], [status, contentRange], range);
    if (status === 416) {
      assertOciError(answer, 416, 'SIZE_INVALID');
      continue;
    }
    const [, start = '0', end = '999'] = /bytes ([0-9]+)-([0-9]+)/.exec(contentRange ?? '') ?? [];
    assert.equal(answer.body.toString(), CONTENT.slice(Number(start), Number(end) + 1));
    assert.equal(answer.headers['content-length'], String(answer.body.length));
  }
  const head = await server.send('HEAD', `/v2/plain/reads/blobs/${digest}`, { headers: { range: 'bytes=0-1' } });
  assert.deepEqual([head.status, head.headers['content-length']], [200, '1000']);
});

test('a manifest has ranges, too', async () => {
  const answer = await server.get('/v2/plain/reads/manifests/one', { range: 'bytes=1-4' });
  assert.equal(answer.status, 206);
  assert.deepEqual(new Uint8Array(answer.body), new Uint8Array(manifest.bytes.subarray(1, 5)));
});

test('what the client has already is not sent again', async () => {
  const etag = `"${digest}"`;
  const target = `/v2/plain/reads/blobs/${digest}`;
  for (const known of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
    const { status, headers, body } = await server.get(target, { 'if-none-match': known });
    assert.deepEqual([status, body.length, headers.etag], [304, 0, etag]);
    assert.equal(headers['cache-control'], FOR_EVER);
  }
  assert.equal((await server.get(target, { 'if-none-match': '"x"' })).status, 200);
  assert.equal((await server.get(target, { 'if-range': '"x"', range: 'bytes=0-1' })).status, 200);
  assert.equal((await server.get(target, { 'if-range': etag, range: 'bytes=0-1' })).status, 206);
  const tag = await server.get('/v2/plain/reads/manifests/one', { 'if-none-match': `"${manifest.digest}"` });
  assert.deepEqual([tag.status, tag.headers['cache-control']], [304, 'no-cache']);
});

async function pages(first: string, items: (body: OciDocument) => readonly string[]): Promise<string[][]> {
  const found: string[][] = [];
  for (let next: string | undefined = first; next !== undefined && found.length < 20;) {
    const answer = await server.get(next);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['cache-control'], 'no-cache');
    found.push([...items(jsonOf(answer))]);
    next = /^<(\/v2\/[^>]+)>; rel="next"$/.exec(String(answer.headers.link ?? ''))?.[1];
  }
  return found;
}

test('tags: sorted, all at once or in pages whose links end', async () => {
  const names = ['1.0.0', '1.10.0', '1.9.0', 'A', '_x', 'a', 'b.c-d_e', 'z'.repeat(128)];
  for (const name of names.toReversed()) await server.pushImage('plain/tags', name);
  const all = await server.get('/v2/plain/tags/tags/list');
  assert.deepEqual(jsonOf(all), { name: 'plain/tags', tags: names });
  assert.equal(all.headers.link, undefined);
  const list = '/v2/plain/tags/tags/list';
  const tagsOf = (body: OciDocument): readonly string[] => body.tags;
  assert.deepEqual(await pages(`${list}?n=3`, tagsOf), [names.slice(0, 3), names.slice(3, 6), names.slice(6)]);
  assert.deepEqual(await pages(`${list}?n=8`, tagsOf), [names]);
  assert.deepEqual(await pages(`${list}?n=0`, tagsOf), [[]]);
  // The last tag need not exist, and needs no number beside it.
  assert.deepEqual(await pages(`${list}?last=1.5`, tagsOf), [names.slice(2)]);
  assert.deepEqual(await pages(`${list}?n=2&last=b.c-d_e`, tagsOf), [names.slice(7)]);
  assert.deepEqual(await pages(`${list}?n=99999999999999999999`, tagsOf), [names]);
  for (const n of ['-1', 'x', '1.5', '0x1']) assertOciError(await server.get(`${list}?n=${n}`), 400, 'UNSUPPORTED');
});

test('a repository without tags has an empty list, and one that is not here none', async () => {
  await server.pushBlob('plain/untagged', 'x');
  const answer = await server.get('/v2/plain/untagged/tags/list');
  assert.deepEqual(jsonOf(answer), { name: 'plain/untagged', tags: [] });
  assertOciError(await server.get('/v2/nowhere/at/all/tags/list'), 404, 'NAME_UNKNOWN');
});

test('referrers: an image index, filtered where asked for, in pages', async () => {
  const subject = { mediaType: IMAGE, digest: manifest.digest, size: manifest.bytes.length };
  const digests: string[] = [];
  for (let i = 0; i < 5; i++) {
    const artifactType = i % 2 === 0 ? 'application/vnd.a+json' : 'application/vnd.b+json';
    const annotations = { number: String(i) };
    digests.push((await server.pushImage('plain/reads', '', { more: { subject, artifactType, annotations } })).digest);
  }
  const target = `/v2/plain/reads/referrers/${manifest.digest}`;
  const all = await server.get(target);
  assert.equal(all.headers['content-type'], INDEX);
  assert.equal(all.headers['content-length'], String(all.body.length));
  assert.equal(all.headers['oci-filters-applied'], undefined);
  const index = jsonOf(all);
  assert.deepEqual([index.schemaVersion, index.mediaType], [2, INDEX]);
  assert.deepEqual(index.manifests.map((found) => found.digest).toSorted(), digests.toSorted());
  assert.equal(index.manifests.find((found) => found.digest === digests[0])?.annotations['number'], '0');
  for (const type of ['application/vnd.a+json', 'application/vnd.a%2Bjson']) {
    const some = await server.get(`${target}?artifactType=${type}`);
    assert.equal(some.headers['oci-filters-applied'], 'artifactType');
    assert.equal(jsonOf(some).manifests.length, 3);
  }
  const digestsOf = (body: OciDocument): readonly string[] => body.manifests.map((found) => found.digest);
  const paged = await pages(`${target}?n=2&artifactType=application/vnd.a%2Bjson`, digestsOf);
  assert.deepEqual(
    paged.map((page) => page.length),
    [2, 1],
  );
  assert.deepEqual((await pages(`${target}?n=2`, digestsOf)).flat(), digests.toSorted());
});

test('referrers are never unknown, only malformed', async () => {
  const missing = digestOf('missing');
  for (const repository of ['plain/reads', 'plain/never', 'nowhere/at/all']) {
    const answer = await server.get(`/v2/${repository}/referrers/${missing}`);
    assert.deepEqual([answer.status, jsonOf(answer).manifests], [200, []]);
  }
  assertOciError(await server.get('/v2/plain/reads/referrers/sha256:bad'), 400, 'DIGEST_INVALID');
});

test('the catalog, in pages; and the list of extensions, which tells nothing of a repository', async () => {
  const all = (await pages('/v2/_catalog', (body) => body.repositories)).flat();
  assert.ok(all.includes('plain/reads') && all.includes('plain/tags'));
  const paged = await pages('/v2/_catalog?n=1', (body) => body.repositories);
  assert.deepEqual(paged.flat(), all);
  assert.deepEqual(
    paged.map((page) => page.length),
    all.map(() => 1),
  );
  for (const target of [
    '/v2/_oci/ext/discover',
    '/v2/plain/reads/_oci/ext/discover',
    '/v2/no/where/_oci/ext/discover',
  ]) {
    assert.deepEqual(jsonOf(await server.get(target)), { extensions: [] });
  }
  assertOciError(await server.get('/v2/UPPER/_oci/ext/discover'), 400, 'NAME_INVALID');
});

/** Headers of requests that a cache does not tell answers apart by. */
const UNKEYED: Readonly<Record<string, string>> = {
  accept: 'text/html',
  'accept-encoding': 'gzip, br',
  'accept-language': 'fr',
  'content-type': 'text/html',
  cookie: 'session=1',
  forwarded: 'host=evil.example;proto=https',
  host: 'evil.example',
  'if-modified-since': new Date(0).toUTCString(),
  'if-unmodified-since': new Date(0).toUTCString(),
  origin: 'https://evil.example',
  referer: 'https://evil.example/',
  'user-agent': 'docker/1.0',
  'x-forwarded-host': 'evil.example',
  'x-forwarded-prefix': '/evil',
  'x-forwarded-proto': 'https',
  'x-http-method-override': 'DELETE',
  'x-original-url': '/v2/other',
  'x-rewrite-url': '/v2/other',
};

test('W19: no header that a cache does not look at changes an answer that it may keep', async () => {
  const targets = [
    `/v2/plain/reads/blobs/${digest}`,
    `/v2/plain/reads/manifests/${manifest.digest}`,
    '/v2/plain/reads/manifests/one',
    '/v2/plain/tags/tags/list?n=2',
    `/v2/plain/reads/referrers/${manifest.digest}`,
    '/v2/_catalog?n=1',
    '/.well-known/wasm-pkg/registry.json',
  ];
  for (const target of targets) {
    const told = async (headers = {}): Promise<unknown> => {
      const { status, body, headers: answered } = await server.get(target, headers);
      const { date: _date, connection: _connection, 'keep-alive': _keepAlive, ...rest } = answered;
      return { status, body: body.toString(), rest };
    };
    const plain = await told();
    for (const [name, value] of Object.entries(UNKEYED)) assert.deepEqual(await told({ [name]: value }), plain, name);
    assert.deepEqual(await told(UNKEYED), plain);
  }
});

test('W19: that something is not here is kept by no cache, and is over once it is', async () => {
  const later = digestOf('later');
  const target = `/v2/plain/later/blobs/${later}`;
  assertOciError(await server.get(target), 404, 'BLOB_UNKNOWN');
  assertOciError(await server.get('/v2/plain/later/manifests/later'), 404, 'MANIFEST_UNKNOWN');
  await server.pushBlob('plain/later', 'later');
  await server.pushImage('plain/later', 'later');
  assert.equal((await server.get(target)).status, 200);
  assert.equal((await server.get('/v2/plain/later/manifests/later')).status, 200);
});
