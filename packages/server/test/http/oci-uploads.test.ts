import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { digestOf, disposeCore } from '../core/oci/oci-world.ts';
import { assertOciError, OciServer, type OciAnswer } from './oci-server.ts';

const LOCATION = /^\/v2\/plain\/up\/blobs\/uploads\/[0-9a-f-]{36}$/;

let server: OciServer;

before(async () => {
  server = await OciServer.start();
});
after(async () => {
  await server.stop();
  await disposeCore();
});

function patch(session: string, body: string, range?: string): Promise<OciAnswer> {
  return server.send('PATCH', session, { body, headers: range === undefined ? {} : { 'content-range': range } });
}

async function assertBlob(digest: string, content: string): Promise<void> {
  const answer = await server.get(`/v2/plain/up/blobs/${digest}`);
  assert.deepEqual([answer.status, answer.body.toString()], [200, content]);
}

/** 204 with how far the upload is. */
async function assertPlace(session: string, range: string): Promise<void> {
  const answer = await server.get(session);
  assert.deepEqual([answer.status, answer.headers.range, answer.headers.location], [204, range, session]);
}

function assertCreated(answer: OciAnswer, digest: string): void {
  assert.equal(answer.status, 201, answer.body.toString());
  assert.equal(answer.headers.location, `/v2/plain/up/blobs/${digest}`);
  assert.equal(answer.headers['docker-content-digest'], digest);
  assert.equal(answer.headers['content-length'], '0');
}

test('a whole blob in one request, in each algorithm, with the digest encoded or not', async () => {
  for (const algorithm of ['sha256', 'sha512'] as const) {
    for (const [encode, content] of [
      [encodeURIComponent, `one ${algorithm}`],
      [String, `two ${algorithm}`],
    ] as const) {
      const digest = digestOf(content, algorithm);
      const target = `/v2/plain/up/blobs/uploads/?digest=${encode(digest)}`;
      assertCreated(await server.send('POST', target, { body: content }), digest);
      await assertBlob(digest, content);
    }
  }
});

test('a session: begun, looked at, filled in chunks, and ended with the last in the same request', async () => {
  for (const slash of ['', '/']) {
    const begun = await server.send('POST', `/v2/plain/up/blobs/uploads${slash}`, { body: '' });
    assert.deepEqual([begun.status, begun.headers.range], [202, '0-0']);
    const session = String(begun.headers.location);
    assert.match(session, LOCATION);
    await assertPlace(session, '0-0');
    const first = await patch(session, 'abc', '0-2');
    assert.deepEqual([first.status, first.headers.range, first.headers.location], [202, '0-2', session]);
    assert.equal((await patch(session, 'def', '3-5')).headers.range, '0-5');
    const digest = digestOf(`abcdefgh${slash}`);
    const end = `${session}?digest=${encodeURIComponent(digest)}`;
    const headers = { 'content-range': `6-${7 + slash.length}` };
    assertCreated(await server.send('PUT', end, { body: `gh${slash}`, headers }), digest);
    await assertBlob(digest, `abcdefgh${slash}`);
    assertOciError(await server.get(session), 404, 'BLOB_UPLOAD_UNKNOWN');
  }
});

test('a stream without a range, in chunks of the transfer without a length', async () => {
  const session = await server.startUpload('plain/up');
  for (const part of ['first ', 'second']) {
    assert.equal((await server.send('PATCH', session, { body: part, chunked: true })).status, 202);
  }
  const digest = digestOf('first second');
  assertCreated(await server.send('PUT', `${session}?digest=${digest}`), digest);
});

/** `Content-Range` of three bytes, where the session has three. */
const WRONG_RANGES: readonly string[] = [
  '0-2',
  '2-4',
  '4-6',
  '5-3',
  '-1-1',
  '3-',
  'bytes 3-5/6',
  '9223372036854775808-9223372036854775810',
  '3-999999999999999',
  '3-4',
  '3-6',
];

