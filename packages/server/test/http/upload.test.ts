import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, before, test } from 'node:test';
import { digestOf, utf8, type RecordId } from '@waybill/protocol';
import { Publisher, releaseOf, wasmOf, type LooseRecord } from '../publisher.ts';
import { openSocket, statusesOf } from '../raw-socket.ts';
import { assertEmpty, assertJson, assertProblem, RunningRegistry } from '../running-registry.ts';

let registry: RunningRegistry;

before(async () => {
  registry = await RunningRegistry.start();
});
after(() => registry.dispose());

async function waiting(name: string): Promise<{ publisher: Publisher; record: LooseRecord; content: Uint8Array }> {
  const publisher = new Publisher(registry, name);
  const content = wasmOf(name);
  const record = await publisher.record([publisher.init, releaseOf('1.0.0', content)]);
  assert.equal((await publisher.post(record)).status, 202);
  return { publisher, record, content };
}

async function assertNothingLeft(): Promise<void> {
  assert.deepEqual(await readdir(registry.data('content', 'uploads')), []);
}

/**
 * Of a connection that broke: the server may still be opening the upload's file when the client has seen its end, and tidies
 * after that, so there is nothing to await but the folder itself.
 */
async function untilNothingLeft(): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if ((await readdir(registry.data('content', 'uploads'))).length === 0) return;
    await sleep(10);
  }
  await assertNothingLeft();
}

async function assertStillWaits(
  publisher: Publisher,
  recordId: RecordId,
  content: Uint8Array,
  nothingLeft = assertNothingLeft,
): Promise<void> {
  await nothingLeft();
  assertJson(await publisher.status(recordId), 200, { recordId, state: 'processing' });
  const id = digestOf(content);
  assertJson(await registry.get(`v1/content/${id}`), 404, { status: 404, type: 'contentDigest', id });
  assertEmpty(await publisher.upload(recordId, content), 201);
  await nothingLeft();
}

test('6.2: other bytes than the digest names are refused, and the record waits on', async () => {
  const { publisher, record, content } = await waiting('test:digest');
  const digest = digestOf(content);
  for (const wrong of [wasmOf('other'), content.subarray(1), Uint8Array.of(...content, 0), new Uint8Array()]) {
    assertProblem(await publisher.upload(record.id, wrong, { digest }), 400);
  }
  // Not WebAssembly either, but that says nothing of the record: its own content may be.
  assertProblem(await publisher.upload(record.id, utf8('plain text'), { digest }), 400);
  await assertStillWaits(publisher, record.id, content);
});

test('6.2: content that the record does not name is refused', async () => {
  const { publisher, record, content } = await waiting('test:unwanted');
  assertProblem(await publisher.upload(record.id, wasmOf('unwanted')), 400);
  await assertStillWaits(publisher, record.id, content);
});

test('6.2: an upload to an unknown log or record is 404', async () => {
  const { publisher, record, content } = await waiting('test:lost');
  const stranger = new Publisher(registry, 'test:nobody');
  assertJson(await stranger.upload(record.id, content), 404, { status: 404, type: 'log', id: stranger.logId });
  assertEmpty(await publisher.upload(record.id, content), 201);
  const unknown = (await stranger.record([stranger.init])).id;
  assertJson(await publisher.upload(unknown, content), 404, { status: 404, type: 'record', id: unknown });
});

test('6.2: a record that is published or rejected takes no upload: 405', async () => {
  const { publisher, record, content } = await waiting('test:late');
  assertEmpty(await publisher.upload(record.id, content), 201);
  assertJson(await publisher.upload(record.id, content), 405, { status: 405 });
  assertJson(await publisher.upload(record.id, wasmOf('late')), 405, { status: 405 });
});

