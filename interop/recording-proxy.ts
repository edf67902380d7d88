import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';

/** One request that passed. */
export interface PassedRequest {
  readonly method: string;
  readonly path: string;
  readonly status: number;
}

/** Stands before a registry, passes everything on unchanged, and remembers what it was. */
export interface RecordingProxy {
  readonly url: URL;
  /** In the order of the answers. */
  readonly passed: PassedRequest[];
  stop(): Promise<void>;
}

export async function startRecordingProxy(target: URL): Promise<RecordingProxy> {
  const passed: PassedRequest[] = [];
  const server = createServer((incoming, outgoing) => passOn(target, incoming, outgoing, passed));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('a listening server has an address');
  return {
    url: new URL(`http://127.0.0.1:${address.port}/`),
    passed,
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
