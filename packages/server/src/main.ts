import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { getRequestListener } from '@hono/node-server';
import type { Digest } from '@waybill/protocol';
import { Hono } from 'hono';
import { cors } from 'hono/cors';
import { pino, type Logger } from 'pino';
import type { Config } from './config.ts';
import { ContentReading } from './core/content-reading.ts';
import { silentObserver } from './core/observer.ts';
import { operatorRoutes } from './http/api/operator-routes.ts';
import type { NodeEnv } from './http/node-env.ts';
import { wargRoutes } from './http/warg/warg-routes.ts';
import { openRegistry } from './registry.ts';

/** A request's headers must arrive in this time, and the whole of it in the other. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 600_000;
const KEEP_ALIVE_TIMEOUT_MS = 5_000;
const CONNECTIONS_MAX = 10_000;
/** Requests still running this long after a stop was asked for are cut. */
const STOP_GRACE_MS = 10_000;

/** A registry that listens. */
export interface RunningServer {
  readonly url: URL;
  /** Id of the key that clients pin. */
  readonly operatorKeyId: Digest;
  readonly operatorKeyFile: string;
  /** Ends gracefully: running requests are answered, everything sequenced is durable. */
  stop(): Promise<void>;
}

/**
 * Starts a registry on its data folder, making the folder, the keys and the first record when they are not there yet.
 * `onFatal` is called when the process must end because going on could sign a second history.
 */
export async function startServer(config: Config, onFatal: (failure: unknown) => void): Promise<RunningServer> {
  const log = pino({ level: config.logLevel }, pino.destination(2));
  const registry = await openRegistry(config, { log, onFatal, observer: silentObserver });
  const { reading, proving, publishing, desk, content, sequencer } = registry;
  let url = config.publicUrl ?? new URL('http://localhost/');
  const contentReading = new ContentReading(content, () => url);
  const app = mountRoutes(log, [
    wargRoutes({ reading, proving, publishing, content: contentReading }),
    operatorRoutes(desk),
  ]);
  const server = await listen(app, config).catch(async (failure: unknown) => {
    await registry.close();
    throw failure;
  });
  url = config.publicUrl ?? urlOf(server);
  log.info({ url: url.href, records: sequencer.length }, 'listening');
  return {
    url,
    operatorKeyId: registry.operatorKeyId,
    operatorKeyFile: path.join(config.dataDirectory, 'operator.key'),
    async stop() {
      await close(server);
      await registry.close();
      log.info('stopped');
    },
  };
}

type App = Hono<NodeEnv>;

function mountRoutes(log: Logger, apis: readonly App[]): App {
  const app: App = new Hono();
  app.use(async (c, next) => {
    const startedMs = performance.now();
    await next();
    // Method, path and outcome only: headers may hold tokens (SECURITY.md W12).
    const ms = Math.round(performance.now() - startedMs);
    log.debug({ method: c.req.method, path: c.req.path, status: c.res.status, ms }, 'request');
  });
  app.use(cors({ origin: '*', allowMethods: ['GET', 'POST'], allowHeaders: ['content-type', 'accept'] }));
  app.get('/healthz', (c) => c.text('ok\n'));
  for (const api of apis) app.route('/', api);
  app.notFound(() => new Response(null, { status: 404 }));
  return app;
}

async function listen(app: App, config: Config): Promise<Server> {
  const listener = getRequestListener(app.fetch);
  const server = createServer(
    { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS, keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS },
    (incoming, outgoing) => void listener(incoming, outgoing),
  );
  server.maxConnections = CONNECTIONS_MAX;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(config.port, config.host, resolve);
  });
  return server;
}

function urlOf(server: Server): URL {
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('a listening server has an address');
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return new URL(`http://${host}:${address.port}/`);
}

async function close(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const cut = setTimeout(() => server.closeAllConnections(), STOP_GRACE_MS);
  // Keep-alive connections of finished requests would hold the server open until their timeout.
  const idle = setInterval(() => server.closeIdleConnections(), 50);
  await closed;
  clearTimeout(cut);
  clearInterval(idle);
}