test('6.2: content that is no WebAssembly rejects the record, and its name is free again', async () => {
  const publisher = new Publisher(registry, 'test:policy');
  const cases: [Uint8Array, string][] = [
    [new Uint8Array(), 'it ends in the middle of a section'],
    [utf8('plain text'), 'it does not start with \\0asm'],
    [wasmOf('cut').subarray(0, -1), 'it ends in the middle of a section'],
  ];
  for (const [content, why] of cases) {
    const digest = digestOf(content);
    const record = await publisher.record([publisher.init, releaseOf('1.0.0', content)]);
    assert.equal((await publisher.post(record)).status, 202);
    assertProblem(await publisher.upload(record.id, content), 422);
    const reason = `content with digest ${digest} was rejected by policy: content is not valid WebAssembly: ${why}`;
    assertJson(await publisher.status(record.id), 200, { recordId: record.id, state: 'rejected', reason });
    assertJson(await publisher.upload(record.id, content), 405, { status: 405 });
    await assertNothingLeft();
    // 9.2: not an empty log, which the Rust client takes for a lie.
    const asked = { json: { logLength: 1, packages: { [publisher.logId]: null } } };
    const missing = { status: 404, type: 'log', id: publisher.logId };
    assertJson(await registry.post('v1/fetch/logs', asked), 404, missing);
  }
  await publisher.start();
});

test('6.2: an upload may be sent with PUT, and with any content type', async () => {
  const { publisher, record, content } = await waiting('test:put');
  const target = publisher.contentPath(record.id, digestOf(content));
  // Trap 10: the Rust client sends header names as their values.
  const headers = { 'content-type': 'content-type', authorization: 'authorization' };
  assertEmpty(await registry.send('PUT', target, { body: content, headers }), 201);
});

test('6.2: the same content uploaded twice at once is kept once', async () => {
  const { publisher, record, content } = await waiting('test:twice');
  const answers = await Promise.all([1, 2, 3].map(() => publisher.upload(record.id, content)));
  assert.ok(answers.some(({ status }) => status === 201));
  assert.ok(answers.every(({ status }) => status === 201 || status === 405));
  await assertNothingLeft();
});

test('an upload that breaks off half-way leaves nothing, and the next one works', async () => {
  const { publisher, record, content } = await waiting('test:broken');
  const target = publisher.contentPath(record.id, digestOf(content));
  const framings = [
    `content-length: ${content.length}\r\n\r\n${Buffer.from(content.subarray(0, 9)).toString('latin1')}`,
    `transfer-encoding: chunked\r\n\r\n4\r\n\0asm\r\n`,
    `transfer-encoding: chunked\r\n\r\nzz\r\n`,
    `content-length: ${content.length}\r\n\r\n`,
  ];
  for (const framing of framings) {
    for (const end of ['end', 'destroy'] as const) {
      const socket = await openSocket(registry);
      socket.on('error', () => undefined);
      socket.write(`POST /${target} HTTP/1.1\r\nhost: registry\r\n${framing}`, 'latin1');
      // The server must have begun to receive, or nothing would be half-way.
      await sleep(20);
      socket[end]();
      socket.resume();
      if (!socket.destroyed) await once(socket, 'close');
    }
  }
  await assertStillWaits(publisher, record.id, content, untilNothingLeft);
});

test('an upload shorter than its content-length is not taken for whole', async () => {
  const { publisher, record, content } = await waiting('test:short');
  const socket = await openSocket(registry);
  const head = `POST /${publisher.contentPath(record.id, digestOf(content))} HTTP/1.1\r\nhost: registry\r\n`;
  socket.write(`${head}content-length: ${content.length + 5}\r\n\r\n`);
  socket.end(content);
  assert.ok(!statusesOf(await text(socket)).includes(201));
  await assertStillWaits(publisher, record.id, content, untilNothingLeft);
});

test('bytes beyond the content-length belong to no upload', async () => {
  const { publisher, record, content } = await waiting('test:long');
  const socket = await openSocket(registry);
  const head = `POST /${publisher.contentPath(record.id, digestOf(content))} HTTP/1.1\r\nhost: registry\r\n`;
  socket.write(`${head}content-length: ${content.length - 1}\r\n\r\n`);
  socket.write(content);
  const statuses = new Set(statusesOf(await text(socket)));
  assert.deepEqual([...statuses], [400]);
  await assertStillWaits(publisher, record.id, content, untilNothingLeft);
});
