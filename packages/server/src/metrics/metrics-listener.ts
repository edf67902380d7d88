import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { closeGently, listenOn, type ListenAddress } from '../http/listening.ts';
import type { RegistryMetrics } from './registry-metrics.ts';

/** One scraper and a person or two. */
const CONNECTIONS_MAX = 16;
const REQUEST_TIMEOUT_MS = 5_000;
const STOP_GRACE_MS = 1_000;

/** A listener for metrics alone. */
export interface MetricsListener {
  readonly url: URL;
  stop(): Promise<void>;
}

/**
 * Serves `GET /metrics` on an address of its own: what tells of the inside of the server is never on the port that the
 * world reaches (threat W18). Throws what the operating system says of the address.
 */
export async function startMetricsListener(metrics: RegistryMetrics, address: ListenAddress): Promise<MetricsListener> {
  const server = createServer(
    { headersTimeout: REQUEST_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS },
    (incoming, outgoing) => void answer(metrics, incoming, outgoing),
  );
  server.maxConnections = CONNECTIONS_MAX;
  const url = await listenOn(server, address);
  return { url, stop: () => closeGently(server, STOP_GRACE_MS) };
}

async function answer(metrics: RegistryMetrics, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  if (incoming.url !== '/metrics' || (incoming.method !== 'GET' && incoming.method !== 'HEAD')) {
    outgoing.writeHead(404).end();
    return;
  }
  try {
    const text = await metrics.exposition();
    outgoing.writeHead(200, { 'content-type': metrics.contentType }).end(text);
  } catch {
    outgoing.writeHead(500).end();
  }
}
