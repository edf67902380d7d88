import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, test } from 'node:test';
import { RegistryError } from '@waybill/protocol';
import { Hono } from 'hono';
import { pino } from 'pino';
import { silentHttpObserver } from '../../src/http/http-observer.ts';
import type { NodeEnv } from '../../src/http/node-env.ts';
import { startWebServer, type WebServer } from '../../src/http/web-server.ts';
import { wargProblem } from '../../src/http/warg/warg-problem.ts';
import { statusesOf } from '../raw-socket.ts';
import { recordSpans, type RecordedSpan } from '../spans.ts';

const log = pino({ level: 'silent' });
const spans: RecordedSpan[] = recordSpans();
const servers: WebServer[] = [];
after(() => Promise.all(servers.map((server) => server.stop())));

async function start(
  notReady: () => string | null,
  routes: (app: Hono<NodeEnv>) => void = () => undefined,
): Promise<WebServer> {
  const app = new Hono<NodeEnv>();
  routes(app);
  app.onError((thrown) => wargProblem(thrown));
  const address = { host: '127.0.0.1', port: 0 };
  const server = await startWebServer(
    { front: () => null, apis: () => [app] },
    { address, log, observer: silentHttpObserver, notReady },
  );
  servers.push(server);
  return server;
}

test('a server that can take records is ready', async () => {
  let reason: string | null = null;
  const { url } = await start(() => reason);
  const ready = await fetch(new URL('readyz', url));
  assert.deepEqual([ready.status, await ready.text()], [200, 'ready\n']);
  reason = 'the store has failed';
  const answer = await fetch(new URL('readyz', url));
  assert.deepEqual([answer.status, await answer.text()], [503, 'the store has failed\n']);
  assert.equal(answer.headers.get('retry-after'), '1');
  assert.equal((await fetch(new URL('healthz', url))).status, 200);
});

test('a server that stops is not ready, and ends what runs', async () => {
  let release: () => void = () => undefined;
  let began: () => void = () => undefined;
  const running = new Promise<void>((resolve) => (began = resolve));
  const server = await start(
    () => null,
    (app) =>
      app.get('/slow', async (c) => {
        const released = new Promise<void>((resolve) => (release = resolve));
        began();
        await released;
        return c.text('done\n');
      }),
  );
  const socket = connect(Number(server.url.port), server.url.hostname).setEncoding('latin1');
  let answers = '';
  socket.on('data', (chunk: string) => (answers += chunk));
  const get = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: registry\r\n\r\n`;
  socket.write(get('/slow'));
  await running;
  const stopped = server.stop();
  socket.write(get('/readyz'));
  release();
  await once(socket, 'close');
  await stopped;
  const [first, second] = statusesOf(answers);
  assert.equal(first, 200);
  // Closed before the second request was seen, or answered.
  assert.ok(second === 503 || second === undefined, answers);
});

test('W12: a request is traced by method, template and status, and by nothing that was sent', async () => {
  const { url } = await start(
    () => null,
    (app) => {
      app.get('/v1/thing/:id', (c) => c.text('ok'));
      app.get('/v1/fail/:id', () => {
        throw new RegistryError('storage/damaged', 'secret-inside');
      });
    },
  );
  spans.length = 0;
  for (const path of ['v1/thing/secret-id?token=secret-query', 'v1/fail/secret-id', 'secret-path']) {
    await fetch(new URL(path, url), { headers: { authorization: 'secret-token', traceparent: 'secret-parent' } });
  }
  const [ok, failed, other] = spans;
  assert.equal(ok?.name, 'GET /v1/thing/:id');
  assert.deepEqual(ok.attributes, {
    'http.request.method': 'GET',
    'http.route': '/v1/thing/:id',
    'http.response.status_code': 200,
  });
  assert.deepEqual([failed?.name, failed?.failed], ['GET /v1/fail/:id', true]);
  assert.equal(other?.name, 'GET other');
  assert.ok(!JSON.stringify(spans).includes('secret'));
  assert.ok(spans.every(({ ended }) => ended));
});
