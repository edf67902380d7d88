import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openHttpBody } from '../src/node/http-body.ts';
import { Transport, TRANSPORT_LIMITS } from '../src/transport.ts';

const START_MS_MAX = 10_000;

async function withServer(listener: RequestListener, use: (url: URL) => Promise<void>): Promise<void> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await use(new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/content`));
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test('a body of 200 is read to its end', () =>
  withServer(
    (_, response) => void response.end(Buffer.alloc(3_000_000, 7)),
    async (url) => {
      const body = await openHttpBody(url, START_MS_MAX);
      let received = 0;
      for (let chunk = await body?.read(); chunk; chunk = await body?.read()) received += chunk.length;
      assert.equal(received, 3_000_000);
      body?.cancel();
    },
  ));

test('every other answer is left to fetch: a redirect, an error, an encoding, a name in the address, none at all', async () => {
  const answers: readonly RequestListener[] = [
    (_, response) => void response.writeHead(302, { location: 'http://127.0.0.1/' }).end(),
    (_, response) => void response.writeHead(404).end('no'),
    (_, response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end('no'),
    (request) => void request.socket.destroy(),
  ];
  for (const answer of answers) {
    await withServer(answer, async (url) => assert.equal(await openHttpBody(url, START_MS_MAX), null));
  }
  await withServer(
    () => undefined,
    async (url) => assert.equal(await openHttpBody(url, 50), null),
  );
  assert.equal(await openHttpBody(new URL('http://a:b@127.0.0.1:1/'), START_MS_MAX), null);
  assert.equal(await openHttpBody(new URL('http://127.0.0.1:1/'), START_MS_MAX), null);
});

test('W1: ports of other protocols are asked by nobody but fetch, which refuses them', async () => {
  for (const port of [25, 1023, 6667]) {
    const url = new URL(`http://127.0.0.1:${port}/`);
    assert.equal(await openHttpBody(url, START_MS_MAX), null);
  }
  await assert.rejects(fetch('http://127.0.0.1:6667/'));
});

test('an origin that has to be asked by fetch is asked once by the other way', async () => {
  let asked = 0;
  await withServer(
    (_, response) => {
      asked++;
      response.writeHead(404).end();
    },
    async (url) => {
      const transport = new Transport(url, fetch, {}, TRANSPORT_LIMITS, openHttpBody);
      assert.deepEqual([await transport.body(url), await transport.body(url)], [null, null]);
      assert.equal(asked, 1);
    },
  );
});

test('T1: a body that breaks off, before the first read as well, or stops, is an answer that broke off', async () => {
  const limits = { ...TRANSPORT_LIMITS, chunkMsMax: 200 };
  const endings: readonly RequestListener[] = [
    (_, response) => {
      response.writeHead(200, { 'content-length': 10 }).write('half');
      setTimeout(() => response.destroy(), 20);
    },
    (_, response) => void response.writeHead(200, { 'content-length': 10 }).write('half'),
  ];
  for (const ending of endings) {
    await withServer(ending, async (url) => {
      const body = await new Transport(url, fetch, {}, limits, openHttpBody).body(url);
      assert.ok(body !== null);
      await sleep(100);
      await assert.rejects(
        async () => {
          for await (const chunk of body) assert.equal(Buffer.from(chunk).toString(), 'half');
        },
        { code: 'registry/unreachable' },
      );
    });
  }
});