test('O5: a chunk that does not go on where the upload is leaves it as it was', async () => {
  const session = await server.startUpload('plain/up');
  await patch(session, 'abc', '0-2');
  const digest = digestOf('abcdef');
  for (const range of WRONG_RANGES) {
    assertOciError(await patch(session, 'xyz', range), 416, 'BLOB_UPLOAD_INVALID');
    const end = { body: 'xyz', headers: { 'content-range': range } };
    assertOciError(await server.send('PUT', `${session}?digest=${digest}`, end), 416, 'BLOB_UPLOAD_INVALID');
    await assertPlace(session, '0-2');
  }
  assert.equal((await patch(session, 'def', '3-5')).status, 202);
  assertCreated(await server.send('PUT', `${session}?digest=${digest}`), digest);
});

test('a digest that is none, is missing, or is of other bytes', async () => {
  const wrong = digestOf('other');
  const uploads = '/v2/plain/up/blobs/uploads/';
  for (const text of ['sha256:bad', 'sha256', '', 'md5:d41d8cd98f00b204e9800998ecf8427e', wrong.toUpperCase()]) {
    const encoded = encodeURIComponent(text);
    assertOciError(await server.send('POST', `${uploads}?digest=${encoded}`, { body: 'x' }), 400, 'DIGEST_INVALID');
    assertOciError(await server.send('POST', `${uploads}?mount=${encoded}`), 400, 'DIGEST_INVALID');
    const session = await server.startUpload('plain/up');
    assertOciError(await server.send('PUT', `${session}?digest=${encoded}`, { body: 'x' }), 400, 'DIGEST_INVALID');
    // Nothing was ended by it.
    await assertPlace(session, '0-0');
  }
  assertOciError(await server.send('POST', `${uploads}?digest=${wrong}`, { body: 'x' }), 400, 'DIGEST_INVALID');
  const session = await server.startUpload('plain/up');
  assertOciError(await server.send('PUT', session, { body: 'x' }), 400, 'DIGEST_INVALID');
  assertOciError(await server.send('PUT', `${session}?digest=${wrong}`, { body: 'x' }), 400, 'DIGEST_INVALID');
  assertOciError(await server.get(`/v2/plain/up/blobs/${wrong}`), 404, 'BLOB_UNKNOWN');
});

test('the algorithm may be named at the start', async () => {
  const uploads = '/v2/plain/up/blobs/uploads/?digest-algorithm=';
  const begun = await server.send('POST', `${uploads}sha512`);
  assert.equal(begun.status, 202);
  const digest = digestOf('hinted', 'sha512');
  const end = `${String(begun.headers.location)}?digest=${digest}`;
  assertCreated(await server.send('PUT', end, { body: 'hinted' }), digest);
  assertOciError(await server.send('POST', `${uploads}md5`), 400, 'DIGEST_INVALID');
});

test('an upload that is given up is over', async () => {
  const session = await server.startUpload('plain/up');
  const { status, headers } = await server.send('DELETE', session);
  assert.deepEqual([status, headers['content-length']], [204, undefined]);
  for (const method of ['GET', 'DELETE', 'PATCH', 'PUT']) {
    const answer = await server.send(method, `${session}?digest=${digestOf('')}`);
    assertOciError(answer, 404, 'BLOB_UPLOAD_UNKNOWN');
  }
});

test('O5: what is no id of an upload, or that of another repository, is unknown', async () => {
  const session = await server.startUpload('plain/up');
  const id = session.split('/').at(-1) ?? '';
  const foreign = `/v2/other/up/blobs/uploads/${id}`;
  for (const target of [
    foreign,
    `/v2/plain/up/blobs/uploads/${id.toUpperCase()}x`,
    '/v2/plain/up/blobs/uploads/..%2f..%2fregistry.sqlite',
    '/v2/plain/up/blobs/uploads/%00',
    `/v2/plain/up/blobs/uploads/${'a'.repeat(5_000)}`,
  ]) {
    assertOciError(await server.get(target), 404, 'BLOB_UPLOAD_UNKNOWN');
    assertOciError(await server.send('PATCH', target, { body: 'x' }), 404, 'BLOB_UPLOAD_UNKNOWN');
  }
  await assertPlace(session, '0-0');
});

