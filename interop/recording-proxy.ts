import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { type Socket } from 'node:net';

/** One request that passed. */
export interface PassedRequest {
  readonly method: string;
  readonly path: string;
  readonly status: number;
}

/** Stands before a registry, passes everything on, unchanged but for what it is told to drop, and remembers what it was. */
export interface RecordingProxy {
  readonly url: URL;
  /** In the order of the answers. */
  readonly passed: PassedRequest[];
  /** That came and went on the side of the client so far, heads of requests and answers included. */
  bytesMoved(): number;
  stop(): Promise<void>;
}

/** `dropped`: headers of requests that are not passed on, in lower case. */
export async function startRecordingProxy(target: URL, dropped: readonly string[] = []): Promise<RecordingProxy> {
  const passed: PassedRequest[] = [];
  const sockets: Socket[] = [];
  const server = createServer((incoming, outgoing) => {
    for (const name of dropped) delete incoming.headers[name];
    passOn(target, incoming, outgoing, passed);
  });
  server.on('connection', (socket) => sockets.push(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('a listening server has an address');
  return {
    url: new URL(`http://127.0.0.1:${address.port}/`),
    passed,
    bytesMoved: () => sockets.reduce((sum, { bytesRead, bytesWritten }) => sum + bytesRead + bytesWritten, 0),
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function passOn(target: URL, incoming: IncomingMessage, outgoing: ServerResponse, passed: PassedRequest[]): void {
  const { method = 'GET', url = '/', headers } = incoming;
  const options = {
    method,
    path: url,
    headers: { ...headers, host: target.host },
    host: target.hostname,
    port: target.port,
  };
  const forwarded = request(options, (answer) => {
    const status = answer.statusCode ?? 502;
    passed.push({ method, path: url, status });
    outgoing.writeHead(status, answer.headers);
    answer.pipe(outgoing);
  });
  forwarded.on('error', () => outgoing.destroy());
  incoming.pipe(forwarded);
}
