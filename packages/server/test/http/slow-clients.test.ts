import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, before, test } from 'node:test';
import { digestOf } from '@waybill/protocol';
import { HTTP_LIMITS } from '../../src/http/http-limits.ts';
import { Publisher, releaseOf, wasmOf, type LooseRecord } from '../publisher.ts';
import { answerTo, openSocket, rawGet, statusesOf } from '../raw-socket.ts';
import { assertEmpty, assertJson, RunningRegistry } from '../running-registry.ts';

/** Small enough to be waited for; what is told apart is what ends by itself and what does not. */
const SOON_MS = 300;
const CONTENT_BYTES = 16 * 1024 * 1024;

let registry: RunningRegistry;

before(async () => {
  registry = await RunningRegistry.start(
    { anyContent: true, metrics: '127.0.0.1:0' },
    {
      limits: {
        ...HTTP_LIMITS,
        headersMs: SOON_MS,
        headersCheckMs: 20,
        jsonBody: { patienceMs: SOON_MS, patienceMsMax: SOON_MS, earnedMsPerKib: 0 },
        uploadBody: { patienceMs: SOON_MS, patienceMsMax: 60_000, earnedMsPerKib: 60_000 },
        unreadBodyMs: SOON_MS,
        answerStallMs: SOON_MS,
        answerBytesPerSecondMin: CONTENT_BYTES,
        answerCheckMs: 20,
      },
    },
  );
});
after(() => registry.dispose());

async function waiting(name: string, content: Uint8Array): Promise<{ publisher: Publisher; record: LooseRecord }> {
  const publisher = new Publisher(registry, name);
  const record = await publisher.record([publisher.init, releaseOf('1.0.0', content)]);
  assert.equal((await publisher.post(record)).status, 202);
  return { publisher, record };
}

function postOf(target: string, headers: readonly string[]): string {
  return [`POST /${target} HTTP/1.1`, 'host: registry', ...headers].join('\r\n') + '\r\n\r\n';
}

/** Everything until the server closes. */
async function restOf(socket: Socket): Promise<string> {
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
  await once(socket, 'close');
  return text;
}

test('W5: headers that do not come to an end are cut', async () => {
  for (const start of ['', 'GET /healthz HTTP/1.1\r\nx: y\r\n']) {
    const socket = await openSocket(registry);
    socket.write(start);
    assert.deepEqual(statusesOf(await restOf(socket)), [408]);
  }
});

test('W5: a JSON body that does not come to an end is answered 408, and its connection closed', async () => {
  const socket = await openSocket(registry);
  socket.write(postOf('v1/fetch/logs', ['content-type: application/json', 'content-length: 100']) + '{"logLength":1,');
  const answer = await restOf(socket);
  assert.deepEqual(statusesOf(answer), [408]);
  assert.match(answer, /\r\nconnection: close\r\n/i);
});

test('W5: an upload below the minimum rate is answered 408, and the record waits on', async () => {
  const content = wasmOf('slow');
  const { publisher, record } = await waiting('test:slow', content);
  const socket = await openSocket(registry);
  socket.write(postOf(publisher.contentPath(record.id, digestOf(content)), [`content-length: ${content.length}`]));
  assert.deepEqual(statusesOf(await restOf(socket)), [408]);
  assertJson(await publisher.status(record.id), 200, { recordId: record.id, state: 'processing' });
  assertEmpty(await publisher.upload(record.id, content), 201);
});

test('W5: an upload that is slow but alive is not cut', async () => {
  const content = new Uint8Array(4_000).fill(1);
  const { publisher, record } = await waiting('test:alive', content);
  const socket = await openSocket(registry);
  const headers = [`content-length: ${content.length}`, 'connection: close'];
  const head = Buffer.from(postOf(publisher.contentPath(record.id, digestOf(content)), headers));
  socket.write(Buffer.concat([head, content.subarray(0, 1_000)]));
  const answer = restOf(socket);
  for (const start of [1_000, 2_000, 3_000]) {
    // Each pause alone is longer than the patience at the start.
    await sleep(SOON_MS * 1.2);
    socket.write(content.subarray(start, start + 1_000));
  }
  assert.deepEqual(statusesOf(await answer), [201]);
});

test('W5: the rest of a body that nobody reads is not waited for', async () => {
  const cuts = 'waybill_connections_cut_total{reason="unread-body"}';
  const socket = await openSocket(registry);
  socket.write('GET /healthz HTTP/1.1\r\nhost: registry\r\ncontent-length: 1000\r\n\r\nx');
  assert.deepEqual(statusesOf(await restOf(socket)), [200]);
  assert.equal(await registry.metric(cuts), 1);
  // A whole body that nobody reads is no reason to close.
  const whole = `GET /healthz HTTP/1.1\r\nhost: registry\r\ncontent-length: 3\r\n\r\nabc${rawGet('/healthz')}`;
  assert.deepEqual(statusesOf(await answerTo(registry, whole)), [200, 200]);
  assert.equal(await registry.metric(cuts), 1);
});

test('W5: an answer that its reader does not take is cut', async () => {
  const content = new Uint8Array(CONTENT_BYTES).fill(7);
  const { publisher, record } = await waiting('test:reader', content);
  assertEmpty(await publisher.upload(record.id, content), 201);
  const target = `/content/${digestOf(content).replace(':', '-')}`;
  const cuts = 'waybill_connections_cut_total{reason="slow-reader"}';
  const socket = await openSocket(registry);
  socket.pause();
  socket.on('error', () => undefined);
  socket.write(rawGet(target));
  await registry.untilMetric(cuts, 1);
  const taken = (await restOf(socket.resume())).length;
  assert.ok(taken < CONTENT_BYTES, `${taken}`);
  assert.ok((await answerTo(registry, rawGet(target))).length > CONTENT_BYTES);
  assert.equal(await registry.metric(cuts), 1);
});