test('a blob is mounted from where it is, or from anywhere; what cannot be mounted is an upload', async () => {
  const digest = await server.pushBlob('other/source', 'mounted');
  const uploads = '/v2/plain/up/blobs/uploads/';
  assertCreated(await server.send('POST', `${uploads}?mount=${digest}&from=other/source&origin=x`), digest);
  await assertBlob(digest, 'mounted');
  await server.send('DELETE', `/v2/plain/up/blobs/${digest}`);
  assertCreated(await server.send('POST', `${uploads}?mount=${encodeURIComponent(digest)}`), digest);
  const missing = digestOf('nowhere');
  for (const query of [
    `mount=${missing}&from=other/source`,
    `mount=${missing}`,
    `mount=${digest}&from=other/nothing`,
    `mount=${digest}&from=UPPER`,
    `mount=${digest}&from=${'a'.repeat(5_000)}`,
  ]) {
    const begun = await server.send('POST', `${uploads}?${query}`);
    assert.equal(begun.status, 202, query);
    assert.match(String(begun.headers.location), LOCATION);
    assert.equal((await server.send('DELETE', String(begun.headers.location))).status, 204);
  }
});

test('two at once on one upload do not mix: what is there in the end is what each was told', async () => {
  const session = await server.startUpload('plain/up');
  const answers = await Promise.all(['aaa', 'bbb', 'ccc'].map((part) => patch(session, part, '0-2')));
  const statuses = answers.map(({ status }) => status).toSorted((a, b) => a - b);
  assert.equal(statuses[0], 202);
  assert.ok(
    statuses.slice(1).every((status) => status === 416 || status === 409),
    String(statuses),
  );
  const taken = ['aaa', 'bbb', 'ccc'][answers.findIndex(({ status }) => status === 202)] ?? '';
  const digest = digestOf(taken);
  assertCreated(await server.send('PUT', `${session}?digest=${digest}`), digest);
});

test('after a broken line the upload goes on where it is', async () => {
  const session = await server.startUpload('plain/up');
  const socket = connect(Number(server.url.port), server.url.hostname);
  await once(socket, 'connect');
  socket.write(`PATCH ${session} HTTP/1.1\r\nhost: registry\r\ncontent-length: 10\r\n\r\nabcde`);
  // Until all five are there the upload is at work, and then it is where the line broke.
  while ((await lengthOf(session)) === 0) {
    socket.destroy();
    await new Promise(setImmediate);
  }
  await assertPlace(session, '0-4');
  assert.equal((await patch(session, 'fghij', '5-9')).status, 202);
  const digest = digestOf('abcdefghij');
  assertCreated(await server.send('PUT', `${session}?digest=${digest}`), digest);
});

async function lengthOf(session: string): Promise<number> {
  const [, last = '0'] = String((await server.get(session)).headers.range).split('-');
  return Number(last) === 0 ? 0 : Number(last) + 1;
}

test('W3: an encoded body is not taken', async () => {
  const session = await server.startUpload('plain/up');
  const headers = { 'content-encoding': 'gzip' };
  assertOciError(await server.send('PATCH', session, { body: 'x', headers }), 415, 'UNSUPPORTED');
  await assertPlace(session, '0-0');
});

test('a blob that is deleted is gone from its repository only', async () => {
  const digest = await server.pushBlob('plain/up', 'deleted');
  await server.pushBlob('other/up', 'deleted');
  const { status, headers } = await server.send('DELETE', `/v2/plain/up/blobs/${digest}`);
  assert.deepEqual([status, headers['content-length']], [202, '0']);
  assertOciError(await server.send('DELETE', `/v2/plain/up/blobs/${digest}`), 404, 'BLOB_UNKNOWN');
  assert.equal((await server.send('HEAD', `/v2/plain/up/blobs/${digest}`)).status, 404);
  assert.equal((await server.send('HEAD', `/v2/other/up/blobs/${digest}`)).status, 200);
});
