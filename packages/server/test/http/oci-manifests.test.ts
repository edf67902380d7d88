import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { after, before, test } from 'node:test';
import { MANIFEST_BYTES_MAX } from '@waybill/protocol/oci';
import { bytesOf, digestOf, disposeCore, IMAGE, imageOf, INDEX } from '../core/oci/oci-world.ts';
import { HTTP_LIMITS } from '../../src/http/http-limits.ts';
import { assertOciError, jsonOf, OciServer, type OciAnswer } from './oci-server.ts';

let server: OciServer;
const warning: { text: string | null } = { text: null };

before(async () => {
  server = await OciServer.start({
    change: (registry) => {
      const found = registry.manifest.bind(registry);
      registry.manifest = async (...asked) => ({ ...(await found(...asked)), warning: warning.text });
      return registry;
    },
  });
  await server.pushBlob('plain/m', '{}');
});
after(async () => {
  await server.stop();
  await disposeCore();
});

function put(target: string, body: Uint8Array, contentType = IMAGE): Promise<OciAnswer> {
  return server.send('PUT', `/v2/plain/m/manifests/${target}`, { body, headers: { 'content-type': contentType } });
}

test('a pushed manifest is found where the location says: by its digest', async () => {
  const bytes = imageOf([]);
  const digest = digestOf(bytes);
  for (const reference of ['v1', digest, encodeURIComponent(digest)]) {
    const answer = await put(reference, bytes);
    assert.equal(answer.status, 201);
    assert.equal(answer.headers.location, `/v2/plain/m/manifests/${digest}`);
    assert.equal(answer.headers['docker-content-digest'], digest);
    assert.equal(answer.headers['content-length'], '0');
    assert.equal(answer.headers['oci-subject'], undefined);
    assert.equal(answer.headers['oci-tag'], undefined);
  }
});

test('the media type is kept without parameters', async () => {
  assert.equal((await put('typed', imageOf([]), `${IMAGE} ; charset=utf-8`)).status, 201);
  assert.equal((await server.get('/v2/plain/m/manifests/typed')).headers['content-type'], IMAGE);
});

test('a subject is told back, whether it is here or not', async () => {
  const subject = { mediaType: IMAGE, digest: digestOf('no such'), size: 7 };
  const answer = await put('refers', imageOf([], { subject }));
  assert.deepEqual([answer.status, answer.headers['oci-subject']], [201, subject.digest]);
});

test('tags of the query are set and told back, ten and more at once', async () => {
  const bytes = imageOf([], { annotations: { of: 'tags' } });
  const tags = Array.from({ length: 12 }, (_, i) => `many-${i}`);
  const query = tags.map((tag) => `tag=${tag}`).join('&');
  const answer = await put(`${digestOf(bytes)}?${query}`, bytes);
  assert.equal(answer.status, 201);
  assert.deepEqual(String(answer.headers['oci-tag']).split(', ').toSorted(), tags.toSorted());
  for (const tag of tags) {
    const { headers } = await server.send('HEAD', `/v2/plain/m/manifests/${tag}`);
    assert.equal(headers['docker-content-digest'], digestOf(bytes));
  }
  const over = Array.from({ length: 101 }, (_, i) => `tag=over-${i}`).join('&');
  assertOciError(await put(`${digestOf(bytes)}?${over}`, bytes), 400, 'MANIFEST_INVALID');
  assertOciError(await put(`${digestOf(bytes)}?tag=fine&tag=.bad`, bytes), 400, 'MANIFEST_INVALID');
  assertOciError(await server.get('/v2/plain/m/manifests/fine'), 404, 'MANIFEST_UNKNOWN');
});

test('O2: what is no manifest, or one thing by its header and another by its body', async () => {
  const both = bytesOf(JSON.stringify({ ...JSON.parse(Buffer.from(imageOf([])).toString()), manifests: [] }));
  for (const [bytes, type] of [
    [bytesOf('no json'), IMAGE],
    [bytesOf('[]'), IMAGE],
    [imageOf([]), INDEX],
    [both, IMAGE],
    [imageOf([]), 'text/html'],
  ] as const) {
    assertOciError(await put('bad', bytes, type), 400, 'MANIFEST_INVALID');
  }
  assertOciError(await put(digestOf('other'), imageOf([])), 400, 'DIGEST_INVALID');
  assertOciError(await put('sha256:baddigeststring', imageOf([])), 400, 'DIGEST_INVALID');
  assertOciError(await server.get('/v2/plain/m/manifests/sha256:baddigeststring'), 400, 'DIGEST_INVALID');
});

test('a blob that the manifest names and that is not here', async () => {
  assertOciError(await put('missing', imageOf(['never pushed'])), 404, 'MANIFEST_BLOB_UNKNOWN');
});

function ofSize(bytes: number): Uint8Array {
  const empty = imageOf([], { annotations: { fill: '' } }).length;
  return imageOf([], { annotations: { fill: 'x'.repeat(bytes - empty) } });
}

