import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Where a server listens; port 0 takes a free one. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** Connections that the system keeps until they are taken: one that it drops is tried again only after a second or more. */
const BACKLOG_CONNECTIONS = 4_096;

/** How often connections whose request has ended are looked for while a server closes. */
const CLOSE_IDLE_MS = 50;

/** Resolves with the address once connections are taken. Throws what the operating system says. */
export async function listenOn(server: Server, { host, port }: ListenAddress): Promise<URL> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host, backlog: BACKLOG_CONNECTIONS }, resolve);
  });
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('a listening server has an address');
  const name = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return new URL(`http://${name}:${address.port}/`);
}

/** Takes no more connections; resolves when the requests that run are answered, or cut after `graceMs`. */
export async function closeGently(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const cut = setTimeout(() => server.closeAllConnections(), graceMs);
  // Keep-alive connections of finished requests would hold the server open until their timeout.
  const idle = setInterval(() => server.closeIdleConnections(), CLOSE_IDLE_MS);
  await closed;
  clearTimeout(cut);
  clearInterval(idle);
}
