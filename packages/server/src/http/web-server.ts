import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import type { Logger } from 'pino';
import { allowAnyOrigin, preflightAnswer } from './any-origin.ts';
import { HTTP_LIMITS, type HttpLimits } from './http-limits.ts';
import type { HttpObserver } from './http-observer.ts';
import { Intake } from './intake.ts';
import { closeGently, listenOn, type ListenAddress } from './listening.ts';
import { LoopLag } from './loop-lag.ts';
import type { NodeEnv } from './node-env.ts';
import { problemHeaders } from './problem.ts';
import { watchRequests } from './request-watch.ts';
import { type FrontListener, type Listener, PublishDoor } from './publish-door.ts';
import { SlowReaders } from './slow-readers.ts';

/** What tests set otherwise. */
export interface WebBounds {
  readonly limits?: HttpLimits;
  /** Replaces the measured lag of the event loop, in milliseconds. */
  readonly lagMs?: () => number;
}

export interface WebServerParts extends WebBounds {
  readonly address: ListenAddress;
  readonly log: Logger;
  readonly observer: HttpObserver;
  /** Why no record can be taken now; `null` when one can. */
  readonly notReady: () => string | null;
}

/** What the server answers: APIs of the framework, and in front of them one that does without; `null` for none. */
export interface ServedApis {
  readonly front: (limits: HttpLimits) => FrontListener | null;
  readonly apis: (intake: Intake) => readonly Hono<NodeEnv>[];
}

/** A server that listens. */
export interface WebServer {
  readonly url: URL;
  /** Answers the requests that run, and takes no more. */
  stop(): Promise<void>;
}

/** Serves the APIs within the bounds of `limits`. Throws what the operating system says of the address. */
export async function startWebServer({ front, apis }: ServedApis, parts: WebServerParts): Promise<WebServer> {
  const { observer, limits = HTTP_LIMITS } = parts;
  const lag = new LoopLag();
  const slowReaders = new SlowReaders(limits, observer);
  const intake = new Intake({ limits, observer, lagMs: parts.lagMs ?? (() => lag.meanMs) });
  let stopping = false;
  const app = mountRoutes(apis(intake), { ...parts, notReady: () => (stopping ? 'stopping' : parts.notReady()) });
  const server = createNodeServer(
    limits,
    requestListener(app, { front: front(limits), intake, slowReaders, observer, limits }),
  );
  const end = (): void => {
    lag.stop();
    slowReaders.stop();
  };
  const url = await listenOn(server, parts.address).catch((failure: unknown) => {
    end();
    throw failure;
  });
  return {
    url,
    async stop() {
      stopping = true;
      await closeGently(server, limits.stopGraceMs);
      end();
    },
  };
}

function mountRoutes(
  apis: readonly Hono<NodeEnv>[],
  { log, observer, notReady }: Pick<WebServerParts, 'log' | 'observer' | 'notReady'>,
): Hono<NodeEnv> {
  const app = new Hono<NodeEnv>();
  app.use(watchRequests(log, observer));
  app.options('*', preflightAnswer);
  app.get('/healthz', (c) => c.text('ok\n'));
  app.get('/readyz', (c) => {
    const reason = notReady();
    return reason === null ? c.text('ready\n') : c.text(`${reason}\n`, 503, problemHeaders(503));
  });
  for (const api of apis) app.route('/', api);
  app.notFound(() => new Response(null, { status: 404 }));
  return app;
}

interface ListenerParts {
  readonly front: FrontListener | null;
  readonly intake: Intake;
  readonly slowReaders: SlowReaders;
  readonly observer: HttpObserver;
  readonly limits: HttpLimits;
}

function requestListener(app: Hono<NodeEnv>, parts: ListenerParts): Listener {
  const { front, intake, slowReaders, observer } = parts;
  const answer = getRequestListener(app.fetch);
  const door = new PublishDoor(intake, observer, (incoming, outgoing) => void answer(incoming, outgoing));
  // One for all requests: thousands may wait at the door.
  const finished = function (this: ServerResponse): void {
    if (!this.req.complete) cutUnreadBody(this.req, parts);
  };
  return (incoming, outgoing) => {
    if (isAmbiguous(incoming)) {
      outgoing.writeHead(400, { connection: 'close', 'content-length': 0 }).end();
      return;
    }
    allowAnyOrigin(outgoing);
    slowReaders.watch(outgoing);
    outgoing.on('finish', finished);
    if (front?.takes(incoming.url ?? '') === true) front.answer(incoming, outgoing);
    else door.pass(incoming, outgoing);
  };
}

/**
 * What Node's parser lets pass, and a proxy may have understood otherwise (SECURITY.md W6): two hosts (RFC 9112 3.2), and
 * codings under the one that is taken away (6.1).
 */
function isAmbiguous({ rawHeaders, headers }: IncomingMessage): boolean {
  const coding = headers['transfer-encoding'];
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') return true;
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at];
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts++;
  }
  return hosts > 1;
}

/** The rest of a body is let in so that its connection can be used again, but not for as long as its sender likes. */
function cutUnreadBody(incoming: IncomingMessage, { observer, limits }: ListenerParts): void {
  const timer = setTimeout(() => {
    if (incoming.complete || incoming.socket.destroyed) return;
    observer.connectionCut('unread-body');
    incoming.socket.destroy();
  }, limits.unreadBodyMs);
  timer.unref();
  incoming.once('close', () => clearTimeout(timer));
}

function createNodeServer(limits: HttpLimits, listener: Listener): Server {
  const server = createServer(
    {
      headersTimeout: limits.headersMs,
      connectionsCheckingInterval: limits.headersCheckMs,
      // A body has its own pace (request-body.ts): a whole upload may rightly take hours.
      requestTimeout: 0,
      keepAliveTimeout: limits.keepAliveMs,
      maxHeaderSize: limits.headerBytesMax,
    },
    listener,
  );
  server.maxConnections = limits.connectionsMax;
  return server;
}