test('a manifest of 4 MiB is taken, and one of a byte more is not, whether its length is told or not', async () => {
  assert.equal((await put('large', ofSize(MANIFEST_BYTES_MAX))).status, 201);
  const headers = { 'content-type': IMAGE };
  for (const chunked of [false, true]) {
    const body = ofSize(MANIFEST_BYTES_MAX + 1);
    const answer = await server.send('PUT', '/v2/plain/m/manifests/over', { body, headers, chunked });
    assertOciError(answer, 413, 'SIZE_INVALID');
  }
});

test('manifests that arrive together are bounded, and their clients told to come back', async () => {
  const limits = { ociManifestBytesMax: HTTP_LIMITS.ociManifestBytesMax / 1_000 };
  const small = await OciServer.start({ limits });
  try {
    const body = ofSize(1024 * 1024);
    const answer = await small.send('PUT', '/v2/plain/m/manifests/x', { body, headers: { 'content-type': IMAGE } });
    assertOciError(answer, 429, 'TOOMANYREQUESTS');
    assert.equal(answer.headers['retry-after'], '1');
    await small.pushImage('plain/m', 'small');
  } finally {
    await small.stop();
  }
});

/** A manifest of 1 MiB of which half comes, and then nothing more. */
function halfManifest({ url }: OciServer): ClientRequest {
  const { hostname, port } = url;
  const headers = { 'content-type': IMAGE, 'content-length': String(1024 * 1024) };
  const request = httpRequest({ hostname, port, method: 'PUT', path: '/v2/plain/m/manifests/x', headers });
  request.on('error', () => undefined);
  request.write(Buffer.alloc(512 * 1024, ' '));
  return request;
}

test('W16: who may not push is told so before the body, and takes no room of those who may', async () => {
  const limits = { unreadBodyMs: 50 };
  const closed = await OciServer.start({ tokenPolicy: 'required', limits });
  const request = halfManifest(closed);
  try {
    const [response]: IncomingMessage[] = await once(request, 'response', { signal: AbortSignal.timeout(20_000) });
    assert.equal(response?.statusCode, 401);
  } finally {
    request.destroy();
    await closed.stop();
  }
});

test('W16: large manifests that drip in keep no small one out, and end', async () => {
  const jsonBody = { patienceMs: 2_000, patienceMsMax: 2_000, earnedMsPerKib: 0 };
  const limits = { ociManifestBytesMax: 512 * 1024, jsonBody };
  const open = await OciServer.start({ limits });
  const request = halfManifest(open);
  try {
    const answered = once(request, 'response', { signal: AbortSignal.timeout(20_000) });
    await open.pushImage('plain/m', 'small');
    const [response]: IncomingMessage[] = await answered;
    assert.equal(response?.statusCode, 408);
  } finally {
    request.destroy();
    await open.stop();
  }
});

test('a push on a condition is refused, for nobody checks it', async () => {
  for (const name of ['if-none-match', 'if-match']) {
    const headers = { 'content-type': IMAGE, [name]: '*' };
    const answer = await server.send('PUT', '/v2/plain/m/manifests/v1', { body: imageOf([]), headers });
    assertOciError(answer, 501, 'UNSUPPORTED');
  }
});

test('a deleted tag takes the tag, a deleted manifest takes its tags', async () => {
  const { digest } = await server.pushImage('plain/gone', 'a');
  await server.pushImage('plain/gone', 'b');
  const target = '/v2/plain/gone/manifests/';
  assert.equal((await server.send('DELETE', `${target}a`)).status, 202);
  assertOciError(await server.get(`${target}a`), 404, 'MANIFEST_UNKNOWN');
  assert.equal((await server.get(`${target}b`)).status, 200);
  assert.equal((await server.send('DELETE', `${target}${digest}`)).status, 202);
  assert.equal((await server.send('HEAD', `${target}b`)).status, 404);
  assertOciError(await server.send('DELETE', `${target}${digest}`), 404, 'MANIFEST_UNKNOWN');
  assert.deepEqual(jsonOf(await server.get('/v2/plain/gone/tags/list')).tags, []);
});

test('a warning is one quoted text that cannot end its header, of at most 4,096 bytes', async () => {
  for (const [text, header] of [
    ['yanked: "broken" \\ bad', String.raw`299 - "yanked: \"broken\" \\ bad"`],
    ['a\r\nset-cookie: x=1', '299 - "a??set-cookie: x=1"'],
    ['ü', '299 - "?"'],
  ] as const) {
    warning.text = text;
    assert.equal((await server.get('/v2/plain/m/manifests/v1')).headers['warning'], header);
  }
  for (const fill of ['"', 'x"', 'a']) {
    warning.text = fill.repeat(10_000);
    const header = String((await server.get('/v2/plain/m/manifests/v1')).headers['warning']);
    assert.ok(header.length <= 4_096);
    assert.match(header, /^299 - "(?:[^"\\]|\\.)*"$/);
  }
  warning.text = null;
});
