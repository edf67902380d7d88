import { createServer, type Server } from 'node:http';
import { mkdir } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { getRequestListener } from '@hono/node-server';
import { OPERATOR_LOG, PACKAGE_LOG, type Digest } from '@waybill/protocol';
import { Hono } from 'hono';
import { cors } from 'hono/cors';
import { pino, type Logger } from 'pino';
import { openContentFiles } from './blobs/files/content-files.ts';
import type { Config } from './config.ts';
import { CheckpointSigner } from './core/checkpoint-signer.ts';
import { ContentReading } from './core/content-reading.ts';
import { SOURCING_SWEEP_MS } from './core/limits.ts';
import { LogStates } from './core/log-states.ts';
import { OperatorDesk } from './core/operator-desk.ts';
import type { ContentStore, RegistryStore } from './core/ports.ts';
import { Proving } from './core/proving.ts';
import { Publishing } from './core/publishing.ts';
import { Reading } from './core/reading.ts';
import { Sequencer } from './core/sequencer.ts';
import { operatorRoutes } from './http/api/operator-routes.ts';
import type { NodeEnv } from './http/node-env.ts';
import { wargRoutes } from './http/warg/warg-routes.ts';
import { openOperatorKey } from './operator-key.ts';
import { holdDirectory } from './storage/sqlite/directory-lock.ts';
import { openSqliteStore } from './storage/sqlite/sqlite-store.ts';

/** A request's headers must arrive in this time, and the whole of it in the other. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 600_000;
const KEEP_ALIVE_TIMEOUT_MS = 5_000;
const CONNECTIONS_MAX = 10_000;
/** Requests still running this long after a stop was asked for are cut. */
const STOP_GRACE_MS = 10_000;
const FOLDER_MODE = 0o750;

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
 * Starts a registry on its data folder, making the folder, the key and the first record when they are not there yet.
 * `onFatal` is called when the process must end because going on could sign a second history.
 */
export async function startServer(config: Config, onFatal: (failure: unknown) => void): Promise<RunningServer> {
  const log = pino({ level: config.logLevel }, pino.destination(2));
  await mkdir(config.dataDirectory, { recursive: true, mode: FOLDER_MODE });
  const release = holdDirectory(config.dataDirectory);
  try {
    const store = await openSqliteStore(path.join(config.dataDirectory, 'registry.sqlite'));
    const content = await openContentFiles(path.join(config.dataDirectory, 'content'));
    const storage = { store, content };
    return await startOn(storage, config, { log, onFatal, release });
  } catch (failure) {
    release();
    throw failure;
  }
}

interface Storage {
  readonly store: RegistryStore;
  readonly content: ContentStore;
}

interface Surroundings {
  readonly log: Logger;
  readonly onFatal: (failure: unknown) => void;
  readonly release: () => void;
}

async function startOn(
  { store, content }: Storage,
  config: Config,
  surroundings: Surroundings,
): Promise<RunningServer> {
  const { log, onFatal, release } = surroundings;
  const key = await openOperatorKey(config.dataDirectory, (await store.readHead()) === null);
  const packages = new LogStates(PACKAGE_LOG, store);
  const operator = new LogStates(OPERATOR_LOG, store);
  const signer = new CheckpointSigner(key, Date.now);
  const sequencer = await Sequencer.open({ store, packages, operator, signer, onFatal });
  const desk = new OperatorDesk({ store, operator, sequencer, commitKeyId: signer.keyId, clock: Date.now });
  await desk.open(key, config.namespaces);
  const { publishers, contentPolicy } = config;
  const publishing = new Publishing({
    store,
    content,
    packages,
    operator,
    sequencer,
    publishers,
    contentPolicy,
    clock: Date.now,
  });
  await publishing.resume();
  const reading = new Reading({ store, sequencer, operator });
  const proving = new Proving(store, reading);
  let url = config.publicUrl ?? new URL('http://localhost/');
  const contentReading = new ContentReading(content, () => url);
  const app = mountRoutes(log, [
    wargRoutes({ reading, proving, publishing, content: contentReading }),
    operatorRoutes(desk),
  ]);
  const server = await listen(app, config);
  url = config.publicUrl ?? urlOf(server);
  const sweeper = setInterval(
    () => void publishing.sweep().catch((failure: unknown) => log.error(failure)),
    SOURCING_SWEEP_MS,
  );
  log.info({ url: url.href, records: sequencer.length }, 'listening');
  return {
    url,
    operatorKeyId: key.publicKey.id,
    operatorKeyFile: path.join(config.dataDirectory, 'operator.key'),
    async stop() {
      clearInterval(sweeper);
      await close(server);
      await sequencer.drain();
      await store.close();
      release();
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
